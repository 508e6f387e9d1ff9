import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  changesOf,
  type Difference,
  differenceOf,
  isEqual,
} from '../../src/dashboard/event/json-diff.js';

const lines = (before: unknown, after: unknown): string[] =>
  [...changesOf(differenceOf(before, after))].map(
    ({ kind, path, before: old, after: now }) =>
      `${kind} ${path} ${JSON.stringify(old ?? null)} ${JSON.stringify(now ?? null)}`,
  );

/** One of the two values, made again from the difference. */
function made(difference: Difference, side: 'before' | 'after'): unknown {
  const other = side === 'before' ? 'added' : 'removed';
  switch (difference.kind) {
    case 'changed':
      return difference[side];
    case 'object':
      return Object.fromEntries(
        [...difference.members]
          .filter(([, member]) => member.kind !== other)
          .map(([key, member]) => [key, made(member, side)]),
      );
    case 'list':
      return difference.items.filter(({ kind }) => kind !== other).map((item) => made(item, side));
    default:
      return difference.value;
  }
}

const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)));

describe('the difference of two payloads', () => {
  it('says what was added, removed and changed, and where', () => {
    expect(
      lines(
        { total: 1, items: [{ n: 1 }, { n: 2 }, { n: 3 }], old: true, same: [1] },
        { total: 2, items: [{ n: 1 }, { n: 3 }], 'two words': null, same: [1] },
      ),
    ).toEqual([
      'changed total 1 2',
      'removed items[1] {"n":2} null',
      'removed old true null',
      'added "two words" null null',
    ]);
    expect(lines([1, 2, 3, 4], [0, 1, 2, 5, 4])).toEqual([
      'changed [0] 1 0',
      'changed [1] 2 1',
      'changed [2] 3 2',
      'added [3] null 5',
    ]);
    expect(lines(1, '1')).toEqual(['changed  1 "1"']);
  });

  it('holds both values, and nothing where they are equal', () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        const difference = differenceOf(before, after);
        expect(made(difference, 'before')).toEqual(before);
        expect(made(difference, 'after')).toEqual(after);
        expect(lines(before, after).length === 0).toBe(isEqual(before, after));
        expect(lines(before, structuredClone(before))).toEqual([]);
      }),
    );
  });

  it('is small where a value is changed in one place', () => {
    fc.assert(
      fc.property(fc.array(json), fc.nat(), json, (list, place, value) => {
        const at = place % (list.length + 1);
        const longer = [...list.slice(0, at), value, ...list.slice(at)];
        expect(lines(list, longer)).toHaveLength(1);
        expect(lines(longer, list)).toHaveLength(1);
      }),
    );
  });
});
