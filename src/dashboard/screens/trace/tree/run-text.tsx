import { CopyButton } from '../../../event/copy-button.js';
import { LongText } from '../../../event/long-text.js';
import { showEvent } from '../../../event/shown-event.js';
import { clock, counted, duration } from '../../../text/format.js';
import type { Entry, JoinedText } from '../run/run.js';

/** A text that came in pieces, as a whole. It goes on growing as the run does. */
export interface RunTextProps {
  readonly entry: Entry;
  readonly joined: JoinedText;
}

export function RunText({ entry, joined }: RunTextProps) {
  const { event, at, until } = entry;
  return (
    <section class="card run-text" aria-labelledby="run-text-title">
      <header>
        <h2 id="run-text-title" class="ellipsis">
          {event.type}
        </h2>
        <CopyButton what="the text" text={() => joined.text} />
      </header>
      <div class="body">
        <p class="soft">
          {counted(joined.pieces, 'piece')} from {event.source} on {event.topic}, {clock(at)} to{' '}
          {clock(until)} ({duration(until - at)}).{' '}
          <button type="button" class="link" onClick={() => showEvent(event)}>
            Open the first piece
          </button>
        </p>
        <LongText text={joined.text} />
      </div>
    </section>
  );
}
