import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { Notice } from '../../parts/notice.js';
import { place } from '../../state/place.js';
import { client, grants } from '../../state/session.js';
import { forestOf } from './causation.js';
import { lanesOf } from './lanes.js';
import { RecentList } from './recent-list.js';
import { RunField } from './run-field.js';
import { RunSummary } from './run-summary.js';
import { RunText } from './run-text.js';
import { RunTree } from './run-tree.js';
import { Timeline } from './timeline.js';
import { TraceRun } from './trace-run.js';
import { useRecentRuns } from './use-recent-runs.js';
import './trace.css';

/** All events of one correlation id, in time and by cause. The run goes on growing while it is watched. */
export default function Trace() {
  const correlationId = place.value.parameters.get('correlationId') ?? '';
  const recent = useRecentRuns(correlationId === '');
  return (
    <div class="trace">
      <RunField key={correlationId} correlationId={correlationId} recent={recent} />
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
  const topics = grants.value?.subscribe;
  const key = JSON.stringify(topics);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says when the grants differ.
  useEffect(() => {
    if (topics === undefined) return;
    trace.start(client(), { correlationId, topics: topics.includes('*') ? ['*'] : topics });
    return () => trace.stop();
  }, [key]);
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
      {state.kind === 'failed' && <Notice kind="bad">{state.reason}</Notice>}
      {trace.hasGap.value && (
        <Notice kind="warning">
          Retention has removed events while the page was not connected. Some may have belonged to
          this run.
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
