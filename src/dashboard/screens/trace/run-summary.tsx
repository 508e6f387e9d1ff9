import { access, readablePatterns } from '../../state/access.js';
import { hrefOf } from '../../state/place.js';
import { isConnected } from '../../state/session.js';
import { counted, dateAndClock, duration, whole } from '../../text/format.js';
import { COUNTED_MAX } from './bounds.js';
import type { RunState, TraceRun } from './run/trace-run.js';
import type { Lane } from './timeline/lanes.js';

/** How long the run is, and how it stands. */

export interface RunSummaryProps {
  readonly trace: TraceRun;
  readonly lanes: readonly Lane[];
  readonly correlationId: string;
}

export function RunSummary({ trace, lanes, correlationId }: RunSummaryProps) {
  const { run } = trace;
  const { kind } = trace.state.value;
  const first = lanes[0]?.entries[0]?.at;
  const last = run.entries.reduce((latest, { until }) => Math.max(latest, until), 0);
  const texts = run.entries.filter(({ text }) => text !== undefined).length;
  return (
    <div class="run-summary">
      <span class={`tag ${kind === 'live' ? 'is-good' : ''}`} role="status">
        {stateText(kind, isConnected.value)}
      </span>
      <span class="number">
        {run.shown < run.total ? (
          <b>
            the first {whole(run.shown)} of {kind === 'cut' && 'more than '}
            {kind === 'cut' ? whole(COUNTED_MAX) : whole(run.total)} events
          </b>
        ) : (
          <b>{counted(run.total, 'event')}</b>
        )}
      </span>
      {first !== undefined && (
        <>
          <span>{counted(lanes.length, 'source')}</span>
          {texts > 0 && <span>{counted(texts, 'joined text')}</span>}
          <span>
            <time dateTime={new Date(first).toISOString()}>{dateAndClock(first)}</time>, for{' '}
            {duration(last - first)}
          </span>
        </>
      )}
      <span class="links">
        {access.value.mayPublish && (
          <a
            href={hrefOf('publish', {
              mode: 'replay',
              topic: readablePatterns() ?? [],
              correlationId,
            })}
          >
            Replay it
          </a>
        )}
        <a href={hrefOf('stream', { correlationId })}>Show in the stream</a>
      </span>
    </div>
  );
}

function stateText(kind: RunState['kind'], connected: boolean): string {
  if (kind === 'failed') return 'Ended';
  if (kind === 'cut') return 'Too long to follow';
  if (!connected) return 'Waiting for the server';
  return kind === 'live' ? 'Live' : 'Reading history';
}
