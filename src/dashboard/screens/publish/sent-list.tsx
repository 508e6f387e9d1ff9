import { BusError } from 'millrace/client';
import { clock } from '../../text/format.js';
import { SENT_MAX } from './bounds.js';
import { fillForm } from './form-state.js';
import { type Outcome, sent } from './sent.js';

/** What was sent from this tab. Each can be loaded into the form again. */
export function SentList() {
  const { value: all } = sent;
  return (
    <section class="card sent" aria-labelledby="sent-title">
      <header>
        <h2 id="sent-title">Sent in this tab</h2>
      </header>
      {all.length === 0 ? (
        <p class="empty">
          What you publish is listed here, the last {SENT_MAX}, until the tab closes.
        </p>
      ) : (
        <ul>
          {all.map((one) => (
            <li key={one.key}>
              <span class="ellipsis">
                <b>{one.draft.type}</b> <span class="soft">on {one.draft.topic}</span>
              </span>
              <button type="button" onClick={() => fillForm(one.draft)}>
                Load<span class="hidden"> {one.draft.type} again</span>
              </button>
              <span class="soft number">{clock(one.at)}</span>
              <OutcomeTag outcome={one.outcome} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function OutcomeTag({ outcome }: { readonly outcome: Outcome }) {
  if (outcome.kind === 'waiting') return <span class="tag">waiting</span>;
  if (outcome.kind === 'acked') {
    const { duplicate, sequence } = outcome.ack;
    if (duplicate) return <span class="tag is-warning">duplicate</span>;
    return (
      <span class="tag is-good">
        {sequence === undefined ? 'ephemeral' : `sequence ${sequence}`}
      </span>
    );
  }
  const { error } = outcome;
  return <span class="tag is-bad">{error instanceof BusError ? error.code : 'failed'}</span>;
}
