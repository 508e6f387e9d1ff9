import fc from 'fast-check';
import { expect, it } from 'vitest';
import { duration, exactDuration } from '../../src/dashboard/text/format.js';

it('rounds a time that was measured into the next unit, and not to 1000 ms or 120 s', () => {
  expect([999.4, 999.6, 119_499, 119_999].map(duration)).toEqual([
    '999 ms',
    '1 s',
    '119 s',
    '2 min',
  ]);
  expect([7_199_999, 172_799_999].map(duration)).toEqual(['2 h', '2 d']);
});

it('says a time that was set to the millisecond', () => {
  expect([0, 1500, 9_000_000, 131_400_000, 604_800_000].map(exactDuration)).toEqual([
    '0 ms',
    '1 s 500 ms',
    '2 h 30 min',
    '1 d 12 h 30 min',
    '7 d',
  ]);
  const sizes = new Map(Object.entries({ d: 864e5, h: 36e5, min: 6e4, s: 1000, ms: 1 }));
  fc.assert(
    fc.property(fc.nat(1e12), (ms) => {
      const parts = exactDuration(ms).match(/\d+ [a-z]+/g)!;
      const sum = parts.reduce((total, part) => {
        const [count, unit] = part.split(' ');
        return total + Number(count) * sizes.get(unit!)!;
      }, 0);
      expect(sum).toBe(ms);
    }),
  );
});
