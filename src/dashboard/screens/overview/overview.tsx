import { Notice } from '../../parts/notice.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { bytes, compact, duration, whole } from '../../text/format.js';

const POLL_MS = 2000;

/** The state of the bus at a glance. */
export default function Overview() {
  const { value: stats, error } = usePolled(() => client().stats(), POLL_MS).value;
  if (stats === undefined) {
    return error === undefined ? (
      <p class="loading">Loading …</p>
    ) : (
      <Notice kind="bad">{error}</Notice>
    );
  }
  return (
    <>
      {error !== undefined && <Notice kind="warning">{error}</Notice>}
      <dl class="tiles">
        <Tile name="Published">{compact(stats.published)}</Tile>
        <Tile name="Delivered">{compact(stats.delivered)}</Tile>
        <Tile name="Subscriptions">{whole(stats.subscriptions)}</Tile>
        <Tile name="Connections">{whole(stats.connections)}</Tile>
        <Tile name="Up for">{duration(stats.uptimeMs)}</Tile>
        <Tile name="Write-ahead logs">
          {bytes(stats.shards.reduce((sum, { walBytes }) => sum + walBytes, 0))}
        </Tile>
      </dl>
    </>
  );
}

function Tile({ name, children }: { readonly name: string; readonly children: string }) {
  return (
    <div class="card tile">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
