import { previewOf } from '../../../event/preview.js';
import { counted, duration } from '../../../text/format.js';
import { PREVIEW_LENGTH_MAX } from '../bounds.js';
import type { Entry, Run } from '../run/run.js';
import { relative } from './time-window.js';

/** What the timeline has under the pointer, or what is chosen. */
export interface TimelineReadoutProps {
  readonly entry: Entry | undefined;
  readonly run: Run;
  readonly start: number;
}

export function TimelineReadout({ entry, run, start }: TimelineReadoutProps) {
  return (
    <p class="readout" role="status">
      {entry === undefined ? (
        <span class="soft">Point at an event, or choose one with the arrow keys.</span>
      ) : (
        <Facts entry={entry} run={run} start={start} />
      )}
    </p>
  );
}

function Facts({ entry, run, start }: { entry: Entry; run: Run; start: number }) {
  const { event, text, at, until } = entry;
  const cause = event.causationId === undefined ? undefined : run.entryOf(event.causationId);
  return (
    <>
      <b class="number">{relative(at - start)}</b> <b>{event.type}</b>{' '}
      <span class="soft">
        {event.source} on {event.topic}
        {cause !== undefined && `, ${duration(Math.abs(at - cause.at))} after ${cause.event.type}`}
      </span>{' '}
      {text === undefined ? (
        <span class="mono">{previewOf(event.payload, PREVIEW_LENGTH_MAX)}</span>
      ) : (
        <span>
          {counted(text.pieces, 'piece')} in {duration(until - at)}: “
          {text.text.slice(0, PREVIEW_LENGTH_MAX)}”
        </span>
      )}
    </>
  );
}
