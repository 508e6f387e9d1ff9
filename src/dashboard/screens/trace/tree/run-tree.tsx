import type { Signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { showEvent } from '../../../event/shown-event.js';
import { rowHeightNow } from '../../../parts/row-height.js';
import { VirtualList, type VirtualListHandle } from '../../../parts/virtual-list.js';
import { rowsOf, type TreeNode, type TreeRow } from '../run/causation.js';
import { idOfRow, RunTreeRow } from './run-tree-row.js';
import { treeKeys } from './tree-keys.js';
import { useClosedBranches } from './use-closed-branches.js';

/**
 * The run by cause. Up and down choose a row, left and right close and open what is below it, Enter opens its event.
 */

export interface RunTreeProps {
  readonly forest: readonly TreeNode[];
  /** The key of the chosen entry. */
  readonly chosen: Signal<number | undefined>;
  /** When the run began, ms since 1970. */
  readonly start: number;
}

export function RunTree({ forest, chosen, start }: RunTreeProps) {
  const { closed, toggle } = useClosedBranches(forest, chosen);
  const rowHeight = rowHeightNow();
  const list = useRef<VirtualListHandle>(null);
  const rows = useMemo(() => rowsOf(forest, closed), [forest, closed]);
  const at = rows.findIndex(({ node }) => node.entry.key === chosen.value);

  // What is chosen in the timeline comes into sight here.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a run that grows must not scroll the list.
  useEffect(() => {
    if (at >= 0) list.current?.scrollToIndex(at);
  }, [chosen.value, at >= 0, rowHeight]);

  const choose = (index: number): void => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (row !== undefined) chosen.value = row.node.entry.key;
  };
  const open = (row: TreeRow): void => {
    chosen.value = row.node.entry.key;
    // A joined text shows beside the tree.
    if (row.node.entry.text === undefined) showEvent(row.node.entry.event);
  };
  return (
    <section class="card run-tree" aria-label="By cause">
      <VirtualList
        count={rows.length}
        rowHeight={rowHeight}
        keyOf={(index) => rows[index]?.node.entry.key ?? index}
        row={(index) => {
          const row = rows[index];
          return (
            row !== undefined && (
              <RunTreeRow
                row={row}
                start={start}
                isChosen={row.node.entry.key === chosen.value}
                onToggle={toggle}
                onOpen={open}
              />
            )
          );
        }}
        label="Events by cause"
        role="tree"
        handle={list}
        {...(at >= 0 ? { active: { index: at, id: idOfRow(rows[at]!.node.entry.key) } } : {})}
        onKeyDown={treeKeys({ rows, at, choose, toggle, open })}
      />
    </section>
  );
}
