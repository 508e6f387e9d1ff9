import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atLeastZero, nameIn, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { plantInto, plants } from './plants.js';
import { playRoom } from './play.js';
import { rooms } from './rooms.js';

/**
 * Here is how it works. Each room has a server in a process of its own, with principals that have keys and grants
 * (`stage/cast.js`). Its attacks are played one after the other, from outside, as an attacker would script them: over
 * real sockets, with right and wrong bytes, with the key of `mallory` or with none. Each attack says what the attacker
 * wants, tries to get it in every way that its author could think of, and fails the run where that succeeds. After each
 * attack the server has to be unhurt, and an honest client has to get what is its own.
 *
 *   node fuzz/redteam/run.js [--minutes 0] [--only TEXT] [--seed N] [--short] [--list] [--record FILE] [--plant FAULT]
 *
 * `--only` plays the attacks whose room and name hold the text. `--short` plays them as `npm test` does: without those
 * that measure, and with fewer sockets and events. `--plant` builds a fault into a copy of the server (`plants.js`),
 * which an attack has to find. All are played once, and again until `--minutes` are over. Exits 0 if no attacker got anything, 1 if one did, 2 for wrong usage.
 */
const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));

process.once('SIGTERM', () => process.exit(143));
process.once('SIGINT', () => process.exit(130));

const options = readOptions();
const nameOf = (room, attack) => `${room.name}: ${attack.name}`;
if (options.list) {
  for (const room of rooms) {
    for (const attack of room.attacks)
      console.log(`${nameOf(room, attack)}\n    wants ${attack.wants}`);
  }
  process.exit(0);
}

const { seed, plant } = options;
console.log(`redteam: seed ${seed}${plant === undefined ? '' : `, planted: ${plant}`}`);
const folder = mkdtempSync(join(tmpdir(), 'millrace-redteam-run-'));
const manner = {
  seed,
  isLong: !options.short,
  ...(plant === undefined ? {} : { dist: plantInto(BUILT, folder, plant) }),
};
const began = performance.now();
let played = 0;
const won = [];
const end = began + options.minutes * 60_000;
for (let round = 0; round === 0 || performance.now() < end; round++) {
  for (const room of rooms) await playOne(room, { ...manner, seed: seed + round });
}
rmSync(folder, { recursive: true, force: true });
const seconds = Math.round((performance.now() - began) / 1000);
console.log(`redteam: ${played} attacks, ${won.length} that got something, ${seconds} s`);
if (options.record !== undefined) {
  recordResult(options.record, {
    campaign: 'redteam',
    fault: 'hostile',
    seeds: [seed, 1],
    injections: played,
    acked: 0,
    lost: 0,
    repeated: 0,
    misordered: 0,
    undetected: 0,
    problems: won.length,
    recoveryMs: null,
    seconds,
  });
}
if (won.length > 0) {
  console.error(`redteam: again with  node fuzz/redteam/run.js --seed ${seed} --only '${won[0]}'`);
}
process.exit(won.length > 0 ? 1 : 0);

function playOne(room, given) {
  const isWanted = (attack) => nameOf(room, attack).includes(options.only);
  return playRoom(room, given, show, isWanted);
}

/** @param {import('./play.js').Outcome} outcome */
function show({ room, attack, ms, figures, error }) {
  played++;
  const told = figures === undefined ? '' : ` ${JSON.stringify(figures)}`;
  console.log(`redteam: ${error ? 'GOT IT' : 'held'}  ${room}: ${attack} (${ms} ms)${told}`);
  if (error === undefined) return;
  won.push(`${room}: ${attack}`);
  console.error(error.stack ?? String(error));
}

function readOptions() {
  return program(
    'node fuzz/redteam/run.js',
    'Attacks from outside on a server with several principals.',
  )
    .option('--only <text>', 'plays the attacks whose room and name hold the text', '')
    .option('--minutes <n>', 'plays all again until these are over', atLeastZero, 0)
    .option('--short', 'plays without what measures, and smaller')
    .option('--list', 'names all attacks')
    .option('--plant <name>', 'plants this fault, which has to be found', nameIn(plants))
    .parse()
    .opts();
}
