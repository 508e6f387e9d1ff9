import { useSignal } from '@preact/signals';
import type { ConnectionInfo } from 'millrace/client';
import { useMemo } from 'preact/hooks';
import { Confirm } from '../../parts/confirm.js';
import { DataTable } from '../../parts/data-table.js';
import { Notice } from '../../parts/notice.js';
import { access } from '../../state/access.js';
import { usePolled } from '../../state/polled.js';
import { client, serverInfo } from '../../state/session.js';
import { counted } from '../../text/format.js';
import { connectionColumns } from './connection-columns.js';

/** The connections of all gateways. An administrator may cut one; the page's own is marked, and cannot be cut. */

const POLL_MS = 2000;
const OLDEST_FIRST = { key: 'since', isDescending: false };

export function Connections() {
  const { value: list, error } = usePolled(() => client().connections(), POLL_MS).value;
  const asked = useSignal<ConnectionInfo | undefined>(undefined);
  const own = serverInfo.value?.connection;
  const { isReadOnly, mayAdminister } = access.value;
  const mayCut = mayAdminister && !isReadOnly;
  const columns = useMemo(
    () =>
      connectionColumns(own, (connection) => {
        if (mayCut) asked.value = connection;
      }).filter(({ key }) => mayCut || key !== 'cut'),
    [own, mayCut, asked],
  );
  return (
    <section class="card" aria-labelledby="connections-title">
      <header>
        <h2 id="connections-title">Connections</h2>
        <span class="soft" role="status">
          {list !== undefined && counted(list.connections.length, 'connection')}
        </span>
      </header>
      {error !== undefined && <p class="body fault">{error}</p>}
      {list?.complete === false && (
        <div class="body">
          <Notice kind="warning">
            A gateway has not answered in time. Its connections are missing here.
          </Notice>
        </div>
      )}
      {list === undefined ? (
        error === undefined && <p class="loading">Loading …</p>
      ) : (
        <DataTable
          label="Connections"
          columns={columns}
          rows={list.connections}
          keyOf={({ id }) => id}
          nameOf={({ address }) => address}
          parameter="connections"
          defaultOrder={OLDEST_FIRST}
        />
      )}
      {asked.value !== undefined && (
        <CutDialog
          connection={asked.value}
          onClose={() => {
            asked.value = undefined;
          }}
        />
      )}
    </section>
  );
}

function CutDialog({
  connection,
  onClose,
}: {
  readonly connection: ConnectionInfo;
  readonly onClose: () => void;
}) {
  const { id, address, principal = 'a client that has not signed in', subscriptions } = connection;
  return (
    <Confirm
      title="Cut this connection?"
      action="Cut the connection"
      onClose={onClose}
      onConfirm={async () => {
        const { disconnected } = await client().disconnect(id);
        if (!disconnected) throw new Error('This connection has ended already.');
      }}
    >
      Connection <code>{id}</code> of <b>{principal}</b> from {address}, with{' '}
      {counted(subscriptions, 'subscription')}. Its client is told, and may connect again.
    </Confirm>
  );
}
