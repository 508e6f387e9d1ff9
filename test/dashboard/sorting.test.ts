import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderOf, orderText, sorted } from '../../src/dashboard/parts/sorting.js';

interface Row {
  readonly name: string;
  readonly lag: number;
}

const COLUMNS = [
  { key: 'name', sortValue: ({ name }: Row) => name },
  { key: 'lag', sortValue: ({ lag }: Row) => lag },
];

describe('the order of a table', () => {
  it('is the same again after it stood in the address', () => {
    for (const order of [
      { key: 'lag', isDescending: true },
      { key: 'name', isDescending: false },
    ]) {
      expect(orderOf(orderText(order), COLUMNS)).toEqual(order);
    }
  });

  it('is none for a column that the table does not have', () => {
    expect([orderOf(null, COLUMNS), orderOf('-size', COLUMNS)]).toEqual([undefined, undefined]);
  });

  it('takes numbers in names for numbers', () => {
    const rows = ['b10', 'b2', 'a'].map((name) => ({ name, lag: 0 }));
    const names = sorted(rows, COLUMNS, { key: 'name', isDescending: false });
    expect(names.map(({ name }) => name)).toEqual(['a', 'b2', 'b10']);
  });

  it('keeps rows with the same value in their places, in both directions', () => {
    const lists = fc.array(fc.record({ lag: fc.nat(3), name: fc.string() }));
    fc.assert(
      fc.property(lists, fc.boolean(), (rows, isDescending) => {
        const ordered = sorted(rows, COLUMNS, { key: 'lag', isDescending });
        expect(ordered).toHaveLength(rows.length);
        for (const lag of [0, 1, 2, 3]) {
          const same = (list: readonly Row[]) => list.filter((row) => row.lag === lag);
          expect(same(ordered)).toEqual(same(rows));
        }
        const lags = ordered.map((row) => row.lag);
        const ascending = [...lags].sort((a, b) => a - b);
        expect(lags).toEqual(isDescending ? ascending.reverse() : ascending);
      }),
    );
  });
});
