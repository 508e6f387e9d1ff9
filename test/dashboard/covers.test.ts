import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isCovered } from '../../src/dashboard/screens/consumers/covers.js';
import { PatternSet } from '../../src/protocol/pattern-set.js';

const PATTERN = fc
  .tuple(
    fc.constantFrom('', '$sys.'),
    fc.array(fc.constantFrom('a', 'b', '+'), { maxLength: 3 }),
    fc.constantFrom('a', '+', '*'),
  )
  .map(([system, segments, last]) => system + [...segments, last].join('.'));

test('the page offers what one granted pattern permits, as the server decides it', () => {
  fc.assert(
    fc.property(PATTERN, PATTERN, (granted, wanted) => {
      expect(isCovered(wanted, [granted])).toBe(new PatternSet([granted]).covers(wanted));
    }),
    { numRuns: 2000 },
  );
});
