import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BUDGET_LIMITS } from '../../../src/gateway/budget/account.js';
import type { Budget, PlacedSubscription } from '../../../src/gateway/budget/budget.js';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import {
  CLIENT_CREDIT_BYTES,
  CLIENT_CREDIT_BYTES_LEAST,
  CLIENT_CREDIT_BYTES_MIN,
} from '../../../src/protocol/limits/budgets.js';
import { principal } from '../http/support/open-http.js';

/** The credit of subscriptions, which bounds the events that wait for a client and are counted nowhere else. */

const SHARDS = 4;
const { maxHeldBytes, maxHeldBytesPerPrincipal } = BUDGET_LIMITS;

interface Given {
  readonly place: PlacedSubscription;
  readonly creditBytes: number;
}

function subscribe(budget: Budget): Given {
  const place = budget.subscribe(1);
  return { place, creditBytes: place.asker(SHARDS).creditBytes };
}

const sumOf = (given: readonly Given[]): number =>
  given.reduce((sum, { creditBytes }) => sum + creditBytes * SHARDS, 0);

it('is the most that a subscription may have where the principal has few', () => {
  const budget = new Budgets({
    ...BUDGET_LIMITS,
    maxHeldBytes: 1e12,
    maxHeldBytesPerPrincipal: 1e12,
  });
  expect(subscribe(budget.open(principal(), '::1')).creditBytes).toBe(CLIENT_CREDIT_BYTES);
});

it('is shared by the subscriptions of a connection', () => {
  const budget = new Budgets().open(principal(), '::1');
  const given = Array.from({ length: 100 }, () => subscribe(budget));
  expect(given.at(-1)!.creditBytes * SHARDS).toBeLessThanOrEqual(
    Math.max(maxHeldBytes / 100, SHARDS * CLIENT_CREDIT_BYTES_MIN),
  );
});

it('is bounded for a principal, however many connections and subscriptions it has, and others have their own', () => {
  const budgets = new Budgets();
  const given = Array.from({ length: 8000 }, () => subscribe(budgets.open(principal(), '::1')));
  const least = given.length * SHARDS * CLIENT_CREDIT_BYTES_LEAST;
  expect(sumOf(given)).toBeLessThanOrEqual(2 * maxHeldBytesPerPrincipal + least);
  expect(given.at(-1)!.creditBytes).toBeGreaterThanOrEqual(CLIENT_CREDIT_BYTES_LEAST);

  const first = given[0]!.creditBytes;
  expect(first).toBeGreaterThan(8 * CLIENT_CREDIT_BYTES_MIN);
  expect(subscribe(budgets.open(principal({ id: 'b' }), '::1')).creditBytes).toBe(first);
});

it('is as much as at first once all was given back, by whatever end', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.nat(9), fc.constantFrom('subscribe', 'leave', 'close'))),
      (steps) => {
        const budgets = new Budgets();
        const stays = budgets.open(principal(), '::1');
        const connections: Record<number, { budget: Budget; given: Given[] }> = {};
        const at = (n: number) =>
          (connections[n] ??= { budget: budgets.open(principal(), '::1'), given: [] });
        for (const [n, which, step] of steps) {
          const { budget, given } = at(n);
          if (step === 'subscribe') given.push(subscribe(budget));
          else if (step === 'leave') given[which]?.place.leave();
          else {
            budget.close();
            // A feed that is closed after its connection gives its place back once more.
            for (const { place } of given) place.leave();
            delete connections[n];
          }
        }
        for (const { budget } of Object.values(connections)) budget.close();
        expect(subscribe(stays).creditBytes).toBe(
          subscribe(new Budgets().open(principal(), '::1')).creditBytes,
        );
      },
    ),
  );
});
