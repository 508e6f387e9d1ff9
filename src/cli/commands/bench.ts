import { type Command, Option } from 'commander';
import { PAYLOAD_BYTES_MAX } from '../../protocol/limits/events.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { notify, usageFailure } from '../failure.js';
import type { LoadOutcome, LoadShape, LoadTarget } from '../load.js';
import { writeLine } from '../output.js';
import { formatNumber } from '../table.js';
import { integerFrom, parseRate } from '../values.js';

/** `millrace bench`: measures a server, or the engine in this process. */

interface BenchOptions extends ServerSettings, Omit<LoadShape, 'persist'> {
  embedded?: true;
  dir?: string;
  persist: boolean;
  json?: true;
}

export function addBenchCommand(program: Command): void {
  const command = program
    .command('bench')
    .description(
      'publish and subscribe for a while, check the events that arrive, print rates and latencies',
    )
    .option('--embedded', 'run a bus in this process instead of using a server')
    .option('--dir <dir>', 'with --embedded: its directory; default: a new one, removed afterwards')
    .addOption(count('--events <n>', 'number of events to publish', 100_000, 100_000_000))
    .addOption(
      new Option('--rate <n>', 'events per second; default: as fast as possible').argParser(
        parseRate,
      ),
    )
    .addOption(count('--topics <n>', 'number of topics to spread the events over', 100, 1_000_000))
    .addOption(count('--subscribers <n>', 'subscribers, each of which gets every event', 1, 1000))
    .addOption(count('--batch <n>', 'events in each publish call', 64, 4096))
    .addOption(count('--window <n>', 'events published and not yet acknowledged', 4096, 65_536))
    .addOption(
      count(
        '--payload-bytes <n>',
        'approximate size of each payload, as JSON',
        200,
        PAYLOAD_BYTES_MAX - 1024,
      ),
    )
    .addOption(
      new Option('--durability <kind>', 'durability that each acknowledgement confirms')
        .choices(['synced', 'written'])
        .default('synced'),
    )
    .option('--no-persist', 'ephemeral events: nothing stays in the log')
    .option('--json', 'the outcome as one JSON object');
  addServerOptions(command);
  command.action(async () => {
    applyConfig(command);
    await bench(command.opts<BenchOptions>());
  });
}

async function bench(options: BenchOptions): Promise<void> {
  if (options.dir !== undefined && options.embedded !== true) {
    throw usageFailure('--dir goes with --embedded; a server has a directory of its own');
  }
  // Imported here, as the other commands that talk to a server need no engine.
  const { runLoad, openEmbeddedTarget, openServerTarget } = await import('../load.js');
  let target: LoadTarget;
  if (options.embedded === true) target = await openEmbeddedTarget(options.dir);
  else {
    if (options.persist) notify('the events stay in the log of that server, on topics bench.…');
    target = await openServerTarget(options);
  }
  try {
    const outcome = await runLoad(target, options);
    if (options.json === true) writeLine(JSON.stringify(outcome));
    else for (const line of outcomeLines(outcome)) writeLine(line);
  } finally {
    await target.close();
  }
}

function outcomeLines(outcome: LoadOutcome): string[] {
  const { events, deliveries, seconds, publishMs, deliveryMs } = outcome;
  const rate = (count: number) => `${formatNumber(count / seconds)}/s`;
  return [
    `published  ${formatNumber(events)} events in ${formatNumber(seconds)} s, ${rate(events)}`,
    `delivered  ${formatNumber(deliveries)}, ${rate(deliveries)}; each once and in order`,
    `to ack     ${percentiles(publishMs)}`,
    `to arrival ${percentiles(deliveryMs)}`,
  ];
}

function percentiles({ p50, p95, p99, max }: LoadOutcome['publishMs']): string {
  const [a, b, c, d] = [p50, p95, p99, max].map((ms) => `${ms.toFixed(2)} ms`);
  return `p50 ${a}  p95 ${b}  p99 ${c}  max ${d}`;
}

function count(flags: string, description: string, fallback: number, most: number): Option {
  return new Option(flags, description).default(fallback).argParser(integerFrom(1, most));
}
