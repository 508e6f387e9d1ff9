import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PatternTrie } from '../../../src/shards/matching/pattern-trie.js';
import { TopicMatches } from '../../../src/shards/matching/topic-matches.js';

const joined = (topic: string, matched: number[]) => `${topic}:${matched.sort().join()}`;

describe('the cached matches of a topic', () => {
  it('are computed once, until the patterns change', () => {
    const trie = new PatternTrie<number>();
    let computed = 0;
    const matches = new TopicMatches(trie, (_topic, matched: number[]) => {
      computed++;
      return matched;
    });
    trie.add('a.*', 1);
    expect(matches.get('a.b')).toEqual([1]);
    expect(matches.get('a.b')).toBe(matches.get('a.b'));
    expect(computed).toBe(1);
    trie.add('a.b', 2);
    expect(matches.get('a.b')).toHaveLength(2);
    trie.remove('a.*', 1);
    expect(matches.get('a.b')).toEqual([2]);
    expect(computed).toBe(3);
  });

  it('are kept if only patterns have changed that do not match the topic', () => {
    const trie = new PatternTrie<number>();
    let computed = 0;
    const matches = new TopicMatches(trie, (_topic, matched: number[]) => {
      computed++;
      return matched;
    });
    trie.add('a.*', 1);
    const kept = matches.get('a.b');
    for (let n = 0; n < 100; n++) {
      trie.add(`b.${n}`, n);
      trie.remove(`b.${n}`, n);
      expect(matches.get('a.b')).toBe(kept);
    }
    expect(computed).toBe(1);
    trie.add('+.b', 2);
    expect(matches.get('a.b')).toHaveLength(2);
  });

  it('equal those of the trie, through any changes and however little is remembered', () => {
    const step = fc.record({
      what: fc.constantFrom('add', 'remove', 'get', 'get', 'get'),
      pattern: fc.constantFrom('a', 'b', 'a.*', '*', '+.x', 'b.+'),
      topic: fc.constantFrom('a', 'b', 'a.x', 'b.x', 'c', 'c.x.y'),
      value: fc.nat(4),
    });
    const limits = fc.record({ topics: fc.integer({ min: 1, max: 4 }), values: fc.nat(12) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), limits, (steps, bound) => {
        const trie = new PatternTrie<number>();
        const matches = new TopicMatches(trie, joined, bound.topics, bound.values);
        for (const { what, pattern, topic, value } of steps) {
          if (what === 'add') trie.add(pattern, value);
          else if (what === 'remove') trie.remove(pattern, value);
          else expect(matches.get(topic)).toBe(joined(topic, trie.match(topic)));
          expect(matches.size).toBeLessThanOrEqual(bound.topics);
          if (matches.size > 1) expect(matches.matched).toBeLessThanOrEqual(bound.values);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('stay for a topic in use when others pass by', () => {
    const trie = new PatternTrie<number>();
    const computed: string[] = [];
    const compute = (topic: string) => computed.push(topic);
    const matches = new TopicMatches(trie, compute, 8);
    for (let i = 0; i < 100; i++) {
      matches.get('hot');
      matches.get(`passing.${i}`);
    }
    expect(computed.filter((topic) => topic === 'hot')).toHaveLength(1);
    expect(matches.size).toBe(8);
  });

  it('never hold more values than the bound, except for one topic alone', () => {
    const trie = new PatternTrie<number>();
    for (let value = 0; value < 100; value++) trie.add('*', value);
    const matches = new TopicMatches(trie, (_topic, matched) => matched, 1000, 250);
    for (let i = 0; i < 50; i++) matches.get(`t${i}`);
    expect(matches.size).toBe(2);
    expect(matches.matched).toBe(200);
    for (let value = 100; value < 400; value++) trie.add('*', value);
    expect(matches.get('t49')).toHaveLength(400);
    expect(matches.get('t0')).toHaveLength(400);
    expect(matches.size).toBe(1);
  });

  it('are counted anew when the patterns have changed', () => {
    const trie = new PatternTrie<number>();
    const matches = new TopicMatches(trie, joined);
    matches.get('a');
    for (let value = 0; value < 10; value++) trie.add('*', value);
    matches.get('a');
    matches.get('b');
    expect(matches.matched).toBe(20);
    for (let value = 0; value < 7; value++) trie.remove('*', value);
    matches.get('a');
    matches.get('b');
    expect(matches.matched).toBe(6);
  });
});
