import type { ComponentChildren } from 'preact';
import { whole } from '../text/format.js';
import type { Column } from './data-table.js';

interface NumberColumn<T>
  extends Pick<Column<T>, 'key' | 'title' | 'width'>,
    Partial<Pick<Column<T>, 'narrowWidth'>> {
  readonly of: (row: T) => number;
  /** How the number is shown. Default: as a whole number. */
  readonly show?: (value: number) => ComponentChildren;
}

/** A column that shows a number of each row and sorts by it. */
export function numberColumn<T>({ of, show = whole, ...rest }: NumberColumn<T>): Column<T> {
  return { ...rest, isNumber: true, sortValue: of, cell: (row) => show(of(row)) };
}
