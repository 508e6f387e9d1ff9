import type { ConsumerInfo } from 'millrace/client';
import type { Column } from '../../parts/data-table.js';
import { numberColumn } from '../../parts/number-column.js';
import { hrefOf } from '../../state/place.js';
import { duration, whole } from '../../text/format.js';
import { type ConsumerState, filterText, stateOf } from './consumer-words.js';

/** The columns of the list of consumers. */

export const STATE_TAGS: Readonly<Record<ConsumerState, string>> = {
  active: 'is-good',
  paused: 'is-warning',
  blocked: 'is-bad',
  'no member': 'is-warning',
};

const DEFINITION: readonly Column<ConsumerInfo>[] = [
  {
    key: 'name',
    title: 'Consumer',
    width: 'minmax(8rem, 1.6fr)',
    narrowWidth: 'minmax(0, 1fr)',
    sortValue: ({ name }) => name,
    cell: ({ name }) => (
      <a href={hrefOf('consumers', { consumer: name })} title={name}>
        {name}
      </a>
    ),
  },
  {
    key: 'filter',
    title: 'Filter',
    width: 'minmax(7rem, 1.2fr)',
    sortValue: ({ definition }) => filterText(definition),
    cell: ({ definition }) => (
      <span class="mono" title={filterText(definition)}>
        {filterText(definition)}
      </span>
    ),
  },
  {
    key: 'order',
    title: 'Order',
    width: 'minmax(4.5rem, 0.7fr)',
    sortValue: ({ definition }) => definition.order,
    cell: ({ definition: { order } }) => <span title={order}>{order}</span>,
  },
  {
    key: 'state',
    title: 'State',
    width: '6rem',
    narrowWidth: '6rem',
    sortValue: stateOf,
    cell: (info) => <span class={`tag ${STATE_TAGS[stateOf(info)]}`}>{stateOf(info)}</span>,
  },
];

const FIGURES: readonly Column<ConsumerInfo>[] = [
  numberColumn({
    key: 'pending',
    title: 'Pending',
    width: '5.2rem',
    narrowWidth: '4.6rem',
    of: ({ pending }) => pending,
  }),
  numberColumn({
    key: 'inFlight',
    title: 'In flight',
    width: '5rem',
    of: ({ inFlight }) => inFlight,
  }),
  {
    key: 'oldest',
    title: 'Oldest',
    isNumber: true,
    width: '4.6rem',
    sortValue: ({ oldestAgeMs }) => oldestAgeMs ?? -1,
    cell: ({ oldestAgeMs }) => (
      <span title="The age of its oldest open event">
        {oldestAgeMs === null ? '–' : duration(oldestAgeMs)}
      </span>
    ),
  },
  numberColumn({
    key: 'redelivered',
    title: 'Redelivered',
    width: '6.2rem',
    of: ({ redelivered }) => redelivered,
  }),
  numberColumn({
    key: 'dead',
    title: 'Dead',
    width: '3.8rem',
    narrowWidth: '3.6rem',
    of: ({ dead }) => dead,
    show: (dead) => <span class={dead > 0 ? 'fault' : ''}>{whole(dead)}</span>,
  }),
  numberColumn({
    key: 'members',
    title: 'Members',
    width: '5.2rem',
    of: ({ members }) => members.length,
  }),
];

export const CONSUMER_COLUMNS: readonly Column<ConsumerInfo>[] = [...DEFINITION, ...FIGURES];
