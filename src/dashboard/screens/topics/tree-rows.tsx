import { useSignal } from '@preact/signals';
import type { RetentionRule } from 'millrace/client';
import { useRef } from 'preact/hooks';
import { VirtualList, type VirtualListHandle } from '../../parts/virtual-list.js';
import { isNarrow } from '../../state/narrow.js';
import { go } from '../../state/place.js';
import { retentionText } from './retention-text.js';
import { TopicRow } from './topic-row.js';
import { patternsOf, type TreeRow } from './topic-tree.js';
import { actOf } from './tree-keys.js';

/** The rows of the tree, or of the names that were found, under their heads. */

const ROW_HEIGHT = 32;
/** On a phone a row has a second line. */
const ROW_HEIGHT_NARROW = 52;

export interface TreeRowsProps {
  readonly rows: readonly TreeRow[];
  /** Names that were found: whole, and without branches. */
  readonly isFlat: boolean;
  readonly toggle: (path: string) => void;
  /** Undefined for those who may not read it. */
  readonly retention: readonly RetentionRule[] | undefined;
}

export function TreeRows({ rows, isFlat, toggle, retention }: TreeRowsProps) {
  const handle = useRef<VirtualListHandle | null>(null);
  const { at, choose } = useChosen(rows);
  const show = (index: number): void => {
    const shown = Math.min(Math.max(index, 0), rows.length - 1);
    choose(shown);
    handle.current?.scrollToIndex(shown);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const open = (node: TreeRow['node']): void => go('stream', { topic: patternsOf(node) });
    const act = actOf(event.key, { rows, at, isFlat, choose: show, toggle, open });
    if (act === undefined) return;
    event.preventDefault();
    act();
  };
  return (
    <div class="card tree">
      <div class="tree-head" aria-hidden="true">
        <span>Topic</span>
        <span class="number">Events</span>
        <span class="number rate">Per second</span>
        <span class="last">Last event</span>
        <span class="kept">Kept</span>
      </div>
      <VirtualList
        role="tree"
        label="Topics"
        count={rows.length}
        rowHeight={isNarrow.value ? ROW_HEIGHT_NARROW : ROW_HEIGHT}
        handle={handle}
        {...(at >= 0 && { active: { index: at, id: rowId(at) } })}
        onKeyDown={onKeyDown}
        keyOf={(index) => rows[index]?.node.path ?? index}
        row={(index) => {
          const row = rows[index];
          return row === undefined ? undefined : (
            <TopicRow
              id={rowId(index)}
              row={row}
              isFlat={isFlat}
              isChosen={index === at}
              kept={keptText(retention, row)}
              onToggle={() => {
                show(index);
                toggle(row.node.path);
              }}
            />
          );
        }}
      />
    </div>
  );
}

/** The chosen row. It stays chosen where it comes to another place, and is looked for only then. */
function useChosen(rows: readonly TreeRow[]) {
  const chosen = useSignal<{ readonly path: string; readonly index: number } | undefined>(
    undefined,
  );
  const { value } = chosen;
  const isThere = value !== undefined && rows[value.index]?.node.path === value.path;
  const at =
    value === undefined || isThere
      ? (value?.index ?? -1)
      : rows.findIndex(({ node }) => node.path === value.path);
  const choose = (index: number): void => {
    const row = rows[index];
    if (row !== undefined) chosen.value = { path: row.node.path, index };
  };
  return { at, choose };
}

function rowId(index: number): string {
  return `topic-${index}`;
}

/** The rules hold for topics: a branch that is none may have topics below it that other rules keep. */
function keptText(retention: readonly RetentionRule[] | undefined, { node }: TreeRow): string {
  if (retention === undefined || node.topic === undefined) return '';
  return retentionText(retention, node.path);
}
