import { BusError, type BusStats, type ConsumerInfo, type SubscriberInfo } from 'millrace/client';
import { lazy, Suspense } from 'preact/compat';
import { Notice } from '../../parts/notice.js';
import { useShownPart } from '../../parts/use-shown-part.js';
import { alerts, alertsError, firing } from '../../state/alerts.js';
import { consumersPollMs } from '../../state/consumers-poll.js';
import { now } from '../../state/now.js';
import { usePolled } from '../../state/polled.js';
import { client, disconnectedAt, serverInfo } from '../../state/session.js';
import { added, type FigureBook, newestAt } from './figure-book.js';
import { ProblemList } from './problem-list.js';
import { problemsOf } from './problems.js';
import { Gateways, Shards } from './threads.js';
import { Tiles } from './tiles.js';
import './overview.css';

/** The state of the bus at a glance: its problems, its present figures, and those of the last 15 minutes. */

const POLL_MS = 2000;

/** The charts bring a library with them, so that the rest of the screen does not wait for it. */
const Charts = lazy(() => import('./charts.js').catch(() => ({ default: NoCharts })));

interface Look {
  readonly stats: BusStats;
  readonly figures: FigureBook;
  readonly subscribers: readonly SubscriberInfo[];
}

export default function Overview() {
  const { value: look, error } = usePolled(ask, POLL_MS).value;
  const { value: consumers = [], error: consumersError } = usePolled(
    askConsumers,
    consumersPollMs,
  ).value;
  useShownPart(look !== undefined);
  if (look === undefined) {
    return error === undefined ? (
      <p class="loading">Loading …</p>
    ) : (
      <Notice kind="bad">{error}</Notice>
    );
  }
  const { stats, figures } = look;
  const areAlertsKnown = alerts.value !== undefined || alertsError.value !== undefined;
  const problems = problemsOf({
    ...look,
    consumers,
    now: now.value,
    lostAt: disconnectedAt.value,
    alerts: firing.value,
    alertsFault: alertsFault(),
    dedupeWindowMs: serverInfo.value?.limits.dedupeWindowMs,
  });
  return (
    <div class="overview">
      {(error ?? consumersError) !== undefined && (
        <Notice kind="warning">{error ?? consumersError}</Notice>
      )}
      {(areAlertsKnown || problems.length > 0) && <ProblemList problems={problems} />}
      <Tiles stats={stats} figures={figures} />
      {figures.samples.length === 0 ? (
        <p class="card empty">The charts begin with the first sample of the server.</p>
      ) : (
        <Suspense fallback={<p class="card empty charts-place">Loading the charts …</p>}>
          <Charts figures={figures} />
        </Suspense>
      )}
      <Shards stats={stats} last={figures.samples.at(-1)} />
      <Gateways stats={stats} />
    </div>
  );
}

/** A browser remembers that a file could not be loaded until the page is loaded again. */
function NoCharts(_: { readonly figures: FigureBook }) {
  return (
    <Notice kind="warning">
      <div class="row">
        <span>The charts could not be loaded. The server may be away, or of another version.</span>
        <button type="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </div>
    </Notice>
  );
}

async function ask(held: Look | undefined): Promise<Look> {
  const after = newestAt(held?.figures);
  const [stats, answer, subscribers] = await Promise.all([
    client().stats(),
    client().figures(after === undefined ? {} : { after }),
    client().subscribers(),
  ]);
  return { stats, figures: added(held?.figures, answer), subscribers };
}

/** None where the server's store keeps none. */
async function askConsumers(): Promise<readonly ConsumerInfo[]> {
  try {
    return await client().consumers();
  } catch (error) {
    if (error instanceof BusError && error.code === 'OPTION_INVALID') return [];
    throw error;
  }
}

/** Why nobody can say whether an alert fires. */
function alertsFault(): string | undefined {
  const fault = alerts.value?.fault;
  if (fault !== undefined) {
    return `The rules of alerts cannot be read or written: ${fault.code}: ${fault.message}`;
  }
  if (alertsError.value === undefined) return undefined;
  return `The alerts could not be asked for: ${alertsError.value}`;
}
