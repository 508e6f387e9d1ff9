import { counted, whole } from '../../text/format.js';
import type { Replay } from './replay.js';

const TEXTS = {
  publishing: 'Publishing',
  stopped: 'Stopped',
  done: 'Done',
  failed: 'Failed',
} as const;

/** How far the copies have got. */
export function ReplayProgress({ replay }: { readonly replay: Replay }) {
  const { value: state } = replay.state;
  const { value: published } = replay.published;
  const { value: duplicates } = replay.duplicates;
  const { events } = replay.dryRun.value;
  if (!(state.kind in TEXTS)) return null;
  const lacking = state.kind === 'done' ? events - published : 0;
  return (
    <>
      <progress value={published} max={Math.max(1, events)} aria-label="Copies" />
      <span role="status">
        {TEXTS[state.kind as keyof typeof TEXTS]}: {whole(published)} of {counted(events, 'event')}
        {duplicates > 0 && `, ${whole(duplicates)} of them stored before`}
        {lacking > 0 && `, ${whole(lacking)} no longer stored`}
      </span>
      {state.kind === 'failed' && <p class="fault">{state.reason}</p>}
    </>
  );
}
