import { previewOf } from '../../event/preview.js';
import { showEvent } from '../../event/shown-event.js';
import { bytes, counted, dateAndClock } from '../../text/format.js';
import { REPLAY_EVENTS_MAX } from './bounds.js';
import type { DryRun } from './dry-run.js';

/** What a replay would publish. */
export interface DryRunViewProps {
  readonly run: DryRun;
  readonly isCounting: boolean;
}

const PREVIEW_LENGTH_MAX = 160;

export function DryRunView({ run, isCounting }: DryRunViewProps) {
  const { events, first, last, sample, isCut } = run;
  return (
    <section class="card dry-run" aria-label="Dry run">
      <p role="status">
        <b>{counted(events, 'event')}</b>
        {events > 0 && <span class="soft"> with {bytes(run.bytes)} of payload</span>}
        {isCounting && <span class="soft"> so far …</span>}
        {!isCounting && events === 0 && (
          <span class="soft">: no stored event that you may read matches.</span>
        )}
      </p>
      {isCut && (
        <p class="fault">
          There are more; a replay takes the first {counted(REPLAY_EVENTS_MAX, 'event')}.
        </p>
      )}
      {run.masked > 0 && (
        <p class="fault">
          {counted(run.masked, 'event')} of these {run.masked === 1 ? 'has' : 'have'} values that
          you may not read. The copies hold “[redacted]” in their place.
        </p>
      )}
      {first !== undefined && last !== undefined && (
        <p class="soft number">
          From {dateAndClock(first.timestamp)} to {dateAndClock(last.timestamp)}. The first ones:
        </p>
      )}
      <ul>
        {sample.map((event) => (
          <li key={`${event.shard}-${event.sequence}`}>
            <button type="button" class="link ellipsis" onClick={() => showEvent(event)}>
              {event.type}
            </button>
            <span class="soft ellipsis">{event.topic}</span>
            <span class="mono soft ellipsis">{previewOf(event.payload, PREVIEW_LENGTH_MAX)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
