import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newEntry, type TopicEntry } from '../../../src/store/sqlite/index/topic-entry.js';
import { TopicHeap } from '../../../src/store/sqlite/index/topic-heap.js';

const ENTRIES = Array.from({ length: 30 }, (_, n) => newEntry(n + 1, `t.${n}`, []));

type Call =
  | { readonly call: 'add'; readonly topic: number; readonly sequence: number }
  | { readonly call: 'delete'; readonly topic: number }
  | { readonly call: 'take'; readonly through: number };

const topic = fc.nat(ENTRIES.length - 1);
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ call: fc.constant('add'), topic, sequence: fc.nat(100) }),
  fc.record({ call: fc.constant('delete'), topic }),
  fc.record({ call: fc.constant('take'), through: fc.constantFrom(50, 1000) }),
);

/** Plays the calls on a heap and on a map. */
function play(calls: readonly Call[]): void {
  const heap = new TopicHeap();
  const model = new Map<TopicEntry, number>();
  for (const one of calls) {
    if (one.call === 'take') {
      const least = Math.min(...model.values());
      const taken = heap.take(one.through);
      if (least > one.through) expect(taken).toBeUndefined();
      else {
        expect(taken?.sequence).toBe(least);
        expect(model.get(taken!.entry)).toBe(least);
        model.delete(taken!.entry);
      }
    } else if (one.call === 'add') {
      const entry = ENTRIES[one.topic]!;
      heap.add(entry, one.sequence);
      if (!model.has(entry)) model.set(entry, one.sequence);
    } else {
      heap.delete(ENTRIES[one.topic]!);
      model.delete(ENTRIES[one.topic]!);
    }
    expect(heap.size).toBe(model.size);
  }
  for (const entry of ENTRIES) expect(heap.has(entry)).toBe(model.has(entry));
}

describe('topics in the order of a sequence of theirs', () => {
  it('are taken from the least on, each once, and under the sequence that they came with first', () => {
    fc.assert(fc.property(fc.array(call, { maxLength: 600 }), play), { numRuns: 200 });
  });

  it('come in order after most of them have left', () => {
    const heap = new TopicHeap();
    const many = Array.from({ length: 1000 }, (_, n) => newEntry(n + 1, `t.${n}`, []));
    for (const entry of many) heap.add(entry, 1 + ((entry.id * 7919) % 1009));
    for (const entry of many) if (entry.id % 10 !== 0) heap.delete(entry);
    let previous = 0;
    for (let left = 100; left > 0; left--) {
      const { entry, sequence } = heap.take()!;
      expect(entry.id % 10).toBe(0);
      expect(sequence).toBeGreaterThanOrEqual(previous);
      previous = sequence;
    }
    expect(heap.take()).toBeUndefined();
  });

  it('are dropped in time where they need not stay', () => {
    for (const every of [1, 2, 3, 100]) {
      const heap = new TopicHeap(({ events }) => events <= 1);
      const many = Array.from({ length: 5000 }, (_, n) => newEntry(n + 1, `t.${n}`, []));
      const stay: number[] = [];
      for (const entry of many) {
        const sequence = 1 + ((entry.id * 7919) % 10_007);
        entry.events = 2;
        heap.add(entry, sequence);
        if (entry.id % every === 0) stay.push(sequence);
        else entry.events = 0;
        expect(heap.size).toBeLessThanOrEqual(Math.max(1025, 2 * stay.length + 1));
      }
      const taken: number[] = [];
      for (let one = heap.take(); one !== undefined; one = heap.take()) {
        if (one.entry.events > 1) taken.push(one.sequence);
      }
      expect(taken).toEqual(stay.toSorted((a, b) => a - b));
    }
  });
});
