import { type Command, Option } from 'commander';
import type {
  DeadEvent,
  DeadPage,
  HeldKey,
  HeldKeyPage,
  OpenEvent,
  OpenPage,
} from '../../../protocol/consumers.js';
import { CONSUMER_PAGE, CONSUMER_PAGE_MAX } from '../../../protocol/limits/consumers.js';
import { act } from '../../act.js';
import { addServerOptions } from '../../config.js';
import { notify } from '../../failure.js';
import { outputDrained, writeLine } from '../../output.js';
import type { Session } from '../../session.js';
import { type Cell, tableLines } from '../../table.js';
import { integerFrom } from '../../values.js';
import type { ConsumerCommandOptions } from './options.js';

/** `millrace consumers open`, `held-keys` and `dead`: what a consumer has open, what waits for a key, and what is dead. */

interface PageOptions extends ConsumerCommandOptions {
  limit: number;
}

export function addPageCommands(consumers: Command): void {
  const open = pageCommand(
    consumers,
    'open',
    'list the open events: read, and neither done nor dead',
    'event',
  );
  open.action((name: string) =>
    act<PageOptions>(open, async (session, options) => {
      const events = await pages<OpenEvent>(options.limit, async (page) => {
        return (await session.request('consumerOpen', { name, ...page })).page as OpenPage;
      });
      await print(events, OPEN_COLUMNS, openCells, options);
    }),
  );
  const keys = pageCommand(
    consumers,
    'held-keys',
    'list the keys of which events wait, and why',
    'key',
  );
  keys.action((name: string) =>
    act<PageOptions>(keys, async (session, options) => {
      const held = await pages<HeldKey>(options.limit, async (page) => {
        const answer = await session.request('consumerHeldKeys', { name, ...page });
        const { keys: events, ...next } = answer.page as HeldKeyPage;
        return { events, ...next };
      });
      await print(held, KEY_COLUMNS, keyCells, options);
    }),
  );
  const dead = pageCommand(consumers, 'dead', 'list the dead events, and why they died', 'event');
  dead.action((name: string) =>
    act<PageOptions>(dead, async (session, options) => {
      await printDead(await deadEvents(session, name, options.limit), options);
    }),
  );
}

function pageCommand(
  consumers: Command,
  verb: string,
  description: string,
  element: 'event' | 'key',
): Command {
  const command = consumers
    .command(verb)
    .description(description)
    .argument('<name>', 'the name of the consumer')
    .addOption(
      new Option('--limit <n>', `the most ${element}s to list`)
        .default(CONSUMER_PAGE)
        .argParser(integerFrom(1)),
    )
    .option('--json', `one ${element} a line, as JSON`);
  return addServerOptions(command);
}

function deadEvents(session: Session, name: string, limit: number): Promise<Listed<DeadEvent>> {
  return pages<DeadEvent>(limit, async (page) => {
    return (await session.request('consumerDead', { name, ...page })).page as DeadPage;
  });
}

export async function printDead(
  events: Listed<DeadEvent>,
  options: { readonly json?: true },
): Promise<void> {
  await print(events, DEAD_COLUMNS, deadCells, options);
}

interface Page<E> {
  readonly events: readonly E[];
  readonly next?: string;
}

export interface Listed<E> {
  readonly events: readonly E[];
  /** There are more. */
  readonly hasMore: boolean;
}

async function pages<E>(
  limit: number,
  ask: (page: { after?: string; limit: number }) => Promise<Page<E>>,
): Promise<Listed<E>> {
  const events: E[] = [];
  let after: string | undefined;
  do {
    const most = Math.min(CONSUMER_PAGE_MAX, limit - events.length);
    const page = await ask(after === undefined ? { limit: most } : { after, limit: most });
    events.push(...page.events);
    after = page.next;
  } while (after !== undefined && events.length < limit);
  return { events, hasMore: after !== undefined };
}

async function print<E>(
  { events, hasMore }: Listed<E>,
  columns: readonly string[],
  cells: (event: E) => Cell[],
  { json }: { readonly json?: true },
): Promise<void> {
  const lines =
    json === true
      ? events.map((event) => JSON.stringify(event))
      : tableLines(columns, events.map(cells));
  for (const line of lines) if (!writeLine(line)) await outputDrained();
  if (hasMore) notify(`these are ${events.length}; there are more: --limit`);
}

const OPEN_COLUMNS = [
  'event',
  'state',
  'attempts',
  'losses',
  'until',
  'member',
  'key',
  'topic',
  'failed',
];

function openCells(event: OpenEvent): Cell[] {
  const { shard, sequence, state, attempts, losses, until, member, key, topic } = event;
  const place = `${shard}:${sequence}`;
  const facts = [until ?? '-', member ?? '-', key ?? '-', topic ?? '-', failureText(event)];
  return [place, state, attempts, losses, ...facts];
}

const KEY_COLUMNS = ['key', 'waiting', 'behind', 'state', 'attempts', 'until', 'failed'];

function keyCells({ key, waiting, first }: HeldKey): Cell[] {
  const { shard, sequence, state, attempts, until } = first;
  const place = `${shard}:${sequence}`;
  return [key, waiting, place, state, attempts, until ?? '-', failureText(first)];
}

function failureText({ lastFailure }: OpenEvent): string {
  if (lastFailure === undefined) return '-';
  const { cause, reason } = lastFailure;
  return reason === '' ? cause : `${cause}: ${reason}`;
}

const DEAD_COLUMNS = ['event', 'id', 'topic', 'died', 'attempts', 'cause', 'letter', 'reason'];

function deadCells(event: DeadEvent): Cell[] {
  const { shard, sequence, id, topic, diedAt, attempts, cause, letter, reason } = event;
  return [`${shard}:${sequence}`, id, topic, diedAt, attempts, cause, letter, reason];
}
