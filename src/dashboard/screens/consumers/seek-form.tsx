import { useSignal } from '@preact/signals';
import type { SubscribeFrom } from 'millrace/client';
import { Confirm } from '../../parts/confirm.js';
import { TextField } from '../../parts/text-field.js';
import { client } from '../../state/session.js';
import { dateAndClock } from '../../text/format.js';
import { isoTime } from '../../text/local-time.js';

/** Moves a consumer to another place in history, after a question. */

const KINDS = {
  earliest: 'the beginning',
  now: 'now',
  since: 'a time …',
  after: 'a cursor …',
} as const;

type Kind = keyof typeof KINDS;

export function SeekForm({ name }: { readonly name: string }) {
  const kind = useSignal<Kind>('now');
  const text = useSignal('');
  const isAsked = useSignal(false);
  const from = fromOf(kind.value, text.value);
  return (
    <section class="card" aria-labelledby="seek-title">
      <header>
        <h2 id="seek-title">Seek</h2>
      </header>
      <form
        class="body row seek"
        onSubmit={(event) => {
          event.preventDefault();
          isAsked.value = from !== undefined;
        }}
      >
        <div class="field">
          <label for="seek-kind">Go on from</label>
          <select
            id="seek-kind"
            value={kind.value}
            onChange={({ currentTarget }) => {
              kind.value = currentTarget.value as Kind;
              text.value = '';
            }}
          >
            {Object.entries(KINDS).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </div>
        <PlaceField kind={kind.value} text={text} />
        <button type="submit" disabled={from === undefined}>
          Seek …
        </button>
      </form>
      {isAsked.value && from !== undefined && (
        <Confirm
          title="Move this consumer?"
          action="Move the consumer"
          onClose={() => {
            isAsked.value = false;
          }}
          onConfirm={async () => (await client().consumer(name)).seek(from)}
        >
          <b>{name}</b> goes on from {placeText(from)}. Its members lose their leases, and attempts
          are forgotten. Events before that place are not handed out any more; those behind it come,
          also where they were acknowledged. Dead events stay dead.
        </Confirm>
      )}
    </section>
  );
}

function PlaceField({ kind, text }: { readonly kind: Kind; readonly text: { value: string } }) {
  if (kind === 'after') {
    return (
      <TextField
        id="seek-cursor"
        label="Cursor"
        value={text.value}
        isMono
        onInput={(typed) => {
          text.value = typed;
        }}
      />
    );
  }
  if (kind !== 'since') return null;
  return (
    <div class="field">
      <label for="seek-time">Recorded at or after</label>
      <input
        id="seek-time"
        type="datetime-local"
        step={1}
        value={text.value}
        onInput={({ currentTarget }) => {
          text.value = currentTarget.value;
        }}
      />
    </div>
  );
}

/** Undefined where the time or the cursor is missing. The server checks the cursor. */
function fromOf(kind: Kind, text: string): SubscribeFrom | undefined {
  if (kind === 'now' || kind === 'earliest') return kind;
  const value = kind === 'since' ? isoTime(text) : text.trim();
  if (value === '') return undefined;
  return kind === 'since' ? { since: value } : { after: value };
}

function placeText(from: SubscribeFrom): string {
  if (typeof from === 'string') return from === 'now' ? 'now' : 'the beginning of the log';
  if ('since' in from) return `what was recorded at or after ${dateAndClock(String(from.since))}`;
  return 'after' in from ? `behind the cursor ${from.after}` : '';
}
