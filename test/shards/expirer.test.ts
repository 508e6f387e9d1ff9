import { expect, it } from 'vitest';
import { Expirer } from '../../src/shards/expirer.js';

it('lets the thread park while what the consumers ended is not stored', () => {
  let stored = (): void => {};
  let isEnded = false;
  const removed: number[] = [];
  const expiry = {
    first: 10,
    due: () => [{ sequence: 1 }],
    remove: (sequences: readonly number[]) => removed.push(...sequences),
  };
  const desk = {
    expired: () => {
      const hasChanged = !isEnded;
      isEnded = true;
      return hasChanged;
    },
    whenStored: (done: () => void) => {
      stored = done;
    },
  };
  const expirer = new Expirer(expiry, {
    shard: 0,
    clock: { removalNow: 20 },
    elapsed: () => 5,
    onDamage: () => {},
    onRemoved: () => {},
  });
  expect(expirer.idleMs(1000)).toBe(0);
  expect(expirer.step(desk)).toBe(true);
  expect(expirer.hasWork(desk)).toBe(false);
  expect(expirer.idleMs(1000)).toBe(1000);
  expect(removed).toEqual([]);
  stored();
  expect(expirer.idleMs(1000)).toBe(0);
  expect(expirer.step(desk)).toBe(true);
  expect(removed).toEqual([1]);
});
