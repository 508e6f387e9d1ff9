import { expect, test } from 'vitest';
import { READ_OWNERS_KNOWN_MAX, WORK_SLICE_MS } from '../../src/protocol/limits/budgets.js';
import { FairTurns } from '../../src/readers/fair-turns.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What was done, in order. */
function turns() {
  const done: string[] = [];
  const fair = new FairTurns<string>();
  const add = (owner: string, ...names: string[]): void => {
    for (const name of names) fair.add(owner, () => done.push(owner + name));
  };
  return { fair, done, add };
}

test('those who have work waiting take turns, in the order in which they came', async () => {
  const { done, add } = turns();
  add('a', '1', '2', '3');
  add('b', '1');
  add('c', '1', '2');
  expect(done).toEqual([]);
  while (done.length < 6) await turn();
  expect(done).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
  add('b', '2');
  await turn();
  expect(done.at(-1)).toBe('b2');
});

test('the work of one who has gone is not done', async () => {
  const { fair, done, add } = turns();
  add('a', '1', '2');
  add('b', '1');
  fair.drop('a');
  await turn();
  await turn();
  expect(done).toEqual(['b1']);
});

test('all work can be done at once', () => {
  const { fair, done, add } = turns();
  add('a', '1', '2');
  add('b', '1');
  fair.runAll();
  expect(done).toEqual(['a1', 'b1', 'a2']);
});

test('an owner that is held up has no turn meanwhile, and goes on behind the others', async () => {
  const { fair, done, add } = turns();
  fair.share('b').charge(0);
  fair.share('a').charge(WORK_SLICE_MS);
  expect(fair.share('a').isHeldUp).toBe(true);
  add('a', '1', '2');
  add('b', '1');
  await turn();
  expect(done).toEqual(['b1']);
  while (done.length < 3) await turn();
  expect(done).toEqual(['b1', 'a1', 'a2']);
});

test('owners are remembered up to a limit, and one with work or a debt is not forgotten', () => {
  const { fair, done, add } = turns();
  add('busy', '1');
  const debtor = fair.share('debtor');
  fair.share('other').charge(0);
  debtor.charge(WORK_SLICE_MS);
  for (let n = 0; n < 2 * READ_OWNERS_KNOWN_MAX; n++) fair.share(`n${n}`);
  expect(fair.share('debtor')).toBe(debtor);
  expect(fair.size).toBeLessThanOrEqual(READ_OWNERS_KNOWN_MAX);
  fair.runAll();
  expect(done).toEqual(['busy1']);
});
