import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { showEvent } from '../../event/shown-event.js';
import { VirtualList, type VirtualListHandle } from '../../parts/virtual-list.js';
import { isNarrow } from '../../state/narrow.js';
import { rowsOf, type TreeNode, type TreeRow } from './causation.js';
import { idOfRow, RunTreeRow } from './run-tree-row.js';

/**
 * The run by cause. Up and down choose a row, left and right close and open what is below it, Enter opens its event.
 */

const ROW_HEIGHT = 28;
const ROW_HEIGHT_NARROW = 46;
const PAGE_ROWS = 10;

export interface RunTreeProps {
  readonly forest: readonly TreeNode[];
  /** The key of the chosen entry. */
  readonly chosen: Signal<number | undefined>;
  /** When the run began, ms since 1970. */
  readonly start: number;
}

export function RunTree({ forest, chosen, start }: RunTreeProps) {
  const closed = useSignal<ReadonlySet<number>>(new Set());
  const rowHeight = isNarrow.value ? ROW_HEIGHT_NARROW : ROW_HEIGHT;
  const list = useRef<VirtualListHandle>(null);
  const rows = useMemo(() => rowsOf(forest, closed.value), [forest, closed.value]);
  const at = rows.findIndex(({ node }) => node.entry.key === chosen.value);

  // What is chosen in the timeline comes into sight here.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a run that grows must not scroll the list.
  useEffect(() => {
    if (at >= 0) list.current?.scrollToIndex(at);
  }, [chosen.value, rowHeight]);

  const toggle = (key: number): void => {
    const next = new Set(closed.value);
    if (!next.delete(key)) next.add(key);
    closed.value = next;
  };
  const choose = (index: number): void => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (row !== undefined) chosen.value = row.node.entry.key;
  };
  const open = (row: TreeRow): void => {
    chosen.value = row.node.entry.key;
    // A joined text shows beside the tree.
    if (row.node.entry.text === undefined) showEvent(row.node.entry.event);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[at];
    const steps: Readonly<Record<string, () => void>> = {
      ArrowUp: () => choose(at < 0 ? 0 : at - 1),
      ArrowDown: () => choose(at + 1),
      PageUp: () => choose(at - PAGE_ROWS),
      PageDown: () => choose(at + PAGE_ROWS),
      Home: () => choose(0),
      End: () => choose(rows.length - 1),
      ArrowLeft: () => {
        if (row?.isOpen) toggle(row.node.entry.key);
        else choose(causeOf(rows, at));
      },
      ArrowRight: () => {
        if (row === undefined || row.node.children.length === 0) return;
        if (row.isOpen) choose(at + 1);
        else toggle(row.node.entry.key);
      },
      Enter: () => {
        if (row !== undefined) open(row);
      },
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    step();
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
        onKeyDown={onKeyDown}
      />
    </section>
  );
}

/** The row of the cause of the row at this index, or the row itself. */
function causeOf(rows: readonly TreeRow[], at: number): number {
  const depth = rows[at]?.depth ?? 0;
  for (let index = at - 1; index >= 0; index--) if (rows[index]!.depth < depth) return index;
  return at;
}
