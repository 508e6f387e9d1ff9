import { useSignal } from '@preact/signals';
import type { SubscribeFrom } from 'millrace/client';
import { TextField } from '../../parts/text-field.js';
import { isoTime } from '../../text/local-time.js';
import { SeekDialog } from './seek-dialog.js';

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
  const asked = useSignal<SubscribeFrom | undefined>(undefined);
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
          asked.value = from;
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
      {asked.value !== undefined && (
        <SeekDialog
          name={name}
          from={asked.value}
          onClose={() => {
            asked.value = undefined;
          }}
        />
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
