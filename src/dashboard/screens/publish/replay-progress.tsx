import { counted, whole } from '../../text/format.js';
import type { Replay } from './replay.js';

/** How far the copies have got. */
export function ReplayProgress({ replay }: { readonly replay: Replay }) {
  const { value: state } = replay.state;
  const { value: published } = replay.published;
  const { value: duplicates } = replay.duplicates;
  const { events } = replay.dryRun.value;
  if (state.kind === 'counted') return null;
  const texts = {
    idle: '',
    counting: '',
    publishing: 'Publishing',
    stopped: 'Stopped',
    done: 'Done',
    failed: 'Failed',
  } as const;
  return (
    <>
      <progress value={published} max={Math.max(1, events)} aria-label="Copies" />
      <span role="status">
        {texts[state.kind]}: {whole(published)} of {counted(events, 'event')}
        {duplicates > 0 && `, ${whole(duplicates)} of them stored before`}
      </span>
      {state.kind === 'failed' && <p class="fault">{state.reason}</p>}
    </>
  );
}
