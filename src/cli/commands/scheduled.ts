import { type Command, Option } from 'commander';
import type { ScheduledPublish } from '../../protocol/scheduled.js';
import { act } from '../act.js';
import { addServerOptions, type ServerSettings } from '../config.js';
import { CommandFailure, notify } from '../failure.js';
import { printable, writeLine } from '../output.js';
import type { Session } from '../session.js';
import { tableLines } from '../table.js';
import { collect, integerFrom } from '../values.js';

/** `millrace scheduled`: lists and cancels publishes that wait for their time. */

interface ListOptions extends ServerSettings {
  topic?: string[];
  id?: string;
  count: number;
  json?: true;
}

interface CancelOptions extends ServerSettings {
  topic?: string;
  source?: string;
}

const COUNT = 100;
const PAGE_MAX = 1000;

export function addScheduledCommand(program: Command): void {
  const command = program
    .command('scheduled')
    .description('list and cancel publishes that wait for their time');
  const list = command
    .command('list', { isDefault: true })
    .description('list what waits, the first due first')
    .addOption(
      new Option('--topic <pattern>', 'only these topics; may be repeated').argParser(collect),
    )
    .option('--id <id>', 'only publishes with this id')
    .addOption(new Option('--count <n>', 'list at most n').argParser(integerFrom(1)).default(COUNT))
    .option('--json', 'one publish a line, as JSON');
  addServerOptions(list);
  list.action(() => act<ListOptions>(list, printScheduled));
  const cancel = command
    .command('cancel')
    .description('take back a publish that waits')
    .argument('<id>', 'its id, as its ack told it')
    .option('--topic <topic>', 'its topic, where several publishes have the id')
    .option('--source <source>', "its source, where ids are the source's own");
  addServerOptions(cancel);
  cancel.action((id: string) =>
    act<CancelOptions>(cancel, (session, options) => cancelOne(session, id, options)),
  );
}

async function printScheduled(session: Session, options: ListOptions): Promise<void> {
  const { topic, id, count, json } = options;
  const rows: string[][] = [];
  let left = count;
  let allDamaged = 0;
  for (let after: string | undefined; left > 0; ) {
    const request = {
      ...(topic === undefined ? {} : { topic }),
      ...(id === undefined ? {} : { id }),
      ...(after === undefined ? {} : { after }),
      limit: Math.min(left, PAGE_MAX),
    };
    const {
      publishes,
      next,
      damaged = 0,
    } = (await session.request('scheduled', request)).scheduled!;
    left -= publishes.length;
    allDamaged += damaged;
    if (json === true) for (const one of publishes) writeLine(JSON.stringify(one));
    else rows.push(...publishes.map(rowOf));
    if (next === undefined) break;
    after = next;
  }
  if (allDamaged > 0) notify(`${allDamaged} damaged rows are left out; millrace verify names them`);
  if (json === true) return;
  const header = ['due', 'id', 'topic', 'type', 'source', 'published'];
  for (const line of tableLines(header, rows)) writeLine(line);
}

function rowOf({ deliverAt, id, topic, type, source, publishedAt }: ScheduledPublish): string[] {
  return [deliverAt, id, printable(topic), printable(type), printable(source), publishedAt];
}

async function cancelOne(
  session: Session,
  id: string,
  { topic, source }: CancelOptions,
): Promise<void> {
  const { cancelled } = await session.request('cancel', {
    id,
    ...(topic === undefined ? {} : { topic }),
    ...(source === undefined ? {} : { source }),
  });
  if (cancelled !== true) throw new CommandFailure(`no publish with the id ${id} waits`);
  notify(`cancelled ${id}`);
}
