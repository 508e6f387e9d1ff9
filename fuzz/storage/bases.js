import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SubjectProxy } from './subject-proxy.js';

/**
 * Directories to damage and to open under faults, with two shards each: `closed`; `killed`, whose process was killed,
 * so that its write-ahead logs are full; `pruned`; `payloads`, with payloads in files; `household`, which also has
 * consumers, dead events, schedules and publishes that wait; `brink`, just before its first block of the topic index; and
 * `indexed`, with that block. Each has a copy of an earlier state (`stale`), and the observations of the undamaged
 * directory (`truth`).
 */
const INDEX_BLOCK = 16_384;
const BUILD_MS = 600_000;
const ABOUT = 'about.json';

const STAGES = {
  closed: [{ events: 150 }, { events: 150 }],
  killed: [{ events: 100 }, { events: 200, stays: true }],
  pruned: [{ events: 150, keep: 20 }, { events: 100, keep: 12 }, { events: 60 }],
  payloads: [
    { events: 20, large: 20 },
    { large: 14, keep: 12 },
    // Its earlier state must hold no event that the later one has pruned, as for `pruned`.
    { large: 4 },
  ],
  household: [{ rounds: 3 }, { rounds: 2 }],
  brink: [{ events: 40 }, { fill: INDEX_BLOCK - 40 }],
};
/** Bases that begin with a copy of another. */
const FOLLOWS = { indexed: ['brink', { events: 300 }] };

/**
 * Makes the bases that are not in `folder` yet. Those that are there must have been made by the same build.
 * @returns by name `{ name, dir, stale, cursor, truth }`
 */
export async function makeBases(folder, names) {
  mkdirSync(folder, { recursive: true });
  const bases = {};
  for (const name of names) {
    const place = join(folder, name);
    if (!existsSync(place)) await makeBase(folder, name, place);
    const about = JSON.parse(readFileSync(join(place, ABOUT), 'utf8'));
    bases[name] = { name, dir: join(place, 'data'), stale: join(place, 'stale'), ...about };
  }
  return bases;
}

/** The folder gets its name when it is complete, as other processes may look for it or be making it too. */
async function makeBase(folder, name, place) {
  const making = mkdtempSync(join(folder, '.making-'));
  const dir = join(making, 'data');
  const subject = new SubjectProxy();
  try {
    const cursor = await build(subject, { folder, name, dir, stale: join(making, 'stale') });
    const truth = {};
    // A bus would let what waits become events, each time others.
    for (const depth of name === 'household' ? ['logs'] : ['logs', 'bus']) {
      const copy = join(making, 'copy');
      cpSync(dir, copy, { recursive: true });
      truth[depth] = await answer(subject, 'observe', { dir: copy, depth, cursor });
      assertWhole(name, truth[depth]);
      rmSync(copy, { recursive: true });
    }
    writeFileSync(join(making, ABOUT), JSON.stringify({ cursor, truth }));
    if (!existsSync(place)) renameSync(making, place);
  } finally {
    await subject.end();
    rmSync(making, { recursive: true, force: true });
  }
}

async function build(subject, { folder, name, dir, stale }) {
  let stages = STAGES[name];
  let cursor;
  if (stages === undefined) {
    const [source, ...rest] = FOLLOWS[name];
    const before = (await makeBases(folder, [source]))[source];
    cpSync(before.dir, dir, { recursive: true });
    ({ cursor } = before);
    stages = rest;
  }
  for (const [index, stage] of stages.entries()) {
    if (index === stages.length - 1) cpSync(dir, stale, { recursive: true });
    const call = 'rounds' in stage ? 'buildOnLogs' : 'build';
    const built = await answer(subject, call, { dir, prefix: `${name}${index}_`, ...stage });
    cursor ??= built?.cursor;
  }
  // A stage with `stays` did not close its bus; ending its process is the kill.
  await subject.end();
  return cursor;
}

function assertWhole(name, { refused, verify, shards = [] }) {
  const errors = shards.flatMap(({ readings }) =>
    Object.values(readings).flatMap(({ error }) => error ?? []),
  );
  const faults = [...(refused === undefined ? [] : [refused]), ...verify, ...errors];
  if (faults.length > 0) throw new Error(`the untouched directory ${name}: ${faults.join('; ')}`);
}

async function answer(subject, call, options) {
  const outcome = await subject.ask(call, options, BUILD_MS);
  if ('value' in outcome) return outcome.value;
  throw new Error(`${call} ${options.dir}: ${JSON.stringify(outcome)}`);
}
