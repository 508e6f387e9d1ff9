import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { isNarrow } from '../state/narrow.js';
import { amend, place } from '../state/place.js';
import { Icon } from './icon.js';
import { RowFacts } from './row-facts.js';
import { type Order, orderOf, orderText, type SortValue, sorted } from './sorting.js';
import { VirtualList } from './virtual-list.js';
import './data-table.css';

/**
 * A table of any number of rows, of which only those in sight are in the document. Its order is a parameter of the
 * place, so that it can be sent to somebody. A phone shows some of the columns, and all of them for one row.
 */

export interface Column<T> {
  readonly key: string;
  readonly title: string;
  readonly sortValue: (row: T) => SortValue;
  readonly cell: (row: T) => ComponentChildren;
  /** Aligned at the right; the first click sorts the largest to the top. */
  readonly isNumber?: boolean;
  /** A track of a CSS grid. */
  readonly width: string;
  /** Its width on a phone; default: it is shown there only with all facts of a row. */
  readonly narrowWidth?: string;
  /** Where the cell shows a part, the whole of it. */
  readonly fact?: (row: T) => ComponentChildren;
}

export interface DataTableProps<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  /** The name of a row for people. */
  readonly nameOf: (row: T) => string;
  /** The name of the place's parameter that holds the order. */
  readonly parameter: string;
  /** The same object at each rendering. */
  readonly defaultOrder: Order;
  /** How many rows are in sight at once at most. */
  readonly shownRows?: number;
}

const ROW_HEIGHT = 36;

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, columns, rows, keyOf, parameter, defaultOrder, shownRows = 12 } = props;
  const text = place.value.parameters.get(parameter);
  const order = useMemo(
    () => orderOf(text, columns) ?? defaultOrder,
    [text, columns, defaultOrder],
  );
  const ordered = useMemo(() => sorted(rows, columns, order), [rows, columns, order]);
  const tracks = columns.map(({ width }) => width).join(' ');
  const narrow = columns.flatMap(({ narrowWidth }) => narrowWidth ?? []).join(' ');
  const opened = useSignal<string | undefined>(undefined);
  const shown = isNarrow.value ? rows.find((row) => keyOf(row) === opened.value) : undefined;
  const open = (row: T | undefined): void => {
    opened.value = row && keyOf(row);
  };
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a table element takes no rows that lie at computed places. */}
      <div
        class="data-table"
        role="table"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        style={{ '--columns': tracks, '--columns-narrow': `${narrow} ${MORE_WIDTH}` }}
      >
        <Head columns={columns} order={order} parameter={parameter} />
        <div style={{ height: `${Math.min(ordered.length, shownRows) * ROW_HEIGHT}px` }}>
          <VirtualList
            role="rowgroup"
            class="data-rows"
            label={`${label}: rows`}
            count={ordered.length}
            rowHeight={ROW_HEIGHT}
            keyOf={(index) => (ordered[index] === undefined ? index : keyOf(ordered[index]))}
            row={(index) => {
              const row = ordered[index];
              if (row === undefined) return null;
              const name = props.nameOf(row);
              return <Row row={row} name={name} index={index} columns={columns} onOpen={open} />;
            }}
          />
        </div>
      </div>
      {shown !== undefined && (
        <RowFacts
          title={props.nameOf(shown)}
          facts={factsOf(shown, columns)}
          onClose={() => open(undefined)}
        />
      )}
    </>
  );
}

/** The column of the button that opens a row's facts. */
const MORE_WIDTH = '1.9rem';

function factsOf<T>(row: T, columns: readonly Column<T>[]) {
  return columns
    .filter(({ title }) => title !== '')
    .map(({ title, cell, fact = cell }) => ({ title, value: fact(row) }));
}

interface HeadProps<T> {
  readonly columns: readonly Column<T>[];
  readonly order: Order;
  readonly parameter: string;
}

function Head<T>({ columns, order, parameter }: HeadProps<T>) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: as in the table.
    <div role="rowgroup">
      {/* biome-ignore lint/a11y/useSemanticElements: as in the table. */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: a row of headers takes no focus. */}
      <div class="data-head" role="row" aria-rowindex={1}>
        {columns.map((column) => (
          <Header key={column.key} column={column} order={order} parameter={parameter} />
        ))}
      </div>
    </div>
  );
}

interface RowProps<T> {
  readonly row: T;
  readonly name: string;
  readonly index: number;
  readonly columns: readonly Column<T>[];
  readonly onOpen: (row: T) => void;
}

function Row<T>({ row, name, index, columns, onOpen }: RowProps<T>) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: as in the table.
    // biome-ignore lint/a11y/useFocusableInteractive: as in the table.
    <div class="data-row" role="row" aria-rowindex={index + 2}>
      {columns.map((column) => (
        // biome-ignore lint/a11y/useSemanticElements: as in the table.
        <div key={column.key} role="cell" class={classOf(column)}>
          {column.cell(row)}
        </div>
      ))}
      {isNarrow.value && (
        // biome-ignore lint/a11y/useSemanticElements: as in the table.
        <div role="cell">
          <button type="button" class="quiet" onClick={() => onOpen(row)}>
            <Icon name="right" />
            <span class="hidden">All facts of {name}</span>
          </button>
        </div>
      )}
    </div>
  );
}

function Header<T>({
  column,
  order,
  parameter,
}: {
  readonly column: Column<T>;
  readonly order: Order;
  readonly parameter: string;
}) {
  const { key, title, isNumber = false } = column;
  const isOrder = order.key === key;
  const isDescending = isOrder ? !order.isDescending : isNumber;
  const direction = order.isDescending ? 'descending' : 'ascending';
  return (
    // biome-ignore lint/a11y/useSemanticElements: as in the table.
    // biome-ignore lint/a11y/useFocusableInteractive: its button takes the focus.
    <div role="columnheader" class={classOf(column)} aria-sort={isOrder ? direction : 'none'}>
      {title !== '' && (
        <button
          type="button"
          onClick={() => amend({ [parameter]: orderText({ key, isDescending }) })}
        >
          <span class="ellipsis">{title}</span>
          {isOrder && <span aria-hidden="true">{order.isDescending ? '↓' : '↑'}</span>}
        </button>
      )}
    </div>
  );
}

function classOf<T>({ isNumber, narrowWidth }: Column<T>): string {
  return `${isNumber ? 'number' : ''} ${narrowWidth === undefined ? 'is-wide-only' : ''}`;
}
