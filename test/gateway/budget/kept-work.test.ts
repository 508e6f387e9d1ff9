import { expect, test } from 'vitest';
import type { Principal } from '../../../src/auth/principal.js';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import { WORK_REQUESTS_MAX, WORK_SHARES_KEPT_MAX } from '../../../src/protocol/limits/budgets.js';
import { principal } from '../http/support/open-http.js';

const named = (name: string): Principal => principal({ id: name, name });

test('a principal without a connection keeps what it has taken of the thread', () => {
  const budgets = new Budgets();
  const other = budgets.open(named('alice'), 'a');
  other.work.charge(0);
  const first = budgets.open(named('mallory'), 'a');
  for (let n = 0; n < WORK_REQUESTS_MAX; n++) first.work.begin(1);
  first.close();
  const again = budgets.open(named('mallory'), 'a');
  expect(again.work).toBe(first.work);
  expect(again.work.isHeldUp).toBe(true);
});

test('a principal whose requests follow each other is alone', () => {
  const budgets = new Budgets();
  for (let n = 0; n < 3; n++) {
    const budget = budgets.open(named('alice'), 'a');
    budget.work.charge(0);
    expect(budget.work.hasOthers).toBe(false);
    budget.close();
  }
});

test('of many principals that have gone those that went first are forgotten', () => {
  const budgets = new Budgets();
  const works = Array.from({ length: WORK_SHARES_KEPT_MAX + 1 }, (_, n) => {
    const budget = budgets.open(named(`p${n}`), 'a');
    budget.close();
    return budget.work;
  });
  expect(budgets.open(named('p1'), 'a').work).toBe(works[1]);
  expect(budgets.open(named('p0'), 'a').work).not.toBe(works[0]);
});
