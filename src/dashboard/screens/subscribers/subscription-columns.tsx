import type { SubscriberInfo } from 'millrace/client';
import type { Column } from '../../parts/data-table.js';
import { numberColumn } from '../../parts/number-column.js';
import { duration, whole } from '../../text/format.js';
import { SINCE_COLUMN } from './since-column.js';

/** The columns of the list of subscriptions. */

const MODES = {
  live: 'is-good',
  queued: 'is-warning',
  'catching-up': 'is-warning',
  replaying: '',
} as const;

export const SUBSCRIPTION_COLUMNS: readonly Column<SubscriberInfo>[] = [
  {
    key: 'name',
    title: 'Subscription',
    width: 'minmax(7rem, 1.2fr)',
    narrowWidth: 'minmax(0, 1fr)',
    sortValue: ({ name, id }) => name ?? id,
    cell: ({ name, id, endpoint }) => (
      <span title={`${id}, of ${endpoint}`} class={name === undefined ? 'mono soft' : ''}>
        {name ?? id}
      </span>
    ),
    fact: ({ name, id, endpoint }) =>
      `${name === undefined ? '' : `${name}, `}${id}, of ${endpoint}`,
  },
  {
    key: 'topics',
    title: 'Topics',
    width: 'minmax(7rem, 1.5fr)',
    narrowWidth: 'minmax(0, 1fr)',
    sortValue: ({ topics }) => topics.join(', '),
    cell: ({ topics }) => (
      <span class="mono" title={topics.join('\n')}>
        {topics.join(', ')}
      </span>
    ),
  },
  {
    key: 'mode',
    title: 'State',
    width: '6rem',
    sortValue: ({ mode }) => mode,
    cell: ({ mode }) => <span class={`tag ${MODES[mode]}`}>{mode.replace('-', ' ')}</span>,
  },
  numberColumn({
    key: 'lag',
    title: 'Behind',
    width: '4.5rem',
    narrowWidth: '4.5rem',
    of: ({ lag }) => lag,
  }),
  {
    key: 'lagMs',
    title: 'Waits',
    isNumber: true,
    width: '4.5rem',
    narrowWidth: '4rem',
    sortValue: ({ lagMs }) => lagMs ?? 0,
    cell: ({ lag, lagMs }) => (
      <span title="How long its oldest event waits that was not sent">
        {lagMs === undefined ? (lag > 0 ? '?' : '–') : lagMs === 0 ? '–' : duration(lagMs)}
      </span>
    ),
  },
  numberColumn({ key: 'queued', title: 'Queue', width: '4rem', of: ({ queued }) => queued }),
  {
    key: 'overflow',
    title: 'Policy',
    width: '6rem',
    sortValue: ({ overflow }) => overflow,
    cell: ({ overflow }) => overflow.replace('-', ' '),
  },
  numberColumn({
    key: 'dropped',
    title: 'Dropped',
    width: '4.5rem',
    of: ({ dropped }) => dropped,
    show: (dropped) => <span class={dropped > 0 ? 'fault' : ''}>{whole(dropped)}</span>,
  }),
  numberColumn({
    key: 'slow',
    title: 'Slow',
    width: '3rem',
    of: ({ slow }) => slow,
    show: (slow) => (
      <span title="How often it consumed too slowly to be sent events as they came">
        {whole(slow)}
      </span>
    ),
  }),
  {
    key: 'principal',
    title: 'Principal',
    width: 'minmax(5rem, 0.7fr)',
    sortValue: ({ principal, endpoint }) => principal ?? endpoint,
    cell: ({ principal, connection, endpoint }) => (
      <span title={connection === undefined ? endpoint : `Connection ${connection}, ${endpoint}`}>
        {principal ?? endpoint}
      </span>
    ),
    fact: ({ principal, connection, endpoint }) =>
      [principal, connection && `connection ${connection}`, endpoint].filter(Boolean).join(', '),
  },
  SINCE_COLUMN,
];
