import fc from 'fast-check';
import { matchesPattern, type TopicInfo } from 'millrace/client';
import { describe, expect, it } from 'vitest';
import { retentionText } from '../../src/dashboard/screens/topics/retention-text.js';
import {
  parentOf,
  patternsOf,
  rowsOf,
  TopicFinder,
  type TreeRow,
  treeOf,
} from '../../src/dashboard/screens/topics/topic-tree.js';
import { actOf } from '../../src/dashboard/screens/topics/tree-keys.js';

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
    const found = new TopicFinder(treeOf({ at: 0, topics }, undefined)).find('created');
    expect(found.map(({ node }) => node.path)).toEqual(['orders.created', 'users.Created']);
  });

  it('finds the same whatever was looked for before', () => {
    const texts = fc.array(fc.constantFrom('', 'a', 'A', 'a.b', 'b.', 'É', 'c', 'a.b.c'));
    fc.assert(
      fc.property(fc.uniqueArray(topicName), texts, (names, wanted) => {
        const topics = names.map((name) => topic(name, 1));
        const finder = new TopicFinder(treeOf({ at: 0, topics }, undefined));
        for (const text of wanted) {
          const found = finder.find(text).map(({ node }) => node.path);
          const lower = text.toLowerCase();
          const expected = names.filter((name) => name.toLowerCase().includes(lower));
          expect(found.sort()).toEqual(expected.sort());
        }
      }),
    );
  });

  it('tells each row its place among those with the same parent', () => {
    fc.assert(
      fc.property(fc.uniqueArray(topicName), (names) => {
        const topics = names.map((name) => topic(name, 1));
        const rows = rowsOf(treeOf({ at: 0, topics }, undefined), (path) => path !== 'a.b');
        for (const [at, row] of rows.entries()) {
          const parent = row.level === 1 ? undefined : rows[parentOf(rows, at)]!.node;
          const family = rows.filter(
            (one, index) =>
              one.level === row.level &&
              (parent === undefined || rows[parentOf(rows, index)]!.node === parent),
          );
          expect(family.length).toBe(row.siblings);
          expect(family[row.position - 1]).toBe(row);
        }
      }),
    );
  });
});

describe('the keys of the tree', () => {
  const topics = ['a.b.c', 'a.d', 'e'].map((name) => topic(name, 1));
  const root = treeOf({ at: 0, topics }, undefined);
  const all = rowsOf(root, () => true);

  /** The row or the branch that a key on a row leads to. */
  function pressed(key: string, path: string, rows: readonly TreeRow[] = all): string | undefined {
    let result: string | undefined;
    const act = actOf(key, {
      rows,
      at: rows.findIndex(({ node }) => node.path === path),
      isFlat: false,
      choose: (index) => {
        result = rows[Math.min(Math.max(index, 0), rows.length - 1)]!.node.path;
      },
      toggle: (changed) => {
        result = `toggles ${changed}`;
      },
      open: (node) => {
        result = `opens ${node.path}`;
      },
    });
    act?.();
    return result;
  }

  it('go into a branch and out of it, and stay at a topic that has nothing below it', () => {
    expect(pressed('ArrowRight', 'a')).toBe('a.b');
    expect(pressed('ArrowRight', 'a.d')).toBeUndefined();
    expect(pressed('ArrowLeft', 'a.d')).toBe('a');
    expect(pressed('ArrowLeft', 'a.b.c')).toBe('a.b');
    expect(pressed('ArrowLeft', 'a.b')).toBe('toggles a.b');
    expect(pressed('ArrowLeft', 'e')).toBe('e');
    const closed = rowsOf(root, () => false);
    expect(pressed('ArrowRight', 'a', closed)).toBe('toggles a');
  });

  it('move through the rows and open one', () => {
    expect(pressed('ArrowDown', 'a.b.c')).toBe('a.d');
    expect(pressed('ArrowUp', 'a.d')).toBe('a.b.c');
    expect(pressed('End', 'a')).toBe('e');
    expect(pressed('PageDown', 'a')).toBe('e');
    expect(pressed('Home', 'e')).toBe('a');
    expect(pressed('Enter', 'e')).toBe('opens e');
    expect(pressed('constructor', 'e')).toBeUndefined();
  });
});

it('names the rules of retention that hold for a topic', () => {
  const rules = [
    { pattern: 'logs.*', maxAgeMs: 86_400_000 },
    { maxEvents: 1000, maxBytes: 1024 * 1024 },
    { pattern: 'logs.*', maxAgeMs: 9_000_000 },
    { pattern: 'jobs.*', untilConsumedBy: ['mailer', 'audit'] },
  ];
  expect(retentionText(rules, 'logs.a')).toBe(
    '1 d (logs.*) · 1,000 events, 1.0 MiB (*) · 2 h 30 min (logs.*)',
  );
  expect(retentionText(rules.slice(3), 'jobs.a')).toBe(
    'until consumed by mailer and audit (jobs.*)',
  );
  expect(retentionText([{ pattern: 'state.*', keepPerTopic: 1 }], 'state.a')).toBe(
    'the newest event of each topic (state.*)',
  );
  expect(retentionText([{ keepPerTopic: 1000, maxEvents: 5 }], 'a')).toBe(
    '5 events, the newest 1,000 events of each topic (*)',
  );
  expect(retentionText(rules, '$sys.a')).toBe('for ever');
});
