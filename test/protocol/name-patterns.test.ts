import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NamePatterns, nameMatcher } from '../../src/protocol/name-patterns.js';

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

  it('is looked for in many patterns at once', () => {
    const names = new NamePatterns(['mailer-*', 'billing']);
    for (const name of ['mailer-1', 'billing', 'mailer-']) {
      expect([names.matches(name), names.matches(name)], name).toEqual([true, true]);
    }
    for (const name of ['mailer', 'billing-1', '']) {
      expect([names.matches(name), names.matches(name)], name).toEqual([false, false]);
    }
    expect(names.isOf(['mailer-*', 'billing'])).toBe(true);
    expect(names.isOf(['mailer-*'])).toBe(false);
  });
});
