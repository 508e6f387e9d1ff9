import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plantInto } from '../checker/plant.js';
import { countsOf, showProblems } from '../checker/report.js';
import { obstacleToNamespaces } from '../faults/network/namespaces.js';
import { DIR, list, nameIn, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { faults } from './faults.js';
import { plants } from './plants.js';
import { play } from './play.js';

/**
 * Here is how it works. A broker has three servers, each in a network namespace of its own. Four nodes have a bus on it, in processes of
 * their own: they publish, subscribe, and work for consumers, and so do clients over WebSockets, of two of the nodes. Each appends
 * what it sees to a file of its own (`checker/history.js`). A nemesis kills servers, pauses them, cuts them off, parts them
 * from the others, starts them with an empty disk, and kills and pauses nodes (`faults.js`). Then the faults stop, everybody
 * comes to an end, and the judge (`checker/judge.js`) decides from the histories and a full replay whether rules C1 to C7 were kept.
 *
 *   node fuzz/clusters/run.js --on nats [--replicas 2] [--minutes 2] [--rounds N] [--seed N] [--faults kill,wipe,pause,…] [--seconds 60]
 *                             [--pause 3] [--lasts 10] [--plant NAME] [--dir DIR] [--record FILE]
 *
 * A round has a minute of faults (`--seconds`), with 3 s between them (`--pause`), of up to 10 s each (`--lasts`); rounds follow each other until the time is over, each with the next seed, which
 * decides options, events and faults, not how processes interleave. `--plant` builds a fault into the nodes (`plants.js`), which
 * the judge has to find. On Redis acks wait for two replicas; with `--replicas 1` for one, and the faults are those that then may lose
 * nothing. A round after which the servers' own disks differ from each other says nothing of the nodes: it is told and counted, and
 * another one is played until one counts, up to five. Exits 0 if all was right, 1 if not, 2 for wrong usage. The folder of a round that failed is kept.
 * Needs root, `ip` and the broker.
 */
const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));

/** So many rounds are played until there is one that counts. */
const TRIES = 5;

/** A Redis whose acks wait for one of two replicas loses nothing by these. */
const OF_ONE_REPLICA = ['kill', 'wipe', 'node', 'freeze'];

const options = readOptions();
const obstacle = obstacleToNamespaces();
if (obstacle !== undefined) {
  console.error(`fuzz: clusters NOT TESTED: ${obstacle}`);
  process.exit(2);
}
const { on, replicas, seed, minutes, rounds, plant } = options;
const server = versionOf(`${on}-server`);
console.log(
  `fuzz: clusters on ${on}, ${server}, seed ${seed}${plant ? `, planted: ${plant}` : ''}`,
);
const began = performance.now();
/** @type {Awaited<ReturnType<typeof play>>[]} */
const results = [];
let unjudged = 0;
const played = () => results.length + unjudged;
const mayGoOn = () => results.length < rounds && performance.now() < began + minutes * 60_000;
while (results.length === 0 ? unjudged < TRIES : mayGoOn()) {
  const result = await one(seed + played());
  if (isServersFault(result)) unjudged++;
  else results.push(result);
}
if (unjudged > 0) {
  console.error(`fuzz: ${unjudged} rounds NOT JUDGED: the servers did not agree with each other`);
}
if (options.record !== undefined) record(options.record);
const isRight = results.length > 0 && results.every(({ problems }) => problems.length === 0);
process.exit(isRight ? 0 : 1);

/** Rules are broken, and the servers have not the same events. What is no rule of theirs, as a node that ends by itself, counts all the same. */
function isServersFault({ problems, notes }) {
  return notes.length > 0 && problems.length > 0 && problems.every((text) => /^C\d/.test(text));
}

async function one(roundSeed) {
  const folder = mkdtempSync(join(options.dir, 'millrace-clusters-'));
  const dist = plant && plantInto(BUILT, join(folder, 'planted'), plants[plant]);
  const from = performance.now();
  const result = await play({
    on,
    replicas,
    seed: roundSeed,
    ms: options.seconds * 1000,
    pauseMs: options.pause * 1000,
    lastsMs: options.lasts * 1000,
    faults: options.faults.map((name) => faults[name]),
    folder,
    dist,
  });
  const seconds = Math.round((performance.now() - from) / 1000);
  const { injections, figures, problems } = result;
  console.log(
    `fuzz: seed ${roundSeed}: ${seconds} s, ${JSON.stringify(injections)}, ${JSON.stringify(figures)}, ` +
      `${problems.length} problems`,
  );
  if (problems.length === 0) {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    return result;
  }
  showProblems(problems);
  for (const note of result.notes) console.error(`fuzz: note: ${note}`);
  console.error(`fuzz: what was seen is in ${folder}`);
  const { seconds: faultSeconds, pause, lasts } = options;
  const flags = [
    `--on ${on} --replicas ${replicas} --seed ${roundSeed} --rounds 1 --seconds ${faultSeconds} --pause ${pause} --lasts ${lasts}`,
    `--faults ${options.faults.join()}`,
    ...(plant ? [`--plant ${plant}`] : []),
  ];
  console.error(`fuzz: again with  node fuzz/clusters/run.js ${flags.join(' ')}`);
  return result;
}

/** @param {string} file */
function record(file) {
  recordResult(file, {
    campaign: `clusters ${on}${replicas === 1 ? ' 1' : ''}`,
    fault: 'cluster',
    server,
    seeds: [seed, played()],
    unjudged,
    ...countsOf(results),
    seconds: Math.round((performance.now() - began) / 1000),
  });
}

/** Such as `nats-server 2.9.10`. @param {string} command */
function versionOf(command) {
  const { stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return `${command} ${/\d+\.\d+\.\d+\S*/.exec(stdout ?? '')?.[0] ?? '?'}`;
}

function readOptions() {
  const given = program(
    'node fuzz/clusters/run.js',
    'Four nodes share a broker whose servers are killed, paused, parted and emptied.',
  )
    .option(
      '--on <broker>',
      'the broker: nats or redis',
      nameIn({ nats: true, redis: true }),
      'nats',
    )
    .option(
      '--replicas <n>',
      'on Redis: how many have an event before its ack',
      nameIn({ 1: true, 2: true }),
      '2',
    )
    .option('--minutes <n>', 'begins no round after so many', positive, 2)
    .option('--rounds <n>', 'plays at most so many rounds', positive, Number.POSITIVE_INFINITY)
    .option('--seconds <n>', 'faults go on for so long in a round', positive, 60)
    .option('--pause <n>', 'so many seconds are between faults, in the mean', positive, 3)
    .option('--lasts <n>', 'a fault lasts for so many seconds at most', positive, 10)
    .option('--faults <names>', 'does only these, "none" for none', faultsIn)
    .option('--plant <name>', 'plants this fault into the nodes', nameIn(plants))
    .option(...DIR)
    .parse()
    .opts();
  const replicas = Number(given.replicas);
  if (replicas === 1 && given.on !== 'redis') {
    console.error('fuzz: --replicas 1 is for --on redis');
    process.exit(2);
  }
  given.replicas = replicas;
  given.faults ??= replicas === 1 ? OF_ONE_REPLICA : Object.keys(faults);
  return given;
}

/** @param {string} text */
function faultsIn(text) {
  return list(text)
    .filter((name) => name !== 'none')
    .map(nameIn(faults));
}
