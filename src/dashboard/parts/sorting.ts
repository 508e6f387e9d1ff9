/** The order of a table's rows. Pure. */

export type SortValue = number | string;

export interface SortColumn<T> {
  readonly key: string;
  readonly sortValue: (row: T) => SortValue;
}

export interface Order {
  readonly key: string;
  readonly isDescending: boolean;
}

/** `lag` ascends, `-lag` descends; a column that the table does not have counts as none. */
export function orderOf(
  text: string | null,
  columns: readonly { readonly key: string }[],
): Order | undefined {
  if (text === null) return undefined;
  const isDescending = text.startsWith('-');
  const key = isDescending ? text.slice(1) : text;
  return columns.some((column) => column.key === key) ? { key, isDescending } : undefined;
}

export function orderText({ key, isDescending }: Order): string {
  return isDescending ? `-${key}` : key;
}

/** The rows in this order. Rows with the same value keep their places. */
export function sorted<T>(
  rows: readonly T[],
  columns: readonly SortColumn<T>[],
  order: Order,
): readonly T[] {
  const column = columns.find(({ key }) => key === order.key);
  if (column === undefined) return rows;
  const sign = order.isDescending ? -1 : 1;
  return rows
    .map((row) => ({ row, value: column.sortValue(row) }))
    .sort((a, b) => sign * compared(a.value, b.value))
    .map(({ row }) => row);
}

function compared(a: SortValue, b: SortValue): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}
