import { useRef } from 'preact/hooks';
import { Icon } from '../../parts/icon.js';
import { rowHeightNow } from '../../parts/row-height.js';
import { VirtualList, type VirtualListHandle } from '../../parts/virtual-list.js';
import { serverNow } from '../../state/now.js';
import { dateOf, whole } from '../../text/format.js';
import type { RowView } from './row-view.js';
import type { Rows } from './rows.js';
import { idOfRow, StreamRow } from './stream-row.js';
import { useFollowedEnd } from './use-followed-end.js';
import { useRowKeys } from './use-row-keys.js';

/**
 * The rows, newest at the bottom. The list follows its end until somebody scrolls up; then new rows wait, and what is
 * in sight stays in sight.
 */

export interface StreamListProps {
  readonly view: RowView;
  /** What stands where there are no rows. */
  readonly empty: string;
}

export function StreamList({ view, empty }: StreamListProps) {
  void view.turn.value;
  const list = useRef<VirtualListHandle>(null);
  const rowHeight = rowHeightNow();
  const { rows } = view;
  const onScroll = useFollowedEnd(view, list, rowHeight);
  const { selected, open, toEnd, onKeyDown } = useRowKeys(view, list);
  const key = selected.value;
  const at = key === undefined ? -1 : rows.indexOf(key);
  const hasDates = isOfEarlierDay(rows);
  return (
    <div class={`stream-list card ${hasDates ? 'has-dates' : ''}`}>
      {rows.count === 0 && <p class="empty">{empty}</p>}
      <VirtualList
        count={rows.count}
        rowHeight={rowHeight}
        row={(index) => (
          <StreamRow
            row={rows.at(index)}
            position={index + 1}
            count={rows.count}
            selected={key}
            hasDate={hasDates}
            onOpen={open}
          />
        )}
        label="Events"
        role="listbox"
        handle={list}
        {...(key !== undefined && at >= 0 ? { active: { index: at, id: idOfRow(key) } } : {})}
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

/** Whether the first event of the list is not of today, so that a time alone would mislead. */
function isOfEarlierDay(rows: Rows): boolean {
  for (let index = 0; index < rows.count; index++) {
    const row = rows.at(index)!;
    if (row.kind === 'event') return dateOf(row.event.timestamp) !== dateOf(serverNow());
  }
  return false;
}
