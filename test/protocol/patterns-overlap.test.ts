import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patternsOverlap } from '../../src/protocol/patterns-overlap.js';
import { matchesPattern } from '../../src/protocol/topic.js';

describe('two patterns overlap', () => {
  it.each([
    ['a.*', 'a.b.c', true],
    ['a.*', 'a', false],
    ['a.b', '+.b', true],
    ['*.b', 'a.+', true],
    ['a.*', '*.b', true],
    ['a.+', 'a.b.c', false],
    ['*', '$sys.*', false],
    ['$sys.*', '$sys.health', true],
    ['+.x', '$sys.x', false],
    ['a.*', 'b.*', false],
  ])('%s and %s: %s', (one, other, expected) => {
    expect(patternsOverlap(one, other)).toBe(expected);
    expect(patternsOverlap(other, one)).toBe(expected);
  });

  it('exactly if some topic matches both, whatever the patterns', () => {
    const segment = fc.constantFrom('a', 'b', '+', '*');
    const pattern = fc
      .tuple(fc.constantFrom('a', '$s', '+', '*'), fc.array(segment, { maxLength: 2 }))
      .map(([first, rest]) => [first, ...rest].join('.'));
    const topics = topicsOf(['a', 'b', '$s', 'z'], 4);
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const both = topics.some(
          (topic) => matchesPattern(one, topic) && matchesPattern(other, topic),
        );
        expect(patternsOverlap(one, other)).toBe(both);
      }),
      { numRuns: 500 },
    );
  });
});

/** All topics of these segments up to a length. */
function topicsOf(segments: readonly string[], longest: number): string[] {
  let last: string[] = [''];
  const all: string[] = [];
  for (let length = 1; length <= longest; length++) {
    last = last.flatMap((head) => segments.map((tail) => (head === '' ? tail : `${head}.${tail}`)));
    all.push(...last);
  }
  return all;
}
