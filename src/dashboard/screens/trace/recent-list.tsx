import { now } from '../../state/now.js';
import { hrefOf } from '../../state/place.js';
import { ago } from '../../text/format.js';
import type { RecentRun } from './recent-runs.js';

/** The runs that the newest events of the log belong to. */
export function RecentList({ recent }: { readonly recent: readonly RecentRun[] }) {
  if (recent.length === 0) {
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
        {recent.map(({ correlationId, type, timestamp }) => (
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
