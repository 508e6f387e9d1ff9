import { describe, expect, it } from 'vitest';
import { exactDuration } from '../../src/cli/table.js';
import { exactDuration as onDashboard } from '../../src/dashboard/text/format.js';

describe('a time that was set', () => {
  it('is shown to the millisecond, as on the dashboard', () => {
    const cases: readonly (readonly [ms: number, text: string])[] = [
      [0, '0 ms'],
      [250, '250 ms'],
      [1_500, '1 s 500 ms'],
      [300_000, '5 min'],
      [9_000_000, '2 h 30 min'],
      [86_400_000, '1 d'],
    ];
    for (const [ms, text] of cases) {
      expect(exactDuration(ms)).toBe(text);
      expect(onDashboard(ms)).toBe(text);
    }
  });
});
