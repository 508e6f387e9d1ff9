import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { canaries } from './canary.js';
import { playProperty } from './play.js';

/**
 * Here is how it works. The fuzzer plays games until its time is over. A game opens a bus on a fresh directory with
 * random shards, ring sizes and batch sizes, and makes up to 60 random moves: it publishes (small and large,
 * persisted and ephemeral, with fresh and with repeated ids), subscribes, pauses and resumes from cursors, lets
 * handlers get stuck and go again, changes filters, queries, kills shards and makes them throw, and closes and
 * reopens the bus, at times with retention. A model does the same with plain arrays (`model.js`, `lineage.js`).
 * Whenever a game settles, and at its end, all that the bus has stored and delivered is compared with the model.
 *
 * Moves come from a seed, printed first: `--seed N` plays the same games again. The seed does not determine how the
 * threads interleave, so a failure that depends on it may need several turns of its game: `--repeat N`.
 *
 *   node fuzz/run.js [--seconds 60] [--seed N] [--games N] [--repeat N] [--shrink] [--canary[=KIND]]
 *
 * `--canary` plants a bug into what the checks observe (`canary.js`: an event dropped, repeated, swapped or altered).
 * The run must then fail; if it does not, the fuzzer cannot find such bugs. Exits 0 if all games agreed with the model,
 * 1 if not, 2 for wrong usage.
 */
const options = parseOptions();
const seed = options.seed ?? Math.floor(Math.random() * 0x7fffffff);
const end = Date.now() + options.seconds * 1000;
console.log(`fuzz: seed ${seed}, ${options.seconds} s${options.canary ? ', canary' : ''}`);

let games = 0;
while (Date.now() < end && games < options.games) {
  const gameSeed = (seed + games) | 0;
  for (let turn = 0; turn < options.repeat; turn++) await playGame(gameSeed);
  games++;
}
console.log(`fuzz: ${games} games agreed with the model`);
if (options.canary) console.error(`fuzz: the canary ${options.canary} went unseen`);

async function playGame(gameSeed) {
  const property = playProperty(options.canary && canaries[options.canary]);
  const details = await fc.check(property, {
    seed: gameSeed,
    numRuns: 1,
    endOnFailure: !options.shrink,
  });
  if (!details.failed) return;
  console.error(`fuzz: game ${games} failed`);
  console.error(fc.defaultReportMessage(details));
  if (details.errorInstance instanceof Error) console.error(details.errorInstance.stack);
  console.error(`fuzz: again with  node fuzz/run.js --seed ${gameSeed} --games 1 --repeat 20`);
  process.exit(1);
}

function parseOptions() {
  try {
    return readOptions();
  } catch (error) {
    console.error(`fuzz: ${error.message}`);
    process.exit(2);
  }
}

function readOptions() {
  const { values } = parseArgs({
    args: process.argv.slice(2).map((one) => (one === '--canary' ? '--canary=drop' : one)),
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      games: { type: 'string', default: 'Infinity' },
      repeat: { type: 'string', default: '1' },
      shrink: { type: 'boolean', default: false },
      canary: { type: 'string' },
    },
  });
  const { canary, shrink } = values;
  if (canary !== undefined && !(canary in canaries)) {
    throw new Error(`no canary ${canary}; there are ${Object.keys(canaries).join(', ')}`);
  }
  const number = (name) => {
    const value = Number(values[name]);
    if (Number.isNaN(value)) throw new Error(`--${name} ${values[name]} is not a number`);
    return value;
  };
  return {
    seconds: number('seconds'),
    seed: values.seed === undefined ? undefined : number('seed'),
    games: number('games'),
    repeat: number('repeat'),
    shrink,
    canary,
  };
}
