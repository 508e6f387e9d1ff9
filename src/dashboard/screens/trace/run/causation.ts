import type { Entry } from './run.js';

/**
 * The entries of a run as a forest: below each entry those that name one of its events as their cause, by time. Without
 * recursion, so that a chain of 10,000 causes does no harm. Pure.
 */

/**
 * Why a node stands where it does. `orphan`: its cause is not in the run. `cycle`: its causes lead back to itself; the
 * earliest entry of a cycle stands on top.
 */
export type NodePlace = 'root' | 'child' | 'orphan' | 'cycle';

export interface TreeNode {
  readonly entry: Entry;
  readonly place: NodePlace;
  readonly children: readonly TreeNode[];
}

export interface TreeRow {
  readonly node: TreeNode;
  /** From 0. */
  readonly depth: number;
  /** The place among its siblings, from 1, and how many there are. */
  readonly position: number;
  readonly siblings: number;
  readonly isOpen: boolean;
}

const NONE: ReadonlySet<number> = new Set();

interface OpenNode {
  readonly entry: Entry;
  place: NodePlace;
  cause: OpenNode | undefined;
  readonly children: OpenNode[];
  /** The walk that came here; 0 before the first. */
  walk: number;
}

/** `entryOf` finds the entry that holds the event with an id. */
export function forestOf(
  entries: readonly Entry[],
  entryOf: (id: string) => Entry | undefined,
): readonly TreeNode[] {
  const nodes = new Map<Entry, OpenNode>();
  for (const entry of inTime(entries)) {
    nodes.set(entry, { entry, place: 'root', cause: undefined, children: [], walk: 0 });
  }
  for (const node of nodes.values()) {
    const { causationId } = node.entry.event;
    if (causationId === undefined) continue;
    const cause = entryOf(causationId);
    node.cause = cause === undefined ? undefined : nodes.get(cause);
    node.place = node.cause === undefined ? 'orphan' : 'child';
  }
  breakCycles([...nodes.values()]);
  const roots: OpenNode[] = [];
  // In the order of time, so each list of children is in that order too.
  for (const node of nodes.values()) (node.cause?.children ?? roots).push(node);
  return roots;
}

/** By time; entries of the same millisecond in the order of arrival. */
export function inTime(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => a.at - b.at || a.key - b.key);
}

/** The nodes from top to bottom, without those below a node that is closed. */
export function rowsOf(forest: readonly TreeNode[], closed: ReadonlySet<number>): TreeRow[] {
  const rows: TreeRow[] = [];
  const next: TreeRow[] = [];
  const push = (nodes: readonly TreeNode[], depth: number): void => {
    for (let index = nodes.length - 1; index >= 0; index--) {
      const node = nodes[index]!;
      const isOpen = node.children.length > 0 && !closed.has(node.entry.key);
      next.push({ node, depth, position: index + 1, siblings: nodes.length, isOpen });
    }
  };
  push(forest, 0);
  for (let row = next.pop(); row !== undefined; row = next.pop()) {
    rows.push(row);
    if (row.isOpen) push(row.node.children, row.depth + 1);
  }
  return rows;
}

/** The keys of the entries above the one with this key, from the top; none where it is not in the forest. */
export function pathTo(forest: readonly TreeNode[], key: number): number[] {
  const path: number[] = [];
  for (const { node, depth } of rowsOf(forest, NONE)) {
    path.length = depth;
    if (node.entry.key === key) return path;
    path.push(node.entry.key);
  }
  return [];
}

/** The row of the cause of the row at this index, or the row itself. */
export function causeOf(rows: readonly TreeRow[], at: number): number {
  const depth = rows[at]?.depth ?? 0;
  for (let index = at - 1; index >= 0; index--) if (rows[index]!.depth < depth) return index;
  return at;
}

/** Follows the causes from each node. A walk that meets itself has found a cycle. */
function breakCycles(nodes: readonly OpenNode[]): void {
  let walk = 0;
  for (const start of nodes) {
    walk++;
    let node: OpenNode | undefined = start;
    while (node !== undefined && node.walk === 0) {
      node.walk = walk;
      node = node.cause;
    }
    if (node !== undefined && node.walk === walk) {
      const first = earliestOf(node);
      first.cause = undefined;
      first.place = 'cycle';
    }
  }
}

/** The earliest node of the cycle that this node is in. */
function earliestOf(start: OpenNode): OpenNode {
  let earliest = start;
  for (let node = start.cause!; node !== start; node = node.cause!) {
    const { at, key } = node.entry;
    const isEarlier =
      at < earliest.entry.at || (at === earliest.entry.at && key < earliest.entry.key);
    if (isEarlier) earliest = node;
  }
  return earliest;
}
