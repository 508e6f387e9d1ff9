import { type Command, Option } from 'commander';
import type { WireConsumerChange } from '../../../protocol/consumer-frames.js';
import { act } from '../../act.js';
import { addServerOptions } from '../../config.js';
import { notify, usageFailure } from '../../failure.js';
import { writeLine } from '../../output.js';
import { formatNumber } from '../../table.js';
import { type From, parsePlace } from '../../values.js';
import type { ConsumerCommandOptions } from './options.js';

/** `millrace consumers pause`, `resume`, `seek`, `skip` and `delete`. */

interface SeekOptions extends ConsumerCommandOptions {
  from: From;
  dryRun?: true;
}

export function addDirectingCommands(consumers: Command): void {
  const pause = command(consumers, 'pause', 'lease nothing until resume; what is leased goes on');
  pause.action((name: string) => alter(pause, name, { kind: 'pause' }, 'paused'));
  const resume = command(consumers, 'resume', 'lease again');
  resume.action((name: string) => alter(resume, name, { kind: 'resume' }, 'resumed'));
  const seek = command(
    consumers,
    'seek',
    'move the consumer: leases are lost, attempts forgotten, dead events before its place stay dead',
  ).addOption(
    new Option(
      '--from <position>',
      'needed: now, earliest, last:N, since:1h, since:TIME or after:CURSOR',
    )
      .argParser(parsePlace)
      .makeOptionMandatory(),
  );
  seek.option('--dry-run', 'only say how many events would come again, or be passed over');
  seek.action((name: string) => {
    const { from, dryRun } = seek.opts<SeekOptions>();
    if (dryRun === true) return preview(seek, name, from);
    return alter(seek, name, { kind: 'seek', from }, 'moved');
  });
  const skip = command(consumers, 'skip', 'take one open event for done').argument(
    '<event>',
    'SHARD:SEQUENCE, as `consumers open` shows it',
  );
  skip.action((name: string, event: string) => {
    const change = { kind: 'skip', ...parseEvent(event) } as const;
    return alter(skip, name, change, `skipped ${event} of`);
  });
  const remove = command(consumers, 'delete', 'end its members, and forget what it has done');
  remove.action((name: string) => alter(remove, name, { kind: 'delete' }, 'deleted'));
}

function command(consumers: Command, verb: string, description: string): Command {
  const made = consumers
    .command(verb)
    .description(description)
    .argument('<name>', 'the name of the consumer')
    .option('--json', 'print the change as JSON');
  return addServerOptions(made);
}

function alter(
  command: Command,
  name: string,
  change: WireConsumerChange,
  done: string,
): Promise<void> {
  return act<ConsumerCommandOptions>(command, async (session, { json }) => {
    await session.request('alterConsumer', { name, change });
    notify(`${done} ${name}`);
    if (json === true) writeLine(JSON.stringify({ name, change }));
  });
}

function preview(command: Command, name: string, from: From): Promise<void> {
  return act<ConsumerCommandOptions>(command, async (session, { json }) => {
    const { preview: found } = await session.request('seekPreview', { name, from });
    if (found === undefined) return;
    if (json === true) {
      writeLine(JSON.stringify(found));
      return;
    }
    const { again, passed, inFlight, unseen } = found;
    writeLine(`would come again      ${formatNumber(again)}`);
    writeLine(`would be passed over  ${formatNumber(passed)}`);
    writeLine(`leases lost           ${formatNumber(inFlight)}`);
    if (unseen > 0) notify(`${formatNumber(unseen)} events of the log were not looked at`);
  });
}

function parseEvent(text: string): { readonly shard: number; readonly sequence: number } {
  const [, shard, sequence] = /^#?(\d+):(\d+)$/.exec(text) ?? [];
  const parsed = { shard: Number(shard), sequence: Number(sequence) };
  if (Number.isSafeInteger(parsed.shard) && Number.isSafeInteger(parsed.sequence)) return parsed;
  throw usageFailure(`${text} is no event, such as 0:17`);
}
