import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useReducer } from 'preact/hooks';
import { Notice } from '../../parts/notice.js';
import { readablePatterns } from '../../state/access.js';
import { place } from '../../state/place.js';
import { client } from '../../state/session.js';
import { counted } from '../../text/format.js';
import { RecentList } from './recent/recent-list.js';
import { RunField } from './recent/run-field.js';
import { useRecentRuns } from './recent/use-recent-runs.js';
import { forestOf } from './run/causation.js';
import { TraceRun } from './run/trace-run.js';
import { RunSummary } from './run-summary.js';
import { lanesOf } from './timeline/lanes.js';
import { Timeline } from './timeline/timeline.js';
import { RunText } from './tree/run-text.js';
import { RunTree } from './tree/run-tree.js';
import './trace.css';
import './timeline/timeline.css';
import './tree/run-tree.css';

/** All events of one correlation id, in time and by cause. The run goes on growing while it is watched. */
export default function Trace() {
  const correlationId = place.value.parameters.get('correlationId') ?? '';
  const recent = useRecentRuns(correlationId === '');
  return (
    <div class="trace">
      <RunField
        key={correlationId}
        correlationId={correlationId}
        recent={recent.kind === 'answered' ? recent.value : []}
      />
      {correlationId === '' ? (
        <RecentList recent={recent} />
      ) : (
        <Shown key={correlationId} correlationId={correlationId} />
      )}
    </div>
  );
}

function Shown({ correlationId }: { readonly correlationId: string }) {
  const trace = useMemo(() => new TraceRun(), []);
  const chosen = useSignal<number | undefined>(undefined);
  const [attempt, again] = useReducer<number, void>((turn) => turn + 1, 0);
  const topics = readablePatterns();
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt starts anew.
  useEffect(() => {
    if (topics === undefined) return;
    chosen.value = undefined;
    trace.start(client(), { correlationId, topics });
    return () => trace.stop();
  }, [trace, correlationId, topics, attempt]);
  const turn = trace.turn.value;
  const { run } = trace;
  const { value: state } = trace.state;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` says when the run has grown.
  const lanes = useMemo(() => lanesOf(run.entries), [run, turn]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above.
  const forest = useMemo(() => forestOf(run.entries, (id) => run.entryOf(id)), [run, turn]);
  const entry = chosen.value === undefined ? undefined : run.entries[chosen.value];
  return (
    <>
      <RunSummary trace={trace} lanes={lanes} correlationId={correlationId} />
      {state.kind === 'failed' && <Failure reason={state.reason} onRetry={again} />}
      {[...trace.gaps.value].map((reason) => (
        <Notice key={reason} kind="warning">
          {GAPS[reason]}
        </Notice>
      ))}
      {trace.missed.value > 0 && (
        <Notice kind="warning">
          {counted(trace.missed.value, 'ephemeral event')} of this run did not come here: the page
          was behind, and they are not stored.
        </Notice>
      )}
      {run.entries.length === 0 ? (
        <Empty state={state.kind} />
      ) : (
        <>
          <Timeline lanes={lanes} chosen={chosen} run={run} />
          <div class={`run-parts ${entry?.text === undefined ? '' : 'has-text'}`}>
            <RunTree forest={forest} chosen={chosen} start={lanes[0]!.entries[0]!.at} />
            {entry?.text !== undefined && <RunText entry={entry} joined={entry.text} />}
          </div>
        </>
      )}
    </>
  );
}

const GAPS = {
  pruned:
    'Retention has removed events while the page was not connected. Some may have belonged to this run.',
  'rolled-back':
    'The server lost its newest events in a crash. Events of this run that stand here may be gone from the log.',
} as const;

interface FailureProps {
  readonly reason: string;
  readonly onRetry: () => void;
}

function Failure({ reason, onRetry }: FailureProps) {
  return (
    <Notice kind="bad">
      <div class="row">
        <span>{reason}</span>
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      </div>
    </Notice>
  );
}

function Empty({ state }: { readonly state: 'idle' | 'reading' | 'live' | 'cut' | 'failed' }) {
  if (state === 'failed') return null;
  return (
    <p class="empty">
      {state === 'live'
        ? 'The log has no event with this correlation id that you may read. New ones appear here by themselves.'
        : 'Looking for the events of this run …'}
    </p>
  );
}
