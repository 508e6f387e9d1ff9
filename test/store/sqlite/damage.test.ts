import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { BusError } from '../../../src/protocol/errors.js';
import { temporaryDirectory } from '../directories.js';
import {
  type Answers,
  ask,
  copyLog,
  damageFile,
  damageRow,
  type History,
  makeHistory,
  type Random,
  randomFrom,
} from './damage.js';

/** The number of runs; for a long run: `DAMAGE_RUNS=2000 npx vitest run test/store/sqlite/damage.test.ts`. */
const RUNS = process.env.DAMAGE_RUNS;
const SEED = Number(process.env.DAMAGE_SEED ?? 1);

/** The readers whose answer differs from the truth without reporting damage. */
function silent(truth: Answers, found: Answers): string[] {
  const lies: string[] = [];
  // If the opening reports that history went backwards, nothing is silent.
  if (found.get('open') !== undefined && !(found.get('open') instanceof Error)) return lies;
  for (const [reader, answer] of found) {
    if (answer instanceof BusError) continue;
    if (isDeepStrictEqual(answer, truth.get(reader))) continue;
    lies.push(answer instanceof Error ? `${reader} threw ${answer.stack}` : reader);
  }
  return lies;
}

function play(
  history: History,
  damage: (file: string, random: Random) => string,
  runs: number,
): string[] {
  const lies: string[] = [];
  const dir = temporaryDirectory();
  for (let run = 0; run < runs; run++) {
    const random = randomFrom(SEED * 1_000_003 + run);
    random(2);
    const file = join(dir, `shard-${run}.db`);
    copyLog(history.file, file);
    const what = damage(file, random);
    const found = silent(history.truth, ask(file));
    if (found.length > 0) lies.push(`run ${run}, ${what}: ${found.join(', ')}`);
  }
  return lies;
}

describe.each([
  ['a short log', 700, 40],
  ['a log with an index', 17_000, 6],
])('damage to %s', (_, events, few) => {
  const runs = Number(RUNS ?? few);
  let history: History;

  beforeAll(() => {
    history = makeHistory(join(temporaryDirectory(), 'shard-000.db'), events, randomFrom(7));
  }, 120_000);

  it('in a random place of the file is reported by every reader that it would mislead', {
    timeout: 600_000,
  }, () => {
    expect(play(history, damageFile, runs)).toEqual([]);
  });

  it('to a row of any table is reported by every reader that it would mislead', {
    timeout: 600_000,
  }, () => {
    expect(play(history, damageRow, runs)).toEqual([]);
  });
});
