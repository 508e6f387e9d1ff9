import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SubjectProxy } from './subject-proxy.js';

/**
 * Directories to damage and to open under faults, of two shards each: one that was closed; one whose process was killed, so
 * that its write-ahead logs are full; one that was pruned; one on the brink of its first block of the topic index, and
 * one that has it. Each with a copy of an earlier state (`stale`), and with what is to be seen of it while it is whole.
 */
const INDEX_BLOCK = 16_384;
const BUILD_MS = 120_000;

const STAGES = {
  closed: [{ events: 150 }, { events: 150 }],
  killed: [{ events: 100 }, { events: 200, stays: true }],
  pruned: [{ events: 150, keep: 20 }, { events: 100, keep: 12 }, { events: 60 }],
  brink: [{ events: 40 }, { fill: INDEX_BLOCK - 40 }],
};
/** Goes on from the end of another. */
const FOLLOWS = { indexed: ['brink', { events: 300 }] };

export const BASES = [...Object.keys(STAGES), ...Object.keys(FOLLOWS)];

/** Makes those that are not in `folder` yet. @returns by name `{ dir, stale, cursor, truth }` */
export async function makeBases(folder, names) {
  mkdirSync(folder, { recursive: true });
  const bases = {};
  for (const name of names) {
    const about = join(folder, `${name}.json`);
    if (!existsSync(about)) writeFileSync(about, JSON.stringify(await makeBase(folder, name)));
    bases[name] = { name, ...JSON.parse(readFileSync(about, 'utf8')) };
  }
  return bases;
}

async function makeBase(folder, name) {
  const dir = join(folder, name);
  const stale = join(folder, `${name}-stale`);
  const subject = new SubjectProxy();
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
    const built = await answer(subject, 'build', { dir, prefix: `${name}${index}_`, ...stage });
    cursor ??= built.cursor;
  }
  // Of one that `stays`, this is the kill.
  await subject.end();
  const truth = {};
  for (const depth of ['logs', 'bus']) {
    const copy = join(folder, `${name}-copy`);
    cpSync(dir, copy, { recursive: true });
    truth[depth] = await answer(subject, 'observe', { dir: copy, depth, cursor });
    assertWhole(name, truth[depth]);
    rmSync(copy, { recursive: true });
  }
  await subject.end();
  return { dir, stale, cursor, truth };
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
