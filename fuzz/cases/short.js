import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plantInto } from '../checker/plant.js';
import { kinds } from './kinds.js';
import { plants } from './plants.js';
import { BUILT, corpusOf, findingText, play } from './play.js';

/**
 * Here is how it works. The short form that the tests run: of each kind the corpus and some random cases (`node
 * fuzz/cases/short.js [KIND…]`), or, with `--plants`, the product with a fault for each kind, which it has to find. Says how each
 * came out; exits 0 if nothing was found, or with `--plants` if everything was, else 1.
 */
const SEED = 1;
const CASES = 200;
const CASES_TO_FIND = 20_000;
/** Each of these needs a socket or a process of its own. */
const SLOW = ['websocket', 'http', 'images'];
const SLOW_CASES = { websocket: 10, http: 10, images: 1 };

const isPlanted = process.argv.includes('--plants');
const given = Object.keys(kinds).filter((kind) => process.argv.includes(kind));
const names = given.length > 0 ? given : Object.keys(kinds);
if (isPlanted) await findAll();
else for (const kind of names) await playShort(kind);

async function playShort(kind) {
  const cases = corpusOf(kind).length + (SLOW_CASES[kind] ?? CASES);
  const played = await play(kind, { seed: SEED, cases });
  console.log(`${kind}: ${played.cases} cases, ${played.findings.length} findings`);
  for (const finding of played.findings) console.error(findingText(kind, finding));
  if (played.findings.length > 0) process.exitCode = 1;
}

/** A server with the faults of all parsers would not get as far as to show its own, so there are two copies. */
async function findAll() {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cases-'));
  try {
    const copies = [false, true].map((isSlow) => {
      const kinds = names.filter((kind) => SLOW.includes(kind) === isSlow);
      if (kinds.length === 0) return '';
      const [first, ...edits] = kinds.map((kind) => plants[kind]);
      mkdirSync(join(folder, String(isSlow)));
      return plantInto(BUILT, join(folder, String(isSlow)), { ...first, edits });
    });
    for (const kind of names) await find(kind, copies[Number(SLOW.includes(kind))]);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function find(kind, dist) {
  const isEnough = ({ error }) => plants[kind].finds.test(`${error.message}`);
  const options = { seed: SEED, cases: CASES_TO_FIND, dist, shrinks: false, isEnough };
  const { cases, findings } = await play(kind, options);
  const found = findings.find(isEnough);
  console.log(`${kind}: ${found === undefined ? 'not found' : 'found'} in ${cases} cases`);
  if (found !== undefined) return;
  for (const finding of findings) console.error(findingText(kind, finding));
  process.exitCode = 1;
}
