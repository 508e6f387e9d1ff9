import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { VirtualListHandle } from '../../parts/virtual-list.js';
import type { RowView } from './row-view.js';

/** Pixels from the end within which the list follows. */
const AT_END = 4;

/**
 * Keeps a list at its end until somebody scrolls up, and then keeps in sight what is in sight. Returns what the list
 * calls when it scrolls.
 */
export function useFollowedEnd(
  view: RowView,
  list: RefObject<VirtualListHandle | null>,
  rowHeight: number,
): (fromEnd: number) => void {
  const removed = useRef(0);
  useLayoutEffect(() => {
    const element = list.current?.element;
    if (element === null || element === undefined) return;
    const { rows } = view;
    const gone = Math.max(0, rows.removed - removed.current);
    removed.current = rows.removed;
    if (!view.isFollowed) return;
    if (!rows.isHeld) element.scrollTop = element.scrollHeight;
    else if (gone > 0) element.scrollTop -= gone * rowHeight;
  });
  useEffect(() => {
    const element = list.current?.element;
    if (element === null || element === undefined || !view.isFollowed) return;
    // A box that becomes smaller hides its newest rows, and the browser tells of no scroll.
    const sizes = new ResizeObserver(() => {
      if (!view.rows.isHeld) element.scrollTop = element.scrollHeight;
    });
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [view, list]);
  return (fromEnd) => {
    if (!view.isFollowed) return;
    const { rows } = view;
    const isAtEnd = fromEnd <= AT_END;
    if (isAtEnd === !rows.isHeld) return;
    // Back at the end of a held list, the rows that wait follow.
    if (isAtEnd) rows.release();
    else rows.hold();
    view.redraw();
  };
}
