import { Notice } from '../../../parts/notice.js';
import type { Asked } from '../../../state/asked.js';
import { now } from '../../../state/now.js';
import { hrefOf } from '../../../state/place.js';
import { ago } from '../../../text/format.js';
import type { RecentRun } from './recent-runs.js';

/** The runs that the newest events of the log belong to. */
export function RecentList({ recent }: { readonly recent: Asked<readonly RecentRun[]> }) {
  if (recent.kind === 'failed') {
    return (
      <Notice kind="warning">
        The recent runs could not be listed ({recent.error}). A correlation id can be typed.
      </Notice>
    );
  }
  if (recent.kind === 'waiting') return <p class="loading">Looking for recent runs …</p>;
  if (recent.value.length === 0) {
    return (
      <p class="empty">
        Type or paste a correlation id. None of the newest events has one; events get theirs with
        the field “correlationId” of a publish.
      </p>
    );
  }
  return (
    <section class="card recent-runs" aria-labelledby="recent-title">
      <header>
        <h2 id="recent-title">Recent runs</h2>
      </header>
      <ul>
        {recent.value.map(({ correlationId, type, timestamp }) => (
          <li key={correlationId}>
            <a class="mono ellipsis" href={hrefOf('trace', { correlationId })}>
              {correlationId}
            </a>
            <span class="ellipsis soft">{type}</span>
            <span class="soft number">{ago(timestamp, now.value)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
