import type { ConnectionInfo } from 'millrace/client';
import type { Column } from '../../parts/data-table.js';
import { numberColumn } from '../../parts/number-column.js';
import { bytes } from '../../text/format.js';
import { SINCE_COLUMN } from './since-column.js';

/** The columns of the list of connections. `own`: the id of the page's connection. */
export function connectionColumns(
  own: string | undefined,
  onCut: (connection: ConnectionInfo) => void,
): readonly Column<ConnectionInfo>[] {
  return [addressColumn(own), ...CLIENT, ...TRAFFIC, ...ORIGIN, cutColumn(own, onCut)];
}

const CLIENT: readonly Column<ConnectionInfo>[] = [
  {
    key: 'principal',
    title: 'Principal',
    width: 'minmax(5.5rem, 0.8fr)',
    narrowWidth: 'minmax(0, 1fr)',
    sortValue: ({ principal = '' }) => principal,
    cell: ({ principal }) => principal ?? <span class="soft">not signed in</span>,
  },
  {
    key: 'kind',
    title: 'Kind',
    width: '5.2rem',
    sortValue: ({ kind }) => kind,
    cell: ({ kind }) => (kind === 'websocket' ? 'WebSocket' : 'stream'),
  },
];

const TRAFFIC: readonly Column<ConnectionInfo>[] = [
  numberColumn({
    key: 'subscriptions',
    title: 'Subscriptions',
    width: '6rem',
    of: ({ subscriptions }) => subscriptions,
  }),
  numberColumn({
    key: 'received',
    title: 'Bytes in',
    width: '5rem',
    of: ({ receivedBytes }) => receivedBytes,
    show: bytes,
  }),
  numberColumn({
    key: 'sent',
    title: 'Bytes out',
    width: '5rem',
    of: ({ sentBytes }) => sentBytes,
    show: bytes,
  }),
  numberColumn({
    key: 'held',
    title: 'Held',
    width: '4.5rem',
    of: ({ heldBytes }) => heldBytes,
    show: bytes,
  }),
];

const ORIGIN: readonly Column<ConnectionInfo>[] = [
  SINCE_COLUMN,
  {
    key: 'agent',
    title: 'User agent',
    width: 'minmax(5rem, 1fr)',
    sortValue: ({ userAgent = '' }) => userAgent,
    cell: ({ userAgent = '–' }) => <span title={userAgent}>{userAgent}</span>,
  },
];

function addressColumn(own: string | undefined): Column<ConnectionInfo> {
  return {
    key: 'address',
    title: 'Address',
    width: 'minmax(11rem, 1fr)',
    narrowWidth: 'minmax(0, 1.6fr)',
    sortValue: ({ address }) => address,
    cell: ({ id, address }) => (
      <>
        <span class="mono" title={`Connection ${id}`}>
          {address}
        </span>{' '}
        {id === own && <span class="tag is-good">this page</span>}
      </>
    ),
    fact: ({ id, address }) => `${address}, connection ${id}`,
  };
}

function cutColumn(
  own: string | undefined,
  onCut: (connection: ConnectionInfo) => void,
): Column<ConnectionInfo> {
  return {
    key: 'cut',
    title: '',
    width: '3.5rem',
    narrowWidth: '3.2rem',
    sortValue: () => 0,
    cell: (connection) =>
      connection.id !== own && (
        <button
          type="button"
          class="danger"
          aria-label={`Cut the connection of ${connection.principal ?? 'a client'} from ${connection.address}`}
          onClick={() => onCut(connection)}
        >
          Cut
        </button>
      ),
  };
}
