import { parentOf, type TopicNode, type TreeRow } from './topic-tree.js';

/** The keys of the tree of topics, as the ARIA practices for trees have them. */

const PAGE_ROWS = 10;

export interface TreeKeys {
  readonly rows: readonly TreeRow[];
  /** The index of the chosen row; -1 if none is. */
  readonly at: number;
  /** A list of names that were found has no branches. */
  readonly isFlat: boolean;
  /** An index beyond the ends stands for the end. */
  readonly choose: (index: number) => void;
  readonly toggle: (path: string) => void;
  readonly open: (node: TopicNode) => void;
}

/** What a key does; `undefined` for one that the tree leaves alone. */
export function actOf(key: string, keys: TreeKeys): (() => void) | undefined {
  const { rows, at, isFlat, choose, toggle, open } = keys;
  const row = rows[at];
  const isBranch = !isFlat && row !== undefined && row.node.children.size > 0;
  const acts: Readonly<Record<string, () => void>> = {
    ArrowDown: () => choose(at + 1),
    ArrowUp: () => choose(at - 1),
    PageDown: () => choose(at + PAGE_ROWS),
    PageUp: () => choose(at - PAGE_ROWS),
    Home: () => choose(0),
    End: () => choose(rows.length - 1),
    ArrowRight: () => {
      if (!isBranch) return;
      if (row.isOpen) choose(at + 1);
      else toggle(row.node.path);
    },
    ArrowLeft: () => {
      if (isBranch && row.isOpen) toggle(row.node.path);
      else if (row !== undefined) choose(parentOf(rows, at));
    },
    Enter: () => {
      if (row !== undefined) open(row.node);
    },
  };
  return Object.hasOwn(acts, key) ? acts[key] : undefined;
}
