import { type ReadonlySignal, useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { showEvent } from '../../event/shown-event.js';
import { listSteps, takeStep } from '../../parts/list-keys.js';
import type { VirtualListHandle } from '../../parts/virtual-list.js';
import type { RowView } from './row-view.js';

/** The selected row, and the keys that select and open rows. */
export interface RowKeys {
  /** The key of the row. */
  readonly selected: ReadonlySignal<number | undefined>;
  /** Selects a row and opens its event. */
  open(key: number | undefined): void;
  /** Goes back to the newest row, and selects none. */
  toEnd(): void;
  onKeyDown(event: KeyboardEvent): void;
}

export function useRowKeys(view: RowView, list: RefObject<VirtualListHandle | null>): RowKeys {
  const selected = useSignal<number | undefined>(undefined);
  const { rows } = view;
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
    takeStep(event, {
      ...listSteps(at, select),
      End: toEnd,
      Enter: () => open(selected.value),
    });
  };
  return { selected, open, toEnd, onKeyDown };
}
