import type { Column } from '../../parts/data-table.js';
import { now } from '../../state/now.js';
import { ago, dateAndClock } from '../../text/format.js';

/** Since when a connection or a subscription is there. */
export const SINCE_COLUMN: Column<{ readonly since: string }> = {
  key: 'since',
  title: 'Since',
  width: '4.5rem',
  sortValue: ({ since }) => since,
  cell: ({ since }) => <span title={dateAndClock(since)}>{ago(since, now.value)}</span>,
  fact: ({ since }) => dateAndClock(since),
};
