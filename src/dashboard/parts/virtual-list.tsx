import {
  defaultRangeExtractor,
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type VirtualizerOptions,
} from '@tanstack/virtual-core';
import type { ComponentChildren, Ref } from 'preact';
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';

/**
 * A list of which only the rows in sight are in the document. All rows have one height, so that a jump to any place of
 * 100,000 rows measures none of them.
 */

export interface VirtualListHandle {
  scrollToIndex(index: number, align?: 'start' | 'center' | 'end' | 'auto'): void;
  readonly element: HTMLElement | null;
}

export interface VirtualListProps {
  readonly count: number;
  /** Pixels. */
  readonly rowHeight: number;
  readonly row: (index: number) => ComponentChildren;
  /** A key that stays with the row's content when rows before it go; default: the index. */
  readonly keyOf?: (index: number) => string | number;
  readonly label: string;
  readonly role?: 'list' | 'listbox' | 'tree' | 'grid' | 'rowgroup';
  readonly class?: string;
  readonly handle?: Ref<VirtualListHandle>;
  /**
   * The row that the keyboard has chosen, for a list whose rows take no focus. It stays in the document also where it
   * is out of sight, so that the list never names a row that is not there.
   */
  readonly active?: { readonly index: number; readonly id: string };
  /** Called with the distance from the end, in pixels, when the user or the list scrolls. */
  readonly onScroll?: (fromEnd: number) => void;
  readonly onKeyDown?: (event: KeyboardEvent) => void;
}

const OVERSCAN = 8;

export function VirtualList(props: VirtualListProps) {
  const { count, rowHeight, row, keyOf, label, role = 'list', handle, onScroll, onKeyDown } = props;
  const activeIndex = props.active?.index ?? -1;
  const element = useRef<HTMLDivElement>(null);
  const [, redraw] = useReducer<number, void>((turn) => turn + 1, 0);
  const options: VirtualizerOptions<HTMLDivElement, HTMLDivElement> = {
    count,
    getScrollElement: () => element.current,
    estimateSize: () => rowHeight,
    // Without keys: with those of a new function it would make a record of every row anew, 100,000 for each key.
    overscan: OVERSCAN,
    rangeExtractor: (range) => withRow(activeIndex, count, defaultRangeExtractor(range)),
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => redraw(),
  };
  const [virtualizer] = useState(() => new Virtualizer(options));
  virtualizer.setOptions(options);
  useEffect(() => virtualizer._didMount(), [virtualizer]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the heights that it remembers are void with another one.
  useLayoutEffect(() => virtualizer.measure(), [virtualizer, rowHeight]);
  useLayoutEffect(() => {
    virtualizer._willUpdate();
    const value: VirtualListHandle = {
      scrollToIndex: (index, align = 'auto') => virtualizer.scrollToIndex(index, { align }),
      element: element.current,
    };
    if (typeof handle === 'function') handle(value);
    else if (handle !== undefined && handle !== null) handle.current = value;
  });
  const report = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = element.current!;
    onScroll?.(scrollHeight - scrollTop - clientHeight);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the caller chooses a role with which the box takes keys.
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: every role that a caller may choose supports a label.
    <div
      ref={element}
      class={`virtual ${props.class ?? ''}`}
      role={role}
      aria-label={label}
      aria-activedescendant={props.active?.id}
      tabIndex={0}
      onScroll={report}
      onKeyDown={onKeyDown}
    >
      <div style={{ height: `${virtualizer.getTotalSize()}px` }} role="presentation">
        {virtualizer.getVirtualItems().map(({ index, start }) => (
          <div
            key={keyOf?.(index) ?? index}
            class="at"
            role="presentation"
            style={{ height: `${rowHeight}px`, transform: `translateY(${start}px)` }}
          >
            {row(index)}
          </div>
        ))}
      </div>
    </div>
  );
}

/** The indices in sight, and that of a row which stays in the document. Ascending. */
function withRow(kept: number, count: number, inSight: readonly number[]): number[] {
  const [first = 0] = inSight;
  const last = inSight.at(-1) ?? -1;
  if (kept < 0 || kept >= count || (kept >= first && kept <= last)) return [...inSight];
  return kept < first ? [kept, ...inSight] : [...inSight, kept];
}
