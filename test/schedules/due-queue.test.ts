import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DueQueue } from '../../src/schedules/due-queue.js';

/** Names in the order of their due times, against a sorted array. */

const step = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'),
  dueAt: fc.oneof(fc.nat(6), fc.constant(Number.POSITIVE_INFINITY), fc.constant(undefined)),
});

it('the first one is that of the earliest time, and of those the first by name', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new DueQueue();
      const model = new Map<string, number>();
      for (const { name, dueAt } of steps) {
        if (dueAt === undefined) queue.delete(name);
        else queue.set(name, dueAt);
        if (dueAt === undefined || dueAt === Number.POSITIVE_INFINITY) model.delete(name);
        else model.set(name, dueAt);
        const [first] = [...model].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
        const { name: named, dueAt: at } = queue.first ?? {};
        expect([named, at]).toEqual(first ?? [undefined, undefined]);
      }
      for (const [name] of [...model].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))) {
        expect(queue.first?.name).toBe(name);
        queue.delete(name);
      }
      expect(queue.first).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});
