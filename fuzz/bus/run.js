import fc from 'fast-check';
import { nameIn, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { canaries } from './canary.js';
import { playProperty } from './play.js';
import { stores } from './stores.js';

/**
 * Here is how it works. The fuzzer plays games until its time is over. A game opens a bus on a fresh directory, or
 * two on a fresh place of a broker that the fuzzer has started, with random shards, ring sizes and batch sizes, and
 * makes up to 60 random moves: it publishes (small and large, persisted and ephemeral, with fresh and with repeated
 * ids, in groups and with expectations), subscribes, pauses and resumes from cursors at any bus, lets handlers get
 * stuck and go again, changes filters, queries, asks for what the store refuses, kills shards and makes them throw,
 * and closes and reopens a bus, at times with its threads dead or with retention. A model does the same with plain arrays (`model.js`, `lineage.js`).
 * Whenever a game settles, and at its end, all that the bus has stored and delivered is compared with the model.
 *
 * Moves come from a seed, printed first: `--seed N` plays the same games again. The seed does not determine how the
 * threads interleave, so a failure that depends on it may need several turns of its game: `--repeat N`.
 *
 *   node fuzz/bus/run.js [--store sqlite|memory|nats|redis] [--minutes 1] [--seed N] [--games N] [--repeat N]
 *                        [--shrink] [--record FILE] [--canary[=KIND]]
 *
 * `--canary` plants a bug into what the checks observe (`canary.js`: an event dropped, repeated, swapped or altered).
 * The run must then fail; if it does not, the fuzzer cannot find such bugs. Exits 0 if all games agreed with the model,
 * 1 if not, 2 for wrong usage.
 */
const options = readOptions();
const { seed } = options;
const began = performance.now();
const end = began + options.minutes * 60_000;
console.log(
  `fuzz: seed ${seed}, ${options.store}, ${options.minutes} min${options.canary ? ', canary' : ''}`,
);
const store = await stores[options.store]();

let games = 0;
while (performance.now() < end && games < options.games) {
  const gameSeed = (seed + games) & 0x7fffffff;
  for (let turn = 0; turn < options.repeat; turn++) await playGame(gameSeed);
  games++;
}
console.log(`fuzz: ${games} games agreed with the model`);
record(0);
await store.dispose();
if (options.canary) console.error(`fuzz: the canary ${options.canary} went unseen`);

async function playGame(gameSeed) {
  const property = playProperty(store, options.canary && canaries[options.canary]);
  const details = await fc.check(property, {
    seed: gameSeed,
    numRuns: 1,
    endOnFailure: !options.shrink,
  });
  if (!details.failed) return;
  console.error(`fuzz: game ${games} failed`);
  console.error(fc.defaultReportMessage(details));
  if (details.errorInstance instanceof Error) console.error(details.errorInstance.stack);
  record(1);
  const again = `--store ${options.store} --seed ${gameSeed} --games 1 --repeat 20`;
  console.error(`fuzz: again with  node fuzz/bus/run.js ${again}`);
  await store.dispose();
  process.exit(1);
}

function record(problems) {
  if (options.record === undefined) return;
  const none = { acked: 0, lost: 0, repeated: 0, misordered: 0, undetected: 0, recoveryMs: null };
  recordResult(options.record, {
    campaign: 'bus',
    fault: 'model',
    seeds: [seed, games + problems],
    injections: games + problems,
    ...none,
    problems,
    seconds: Math.round((performance.now() - began) / 1000),
  });
}

function readOptions() {
  // `--canary` alone plants the usual one.
  const args = process.argv.map((one) => (one === '--canary' ? '--canary=drop' : one));
  return program('node fuzz/bus/run.js', 'Random games on whole buses, compared with a model.')
    .option(
      '--store <name>',
      `plays on it: ${Object.keys(stores).join(', ')}`,
      nameIn(stores),
      'sqlite',
    )
    .option('--minutes <n>', 'begins no game after so many', positive, 1)
    .option('--games <n>', 'plays at most so many games', positive, Number.POSITIVE_INFINITY)
    .option('--repeat <n>', 'plays each game so often', positive, 1)
    .option('--shrink', 'looks for a shorter game that fails too')
    .option('--canary [kind]', 'plants a fault into what is checked', nameIn(canaries))
    .parse(args)
    .opts();
}
