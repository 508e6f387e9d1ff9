import fc from 'fast-check';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import { weightOf } from '../../src/dashboard/event/weight.js';
import { type Row, Rows } from '../../src/dashboard/screens/stream/rows.js';

function eventOf(n: number, payload: unknown = n): Event {
  const id = `e${n}`;
  const timestamp = '2026-01-31T12:00:00.000Z';
  return { id, topic: 'a.b', type: 't', source: 's', timestamp, shard: 0, sequence: n, payload };
}

function shown(rows: Rows): Row[] {
  return Array.from({ length: rows.count }, (_, index) => rows.at(index)!);
}

const numbers = (rows: Rows): number[] =>
  shown(rows).flatMap((row) => (row.kind === 'event' ? [row.event.sequence!] : []));

type Step = 'event' | 'gap' | 'hold' | 'release';

describe('the rows of the stream', () => {
  it('lose no event that they do not count, keep to their bounds, and stay in order', () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.constant<Step>('event') },
      fc.constantFrom<Step>('gap', 'hold', 'release'),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.array(step, { maxLength: 120 }),
        (most, steps) => {
          const rows = new Rows({ rows: most, weight: 1e9 });
          let events = 0;
          for (const one of steps) {
            if (one === 'event') rows.addEvent(eventOf(++events));
            else if (one === 'hold') rows.hold();
            else if (one === 'release') rows.release();
            else rows.addMark({ kind: 'gap', gap: { shard: 0, from: 1, to: 2, reason: 'pruned' } });
            expect(rows.count).toBeLessThanOrEqual(most);
          }
          rows.release();
          const left = numbers(rows);
          expect(left.length + rows.skipped).toBe(events);
          expect([...left].sort((a, b) => a - b)).toEqual(left);
          const keys = shown(rows).map(({ key }) => key);
          expect([...new Set(keys)].sort((a, b) => a - b)).toEqual(keys);
          for (const [index, key] of keys.entries()) expect(rows.indexOf(key)).toBe(index);
        },
      ),
    );
  });

  it('leave in sight what a reader holds, and say where something had no room', () => {
    const rows = new Rows({ rows: 10, weight: 1e9 });
    for (let n = 1; n <= 5; n++) rows.addEvent(eventOf(n));
    rows.hold();
    for (let n = 6; n <= 30; n++) rows.addEvent(eventOf(n));
    expect(numbers(rows)).toEqual([1, 2, 3, 4, 5]);
    expect(rows.waiting).toBe(25);
    rows.release();
    const marks = shown(rows).filter(({ kind }) => kind === 'skipped');
    expect(marks).toMatchObject([{ events: 20 }]);
    expect(numbers(rows)).toEqual([2, 3, 4, 5, 26, 27, 28, 29, 30]);
    expect(rows.skipped).toBe(21);
  });

  it('say how many events wait, without the marks between them', () => {
    const rows = new Rows();
    rows.addEvent(eventOf(1));
    rows.hold();
    rows.addMark({ kind: 'note', text: 'The connection was lost.', at: 0 });
    expect(rows.waiting).toBe(0);
    rows.addEvent(eventOf(2));
    expect(rows.waiting).toBe(1);
    rows.release();
    expect(rows.waiting).toBe(0);
    expect(rows.count).toBe(3);
  });

  it('weigh a text by the bytes that a browser needs for it: two for each unit beyond Latin-1', () => {
    const latin = weightOf(eventOf(1, 'ü'.repeat(1000)));
    const greek = weightOf(eventOf(1, `${'x'.repeat(999)}π`));
    expect(greek - latin).toBe(1000);
    const keys = [{ ['k'.repeat(100)]: 1 }, { ['π'.repeat(100)]: 1 }] as const;
    expect(weightOf(eventOf(1, keys[1])) - weightOf(eventOf(1, keys[0]))).toBe(100);
  });

  it('are bounded by the memory of their events too', () => {
    const payload = 'x'.repeat(10_000);
    const weight = 5 * weightOf(eventOf(1, payload));
    const rows = new Rows({ rows: 1000, weight });
    for (let n = 1; n <= 50; n++) rows.addEvent(eventOf(n, payload));
    expect(rows.count).toBe(5);
    expect(rows.weight).toBeLessThanOrEqual(weight);
    expect(rows.skipped).toBe(45);
  });

  it('mark an event whose topic, source and id came before, as long as that one is in the list', () => {
    const rows = new Rows({ rows: 3, weight: 1e9 });
    const isRepeated = (): boolean[] =>
      shown(rows).flatMap((row) => (row.kind === 'event' ? [row.isRepeated] : []));
    rows.addEvent(eventOf(1));
    rows.addEvent(eventOf(1));
    rows.addEvent({ ...eventOf(1), topic: 'a.c' });
    expect(isRepeated()).toEqual([false, true, false]);
    for (let n = 2; n <= 4; n++) rows.addEvent(eventOf(n));
    rows.addEvent(eventOf(1));
    expect(isRepeated()).toEqual([false, false, false]);
    rows.addEvent({ ...eventOf(1), topic: 'a.c' });
    rows.addEvent(eventOf(1));
    expect(isRepeated()).toEqual([false, false, true]);
    rows.addEvent({ ...eventOf(1), source: 'another' });
    expect(isRepeated()).toEqual([false, true, false]);
  });
});
