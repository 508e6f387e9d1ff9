import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patternsMeet } from '../../src/protocol/patterns-meet.js';
import { matchesPattern } from '../../src/protocol/topic.js';

describe('two patterns meet in the pattern', () => {
  it.each([
    ['*', 'a.*', 'a.*'],
    ['a.*', 'a', undefined],
    ['a.*', '*.b', 'a.b'],
    ['a.*', '+.+.c', 'a.+.c'],
    ['a.*.c', 'a.b.*', 'a.b.c'],
    ['*', '$sys.*', undefined],
    ['+.x', '$sys.x', undefined],
    ['a.*', 'a.+.*', 'a.+.*'],
    ['a.*', 'b.*', undefined],
    ['a.b', 'a.b.c', undefined],
  ])('%s and %s: %s', (one, other, expected) => {
    expect(patternsMeet(one, other)).toBe(expected);
    expect(patternsMeet(other, one)).toBe(expected);
  });

  it('that matches just what both match, whatever the patterns', () => {
    const segment = fc.constantFrom('a', 'b', '+', '*');
    const pattern = fc
      .tuple(fc.constantFrom('a', '$s', '+', '*'), fc.array(segment, { maxLength: 3 }))
      .map(([first, rest]) => [first, ...rest].join('.'));
    const parts = ['a', 'b', '$s', 'z'];
    const topics = [...parts];
    for (const topic of topics) {
      if (topic.split('.').length < 4) topics.push(...parts.map((part) => `${topic}.${part}`));
    }
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const met = patternsMeet(one, other);
        const matches = (topic: string): boolean => met !== undefined && matchesPattern(met, topic);
        const wrong = topics.filter(
          (topic) =>
            matches(topic) !== (matchesPattern(one, topic) && matchesPattern(other, topic)),
        );
        expect(wrong).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
