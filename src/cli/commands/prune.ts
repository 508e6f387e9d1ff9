import { type Command, Option } from 'commander';
import type { PruneResult, PruneSelection } from '../../protocol/operations.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { notify, usageFailure } from '../failure.js';
import { openDirectory } from '../open-directory.js';
import { writeLine } from '../output.js';
import { Session } from '../session.js';
import { formatBytes, formatNumber } from '../table.js';
import { integerFrom, parseTime } from '../values.js';

/**
 * `millrace prune`: removes the oldest events, through the server that has the directory open, or by opening it itself.
 */

interface PruneCommandOptions extends ServerSettings {
  dir?: string;
  pattern: string;
  before?: string;
  maxEvents?: number;
  maxBytes?: number;
  json?: true;
}

export function addPruneCommand(program: Command): void {
  const command = program
    .command('prune')
    .description('remove the oldest events that match')
    .option('--pattern <pattern>', "topics to prune; '*' is all but the bus's own", '*')
    .addOption(
      new Option(
        '--before <time>',
        'remove events recorded before a time, or 7d for a week ago',
      ).argParser(parseTime),
    )
    .addOption(
      new Option('--max-events <n>', 'keep the newest n events, remove the others').argParser(
        integerFrom(0),
      ),
    )
    .addOption(
      new Option(
        '--max-bytes <n>',
        'keep the newest events of up to n bytes, remove the others',
      ).argParser(integerFrom(0)),
    )
    .addOption(new Option('--dir <dir>', 'prune this directory; no server may have it open'))
    .option('--json', 'print the outcome as JSON');
  addServerOptions(command);
  command.action(async () => {
    const { dir } = command.opts<PruneCommandOptions>();
    applyConfig(command);
    const options = command.opts<PruneCommandOptions>();
    const wanted = pruneOptions(options);
    const result =
      dir === undefined ? await askServer(wanted, options) : await pruneIn(dir, wanted);
    const { events } = result;
    notify(
      `removed ${formatNumber(events)} ${events === 1 ? 'event' : 'events'}, ${formatBytes(result.bytes)}`,
    );
    if (options.json === true) writeLine(JSON.stringify(result));
  });
}

type Wanted = Omit<PruneSelection, 'before'> & { before?: string };

function pruneOptions({ pattern, before, maxEvents, maxBytes }: PruneCommandOptions): Wanted {
  const wanted: Wanted = { pattern };
  if (before !== undefined) wanted.before = before;
  if (maxEvents !== undefined) wanted.maxEvents = maxEvents;
  if (maxBytes !== undefined) wanted.maxBytes = maxBytes;
  if (Object.keys(wanted).length > 1) return wanted;
  throw usageFailure('say what to remove: --before, --max-events or --max-bytes');
}

async function askServer(wanted: Wanted, options: PruneCommandOptions): Promise<PruneResult> {
  const session = await Session.open(options);
  try {
    const { pruned } = await session.requestWithoutTimeout('prune', wanted);
    return pruned ?? { events: 0, bytes: 0 };
  } finally {
    session.close();
  }
}

async function pruneIn(dir: string, wanted: Wanted): Promise<PruneResult> {
  const bus = await openDirectory(dir);
  try {
    return await bus.prune(wanted);
  } finally {
    await bus.close();
  }
}
