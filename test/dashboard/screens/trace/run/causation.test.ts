import fc from 'fast-check';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import {
  forestOf,
  pathTo,
  rowsOf,
  type TreeNode,
  type TreeRow,
} from '../../../../../src/dashboard/screens/trace/run/causation.js';
import type { Entry } from '../../../../../src/dashboard/screens/trace/run/run.js';

interface Fact {
  /** The key of the cause: of an entry, of none that is there, or none. */
  readonly cause?: number | undefined;
  readonly at: number;
}

function entriesOf(facts: readonly Fact[]): Entry[] {
  return facts.map(({ cause, at }, key) => {
    const event: Event = {
      id: `e${key}`,
      topic: 'a',
      type: 't',
      source: 's',
      timestamp: new Date(at).toISOString(),
      shard: 0,
      sequence: key + 1,
      payload: null,
      ...(cause === undefined ? {} : { causationId: `e${cause}` }),
    };
    return { key, event, at, until: at, text: undefined };
  });
}

function rowsFor(facts: readonly Fact[], closed: ReadonlySet<number> = new Set()): TreeRow[] {
  const entries = entriesOf(facts);
  const byId = new Map(entries.map((entry) => [entry.event.id, entry]));
  return rowsOf(
    forestOf(entries, (id) => byId.get(id)),
    closed,
  );
}

const told = (rows: readonly TreeRow[]): string[] =>
  rows.map(({ node, depth }) => `${'.'.repeat(depth)}${node.entry.key} ${node.place}`);

describe('the tree of causes', () => {
  it('has each entry once, below its cause, by time, whatever the causes are', () => {
    const fact = fc.record({
      cause: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
      at: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 50 }), (facts) => {
        const rows = rowsFor(facts);
        const keys = rows.map(({ node }) => node.entry.key);
        expect([...keys].sort((a, b) => a - b)).toEqual(facts.map((_, key) => key));
        const check = (nodes: readonly TreeNode[], parent: TreeNode | undefined): void => {
          const order = nodes.map(({ entry }) => [entry.at, entry.key] as const);
          expect([...order].sort((a, b) => a[0] - b[0] || a[1] - b[1])).toEqual(order);
          for (const node of nodes) {
            const { cause } = facts[node.entry.key]!;
            const isThere = cause !== undefined && cause < facts.length;
            if (parent !== undefined)
              expect([node.place, cause]).toEqual(['child', parent.entry.key]);
            else if (cause === undefined) expect(node.place).toBe('root');
            else expect(node.place).toBe(isThere ? 'cycle' : 'orphan');
            check(node.children, node);
          }
        };
        check(
          rows.filter(({ depth }) => depth === 0).map(({ node }) => node),
          undefined,
        );
      }),
    );
  });

  it('breaks a circle at its earliest entry only, and marks it', () => {
    const rows = rowsFor([
      { at: 3, cause: 2 },
      { at: 1, cause: 0 },
      { at: 2, cause: 1 },
      { at: 4, cause: 1 },
      { at: 5, cause: 4 },
    ]);
    expect(told(rows)).toEqual(['1 cycle', '.2 child', '..0 child', '.3 child', '4 cycle']);
  });

  it('takes a chain of 10,000 causes', () => {
    const rows = rowsFor(
      Array.from({ length: 10_000 }, (_, key) => ({
        at: key,
        cause: key === 0 ? undefined : key - 1,
      })),
    );
    expect(rows.at(-1)).toMatchObject({ depth: 9999 });
  });

  it('knows the causes above an entry', () => {
    const facts = [{ at: 1 }, { at: 2, cause: 0 }, { at: 3, cause: 1 }, { at: 4, cause: 0 }];
    const forest = rowsFor(facts)
      .filter(({ depth }) => depth === 0)
      .map(({ node }) => node);
    expect([0, 1, 2, 3, 4].map((key) => pathTo(forest, key))).toEqual([[], [0], [0, 1], [0], []]);
  });

  it('hides what is below a closed node', () => {
    const facts = [{ at: 1 }, { at: 2, cause: 0 }, { at: 3, cause: 1 }, { at: 4 }];
    expect(told(rowsFor(facts, new Set([0])))).toEqual(['0 root', '3 root']);
    expect(told(rowsFor(facts, new Set([1])))).toEqual(['0 root', '.1 child', '3 root']);
  });
});
