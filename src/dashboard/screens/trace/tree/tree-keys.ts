import { listSteps, takeStep } from '../../../parts/list-keys.js';
import { causeOf, type TreeRow } from '../run/causation.js';

export interface TreeKeysOptions {
  readonly rows: readonly TreeRow[];
  /** The index of the chosen row; -1: none is chosen. */
  readonly at: number;
  readonly choose: (index: number) => void;
  readonly toggle: (key: number) => void;
  readonly open: (row: TreeRow) => void;
}

/** The keys of the tree, as a listener. */
export function treeKeys({ rows, at, choose, toggle, open }: TreeKeysOptions) {
  const row = rows[at];
  return (event: KeyboardEvent): void =>
    takeStep(event, {
      ...listSteps(at, choose),
      End: () => choose(rows.length - 1),
      ArrowLeft: () => {
        if (row?.isOpen) toggle(row.node.entry.key);
        else if (row !== undefined) choose(causeOf(rows, at));
      },
      ArrowRight: () => {
        if (row === undefined || row.node.children.length === 0) return;
        if (row.isOpen) choose(at + 1);
        else toggle(row.node.entry.key);
      },
      Enter: () => {
        if (row !== undefined) open(row);
      },
    });
}
