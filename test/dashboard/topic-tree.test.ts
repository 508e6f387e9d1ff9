import fc from 'fast-check';
import { matchesPattern, type TopicInfo } from 'millrace/client';
import { describe, expect, it } from 'vitest';
import { retentionText } from '../../src/dashboard/screens/topics/retention-text.js';
import {
  matching,
  patternsOf,
  rowsOf,
  treeOf,
} from '../../src/dashboard/screens/topics/topic-tree.js';

const segment = fc.constantFrom('a', 'b', 'c', '$sys', 'é');
const topicName = fc.array(segment, { minLength: 1, maxLength: 4 }).map((names) => names.join('.'));

function topic(name: string, events: number, lastAt = '2026-01-01T00:00:00.000Z'): TopicInfo {
  return { name, shard: 0, events, firstSequence: 1, lastSequence: 9, firstAt: lastAt, lastAt };
}

describe('the tree of topics', () => {
  it('counts each topic in every branch above it, and loses none', () => {
    const lists = fc.uniqueArray(fc.tuple(topicName, fc.nat(1000)), { selector: ([name]) => name });
    fc.assert(
      fc.property(lists, (entries) => {
        const topics = entries.map(([name, events]) => topic(name, events));
        const root = treeOf({ at: 0, topics }, undefined);
        const rows = rowsOf(root, () => true);
        const shown = rows.flatMap(({ node }) => (node.topic === undefined ? [] : [node.path]));
        expect(shown.sort()).toEqual(entries.map(([name]) => name).sort());
        expect(root.events).toBe(entries.reduce((sum, [, events]) => sum + events, 0));
        for (const { node } of rows) {
          const below = entries.filter(([name]) => `${name}.`.startsWith(`${node.path}.`));
          expect(node.topics).toBe(below.length);
          expect(node.events).toBe(below.reduce((sum, [, events]) => sum + events, 0));
          const patterns = patternsOf(node);
          const taken = entries.filter(([name]) =>
            patterns.some((one) => matchesPattern(one, name)),
          );
          expect(taken).toEqual(below);
        }
      }),
    );
  });

  it('shows the rate since the list before, also of a topic that is new, and none that is below zero', () => {
    const before = { at: 0, topics: [topic('a.old', 10), topic('a.pruned', 50)] };
    const list = { at: 2000, topics: [topic('a.old', 14), topic('a.pruned', 5), topic('b', 6)] };
    const rates = rowsOf(treeOf(list, before), () => true).map(({ node }) => [
      node.path,
      node.rate,
    ]);
    expect(rates).toEqual([
      ['a', 2],
      ['a.old', 2],
      ['a.pruned', 0],
      ['b', 3],
    ]);
  });

  it('finds topics by a part of their names, wherever they are in the tree', () => {
    const topics = ['orders.created', 'orders.paid', 'users.Created'].map((name) => topic(name, 1));
    const found = matching(treeOf({ at: 0, topics }, undefined), 'created');
    expect(found.map(({ node }) => node.path)).toEqual(['orders.created', 'users.Created']);
  });
});

it('names the rules of retention that hold for a topic', () => {
  const rules = [
    { pattern: 'logs.*', maxAgeMs: 86_400_000 },
    { maxEvents: 1000, maxBytes: 1024 * 1024 },
  ];
  expect(retentionText(rules, 'logs.a')).toBe('24 h (logs.*) · 1,000 events, 1.0 MiB (*)');
  expect(retentionText(rules, '$sys.a')).toBe('for ever');
});
