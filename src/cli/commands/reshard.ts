import { type Command, Option } from 'commander';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import { notify } from '../failure.js';
import { writeLine } from '../output.js';
import { integerFrom } from '../values.js';

/** `millrace reshard`: copies a directory that no server has open into a new one with another number of shards. */

interface ReshardCommandOptions {
  shards: number;
  to: string;
  redate?: true;
  json?: true;
}

export function addReshardCommand(program: Command): void {
  program
    .command('reshard')
    .description('copy a directory into a new one with another number of shards')
    .argument('<dir>', 'the directory to read; no server may have it open')
    .addOption(
      new Option('--shards <n>', `shards of the copy, 1 to ${SHARDS_MAX}`)
        .argParser(integerFrom(1, SHARDS_MAX))
        .makeOptionMandatory(),
    )
    .addOption(new Option('--to <dir>', 'directory to create').makeOptionMandatory())
    .option(
      '--redate',
      'events dated in the future, by a clock that was ahead, count as recorded now',
    )
    .option('--json', 'print the outcome as JSON')
    .action(reshardDirectory);
}

async function reshardDirectory(dir: string, options: ReshardCommandOptions): Promise<void> {
  const { shards, to } = options;
  // Imported here, as the commands that talk to a server need no SQLite.
  const { reshard } = await import('../../store/upkeep/reshard.js');
  const { isTTY } = process.stderr;
  const { events, losses } = reshard({
    from: dir,
    shards,
    to,
    ...(options.redate === true && { recordedUntil: Date.now() }),
    onProgress: (progress) => {
      if (isTTY) process.stderr.write(`\r${progress.events} of ${progress.total} events`);
    },
  });
  if (isTTY) process.stderr.write('\n');
  for (const loss of losses) notify(`${dir} has lost events before: ${loss}`);
  notify(`copied ${events} events from ${dir} to ${to}, shards: ${shards}`);
  if (options.json === true) writeLine(JSON.stringify({ events, shards, to, losses }));
}
