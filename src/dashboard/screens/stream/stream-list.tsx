import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { showEvent } from '../../event/shown-event.js';
import { Icon } from '../../parts/icon.js';
import { VirtualList, type VirtualListHandle } from '../../parts/virtual-list.js';
import { isNarrow } from '../../state/narrow.js';
import { whole } from '../../text/format.js';
import type { RowView } from './row-view.js';
import { idOfRow, StreamRow } from './stream-row.js';

/**
 * The rows, newest at the bottom. The list follows its end until somebody scrolls up; then new rows wait, and what is
 * in sight stays in sight.
 */

/** Pixels from the end within which the list follows. */
const AT_END = 4;
const ROW_HEIGHT = 28;
const ROW_HEIGHT_NARROW = 46;
const PAGE_ROWS = 10;

export interface StreamListProps {
  readonly view: RowView;
  /** What stands where there are no rows. */
  readonly empty: string;
}

export function StreamList({ view, empty }: StreamListProps) {
  void view.turn.value;
  const list = useRef<VirtualListHandle>(null);
  const removed = useRef(0);
  const selected = useSignal<number | undefined>(undefined);
  const rowHeight = isNarrow.value ? ROW_HEIGHT_NARROW : ROW_HEIGHT;
  const { rows } = view;

  useLayoutEffect(() => {
    const element = list.current?.element;
    if (element === null || element === undefined) return;
    const gone = Math.max(0, rows.removed - removed.current);
    removed.current = rows.removed;
    if (!view.isFollowed) return;
    if (!rows.isHeld) element.scrollTop = element.scrollHeight;
    else if (gone > 0) element.scrollTop -= gone * rowHeight;
  });
  const onScroll = (fromEnd: number): void => {
    if (!view.isFollowed) return;
    const isAtEnd = fromEnd <= AT_END;
    if (isAtEnd === !rows.isHeld) return;
    // Back at the end of a held list, the rows that wait follow.
    if (isAtEnd) rows.release();
    else rows.hold();
    view.redraw();
  };
  const toEnd = (): void => {
    rows.release();
    selected.value = undefined;
    view.redraw();
    list.current?.element?.focus();
  };
  const select = (index: number): void => {
    const row = rows.at(Math.max(0, Math.min(rows.count - 1, index)));
    if (row === undefined) return;
    selected.value = row.key;
    if (view.isFollowed) rows.hold();
    list.current?.scrollToIndex(rows.indexOf(row.key));
    view.redraw();
  };
  const open = (key: number | undefined): void => {
    const row = key === undefined ? undefined : rows.at(rows.indexOf(key));
    if (row === undefined) return;
    selected.value = row.key;
    if (row.kind === 'event') showEvent(row.event);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = selected.value === undefined ? rows.count : rows.indexOf(selected.value);
    const steps: Readonly<Record<string, () => void>> = {
      ArrowUp: () => select(at - 1),
      ArrowDown: () => select(at + 1),
      PageUp: () => select(at - PAGE_ROWS),
      PageDown: () => select(at + PAGE_ROWS),
      Home: () => select(0),
      End: toEnd,
      Enter: () => open(selected.value),
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    step();
  };
  const isSelectedShown = selected.value !== undefined && rows.indexOf(selected.value) >= 0;
  return (
    <div class="stream-list card">
      {rows.count === 0 && <p class="empty">{empty}</p>}
      <VirtualList
        count={rows.count}
        rowHeight={rowHeight}
        row={(index) => <StreamRow row={rows.at(index)} selected={selected.value} onOpen={open} />}
        label="Events"
        role="listbox"
        handle={list}
        {...(isSelectedShown ? { active: idOfRow(selected.value!) } : {})}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
      />
      {rows.isHeld && (
        <button type="button" class="primary to-end" onClick={toEnd}>
          <Icon name="down" />
          {rows.waiting > 0 ? `${whole(rows.waiting)} new, to the end` : 'To the end'}
        </button>
      )}
    </div>
  );
}
