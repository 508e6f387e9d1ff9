import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plantInto } from '../checker/plant.js';
import { showProblems } from '../checker/report.js';
import { DIR, nameIn, positive, program, whole } from '../program.js';
import { recordResult } from '../record-result.js';
import { Game } from './game.js';
import { judge } from './judge.js';
import { plants } from './plants.js';

/**
 * Here is how it works. A server, four worker processes and two browsers share one consumer, and each of them is killed
 * with SIGKILL again and again, at random, and starts again at once. Jobs are published meanwhile. Each has a key, and
 * the jobs of a key go out one after the other. The fate of a job is planned (`jobs.js`): most are acknowledged, some
 * fail once or twice, some are handed back, some fail until they are dead, some are given up. Each member keeps a diary:
 * of each delivery what it got, what it said, and what became of that.
 *
 * When the time is over, nobody is killed any more, and all jobs come to their end. Then the judge (`judge.js`) holds the
 * diaries against the log and against the plan: each job was acknowledged once and never came again, keys went in order,
 * attempts were counted right, those that were planned to die have a dead letter that says why, and nothing was lost.
 *
 *   node fuzz/consumers/run.js [--minutes 5] [--jobs 200000] [--kill-ms 1000] [--seed N] [--no-browsers]
 *                              [--plant FAULT] [--record FILE] [--dir DIR]
 *
 * The server is killed first, while members have slow jobs in hand. After that, `--kill-ms` is the mean time between two
 * kills. The seed decides jobs and kills, not how processes interleave.
 * `--plant` builds a fault into the server (`plants.js`), which the judge has to find. Exits 0 if all was right, 1 if
 * not, 2 for wrong usage. The folder of a game that failed is kept.
 */

const options = readOptions();
const { seed } = options;
const { minutes, jobs, killMs, plant } = options;
console.log(
  `fuzz: consumers, seed ${seed}, ${jobs} jobs, ${minutes} min${plant ? `, planted: ${plant}` : ''}`,
);
const folder = mkdtempSync(join(options.dir, 'millrace-consumers-'));
const built = fileURLToPath(new URL('../../dist', import.meta.url));
const game = new Game({
  seed,
  jobs,
  ms: minutes * 60_000,
  killMs,
  folder,
  dist: plant === undefined ? built : plantInto(built, join(folder, 'planted'), plants[plant]),
  chromium: options.browsers ? findChromium() : undefined,
});
const began = performance.now();
const seen = await game.play().catch((error) => {
  game.abandon();
  for (const problem of game.problems) console.error(`fuzz: ${problem}`);
  throw error;
});
const { problems, figures } = judge({ ...seen, seed, jobs });
problems.push(...game.problems);
console.log(
  `fuzz: ${Math.round((performance.now() - began) / 1000)} s, kills ${JSON.stringify(game.kills)}`,
);
console.log(`fuzz: ${JSON.stringify(figures)}`);
const counts = showProblems(problems);
console.log(`fuzz: ${problems.length} problems`);
if (options.record !== undefined) record(options.record);
if (problems.length === 0) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit(0);
}
console.error(`fuzz: what was seen is in ${folder}`);
console.error(
  `fuzz: again with  node fuzz/consumers/run.js --seed ${seed} --jobs ${jobs} --minutes ${minutes} --kill-ms ${killMs}`,
);
process.exit(1);

/** @param {string} file */
function record(file) {
  const of = (rule) => counts.get(rule) ?? 0;
  recordResult(file, {
    campaign: 'consumers',
    fault: 'killed',
    seeds: [seed, 1],
    injections: Object.values(game.kills).reduce((sum, kills) => sum + kills, 0),
    acked: figures.acked,
    lost: of('log') + of('lost'),
    repeated: of('acked once') + of('lease'),
    misordered: of('order'),
    undetected: 0,
    problems: problems.length,
    recoveryMs: null,
    seconds: Math.round((performance.now() - began) / 1000),
  });
}

function findChromium() {
  for (const path of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(path, 'chromium'), constants.X_OK);
      return join(path, 'chromium');
    } catch {
      // Not in this folder.
    }
  }
  console.error('fuzz: NOT FOUND: chromium, so this game has no browsers');
  return undefined;
}

function readOptions() {
  return program(
    'node fuzz/consumers/run.js',
    'Jobs of one consumer, while its server, workers and browsers are killed.',
  )
    .option('--minutes <n>', 'kills for so long', positive, 5)
    .option('--jobs <n>', 'publishes so many jobs', whole, 200_000)
    .option('--kill-ms <n>', 'kills a process about so often', positive, 1000)
    .option('--no-browsers', 'lets processes alone be members')
    .option('--plant <name>', 'plants this fault, which has to be found', nameIn(plants))
    .option(...DIR)
    .parse()
    .opts();
}
