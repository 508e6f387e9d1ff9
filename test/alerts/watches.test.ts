import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameMatcher } from '../../src/alerts/watches.js';

describe('the name of a subscription in a rule', () => {
  it('matches as a regular expression would, with * for any text', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '.', '*'), maxLength: 5 });
    const name = fc.string({ unit: fc.constantFrom('a', '.'), maxLength: 4 });
    fc.assert(
      fc.property(text, name, (pattern, candidate) => {
        const escaped = pattern.replaceAll('.', '\\.').replaceAll('*', '.*');
        const expected = new RegExp(`^${escaped}$`).test(candidate);
        expect(nameMatcher(pattern)(candidate)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no more time than its length asks for', () => {
    const pattern = '*a'.repeat(120);
    expect(nameMatcher(`${pattern}b`)('a'.repeat(255))).toBe(false);
  });
});
