import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern, patternFault, topicFault } from '../../../src/protocol/topic.js';
import { PatternTrie } from '../../../src/shards/matching/pattern-trie.js';

const words = fc.constantFrom('a', 'b', 'é', '文', '🚂', '$', '$a', 'constructor', '__proto__');
const topics = fc.array(words, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('.'));
const patterns = fc
  .array(fc.oneof(words, fc.constantFrom('*', '+', '*', '+', 'a')), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join('.'));
const changes = fc.array(
  fc.record({ isAdd: fc.boolean(), pattern: patterns, value: fc.nat(5), pick: fc.nat() }),
  { maxLength: 60 },
);

describe('a trie of patterns', () => {
  it('matches what the naive matcher matches, each value once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(patterns, fc.nat(8)), { maxLength: 40 }),
        fc.array(topics, { minLength: 1, maxLength: 10 }),
        (pairs, asked) => {
          const trie = new PatternTrie<number>();
          for (const [pattern, value] of pairs) trie.add(pattern, value);
          for (const topic of asked) {
            expect(patternFault(topic) ?? topicFault(topic)).toBeUndefined();
            expect(trie.match(topic).sort()).toEqual(naiveMatch(pairs, topic));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('matches the same after any sequence of changes, and is empty once all pairs are removed', () => {
    fc.assert(
      fc.property(changes, topics, (steps, topic) => {
        const trie = new PatternTrie<number>();
        const pairs: [string, number][] = [];
        for (const { isAdd, pattern, value, pick } of steps) {
          if (isAdd) {
            trie.add(pattern, value);
            pairs.push([pattern, value]);
          } else if (pairs.length > 0) {
            const [[known, its]] = pairs.splice(pick % pairs.length, 1) as [[string, number]];
            expect(trie.remove(known, its)).toBe(true);
          }
          expect(trie.size).toBe(pairs.length);
        }
        expect(trie.match(topic).sort()).toEqual(naiveMatch(pairs, topic));
        for (const [pattern, value] of pairs) expect(trie.remove(pattern, value)).toBe(true);
        expect(trie.size).toBe(0);
        expect(trie.match(topic)).toEqual([]);
        expect(trie.nodes).toBe(1);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives a value once even if several of its patterns match', () => {
    const trie = new PatternTrie<string>();
    for (const pattern of ['a.b', 'a.*', 'a.+', '*', '+.b', '*.b', '*.*']) trie.add(pattern, 'one');
    expect(trie.match('a.b')).toEqual(['one']);
    expect(trie.match('$a.b')).toEqual([]);
    expect(trie.size).toBe(7);
  });

  it('gives each of thousands of values once', () => {
    const trie = new PatternTrie<number>();
    for (let value = 0; value < 5000; value++) {
      trie.add('a.b', value);
      trie.add('a.*', value);
    }
    expect(trie.match('a.b').sort((x, y) => x - y)).toEqual(
      Array.from({ length: 5000 }, (_, i) => i),
    );
    for (let value = 0; value < 5000; value++) {
      expect(trie.remove('a.b', value)).toBe(true);
      expect(trie.remove('a.b', value)).toBe(false);
    }
    expect(trie.match('a.b')).toHaveLength(5000);
    expect(trie.size).toBe(5000);
  });

  it('keeps a pair that was added twice until it is removed twice, however many there are', () => {
    for (const others of [0, 100]) {
      const trie = new PatternTrie<string>();
      for (let i = 0; i < others; i++) trie.add('a', `other ${i}`);
      trie.add('a', 'x');
      trie.add('a', 'x');
      expect(trie.remove('a', 'x')).toBe(true);
      expect(trie.match('a')).toContain('x');
      expect(trie.remove('a', 'x')).toBe(true);
      expect(trie.match('a')).not.toContain('x');
      expect(trie.remove('a', 'x')).toBe(false);
      expect(trie.size).toBe(others);
    }
  });

  it('returns false for the removal of an absent pair, and does not change', () => {
    const trie = new PatternTrie<number>();
    trie.add('a.+', 1);
    const { generation } = trie;
    for (const [pattern, value] of [
      ['a.+', 2],
      ['a', 1],
      ['a.+.c', 1],
      ['b', 1],
      ['a.*', 1],
      ['*', 1],
    ] as const) {
      expect(trie.remove(pattern, value)).toBe(false);
    }
    expect(trie.generation).toBe(generation);
    expect(trie.match('a.b')).toEqual([1]);
  });

  it('has a new generation after each change', () => {
    const trie = new PatternTrie<number>();
    const seen = new Set([trie.generation]);
    trie.add('a', 1);
    seen.add(trie.generation);
    trie.add('a', 2);
    seen.add(trie.generation);
    trie.remove('a', 1);
    seen.add(trie.generation);
    expect(seen.size).toBe(4);
  });

  it('hands out lists that are the caller’s own', () => {
    const trie = new PatternTrie<number>();
    trie.add('a', 1);
    trie.match('a').push(2);
    expect(trie.match('a')).toEqual([1]);
  });
});

function naiveMatch(pairs: readonly (readonly [string, number])[], topic: string): number[] {
  const matching = pairs.filter(([pattern]) => matchesPattern(pattern, topic));
  return [...new Set(matching.map(([, value]) => value))].sort();
}
