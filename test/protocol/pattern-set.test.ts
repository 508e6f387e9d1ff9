import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PatternSet } from '../../src/protocol/pattern-set.js';
import { matchesPattern } from '../../src/protocol/topic.js';

const upToSixteen = Array.from({ length: 15 }, (_, n) => `a${'.+'.repeat(n + 1)}`);

describe('grants cover', () => {
  it.each<[asked: string, grants: string[]]>([
    ['a', ['a']],
    ['a', ['*']],
    ['a.b.c', ['*']],
    ['*', ['*']],
    ['+', ['*']],
    ['+.+', ['*']],
    ['*.b', ['*']],
    ['+.*', ['*']],
    ['a.*', ['a.*']],
    ['a.+', ['a.*']],
    ['a.+.c', ['a.*']],
    ['a.*.c', ['a.+.c']],
    ['a.b.*', ['a.*']],
    ['a.b.*', ['a.+.*']],
    ['a.b.*', ['+.b.*']],
    ['+.b', ['+.+']],
    ['+.b', ['*.b']],
    ['*.b', ['+.b']],
    ['a.+.c.*', ['a.*.+.*']],
    ['a.*', ['x', 'y.*', 'a.*']],
    // Together, by length.
    ['a.*', ['a.+', 'a.+.*']],
    ['a.*', ['a.+', 'a.+.+', 'a.+.+.*']],
    ['*', ['+', '+.*']],
    ['a.*', upToSixteen],
    // The bus's own topics, spelled out.
    ['$sys.health', ['$sys.*']],
    ['$sys.*', ['$sys.*']],
    ['$sys.+.x', ['$sys.*']],
    ['a.$b', ['a.*']],
    ['a.$b', ['a.+']],
    ['größe.文件', ['größe.*']],
  ])('%j by %j', (asked, grants) => {
    expect(new PatternSet(grants).covers(asked)).toBe(true);
  });
});

describe('grants do not cover', () => {
  it.each<[asked: string, grants: string[]]>([
    ['a', []],
    ['*', []],
    ['a', ['b']],
    ['A', ['a']],
    ['a', ['a.*']],
    ['a.b', ['a']],
    ['a.b.c', ['a.+']],
    ['*', ['a.*']],
    ['*', ['+']],
    ['*', ['+.*']],
    ['*', ['*.a', 'a.*', '+']],
    ['+', ['a', 'b', 'c']],
    ['*', ['a', 'b', 'a.*', 'b.*']],
    ['a.*', ['a.+']],
    ['a.*', ['a.b.*']],
    ['a.*', ['a.+.*']],
    ['a.*', ['a.+', 'a.+.+']],
    ['a.*', upToSixteen.slice(0, -1)],
    ['a.*', upToSixteen.slice(1)],
    ['a.*.c', ['a.b.c']],
    ['a.*.c', ['a.b.*']],
    ['a.*.*', ['a.*.c']],
    ['+.b', ['a.b']],
    ['+.b', ['a.*', 'b.*']],
    ['a.+', ['+.b', 'a.b', 'a.c']],
    // A wildcard does not reach what belongs to the bus, and nothing but itself does.
    ['$sys', ['*']],
    ['$sys', ['+']],
    ['$sys.x', ['*']],
    ['$sys.*', ['*']],
    ['$sys.x', ['+.x']],
    ['$sys.x', ['*.x']],
    ['$sys', ['$sys.*']],
    ['*', ['$sys.*']],
    ['$other.x', ['$sys.*']],
    ['$*', ['$sys.*']],
    // No topic is so long.
    [`a${'.+'.repeat(16)}.*`, ['a.+']],
  ])('%j by %j', (asked, grants) => {
    expect(new PatternSet(grants).covers(asked)).toBe(false);
  });
});

describe('containment', () => {
  /** Patterns have up to four segments, so topics of five stand for all that are longer. */
  const TOPICS = topicsUpTo(5);

  const segment = fc.constantFrom('a', 'b', '+', '*');
  const firstSegment = fc.constantFrom('a', 'b', '+', '*', '$');
  const pattern = fc
    .tuple(firstSegment, fc.array(segment, { maxLength: 3 }))
    .map(([first, others]) => [first, ...others].join('.'));

  it('agrees with matching every topic one by one', () => {
    let covered = 0;
    fc.assert(
      fc.property(pattern, fc.array(pattern, { maxLength: 5 }), (asked, grants) => {
        const expected = TOPICS.filter((topic) => matchesPattern(asked, topic)).every((topic) =>
          grants.some((grant) => matchesPattern(grant, topic)),
        );
        expect(new PatternSet(grants).covers(asked)).toBe(expected);
        if (expected) covered++;
      }),
      { numRuns: 3000 },
    );
    // Without this the property would hold for a set that covers nothing.
    expect(covered).toBeGreaterThan(150);
  });

  it('of a topic agrees with matching it', () => {
    fc.assert(
      fc.property(pattern, fc.constantFrom(...TOPICS), (grant, topic) => {
        const matches = matchesPattern(grant, topic);
        expect(new PatternSet([grant]).covers(topic)).toBe(matches);
      }),
      { numRuns: 5000 },
    );
  });
});

/** Made of segments that patterns name, one of the bus's own, and one that no pattern names. */
function topicsUpTo(length: number, letters = ['a', 'b', '$', 'z']): string[] {
  const byLength = [letters];
  while (byLength.length < length) {
    const longest = byLength[byLength.length - 1]!;
    byLength.push(longest.flatMap((topic) => letters.map((letter) => `${topic}.${letter}`)));
  }
  return byLength.flat();
}
