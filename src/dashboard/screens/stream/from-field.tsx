import { useState } from 'preact/hooks';
import { onCommit } from '../../parts/on-commit.js';
import { useUniqueId } from '../../parts/use-unique-id.js';
import { amend } from '../../state/place.js';
import { FROM_DEFAULT, fromOf, LAST_MAX } from './settings.js';

/** Where the stream begins. */

const KINDS = {
  now: 'now',
  last: 'the last …',
  since: 'a time …',
  after: 'a cursor …',
  earliest: 'the beginning',
} as const;

type Kind = keyof typeof KINDS;

export function FromField({ from }: { readonly from: string }) {
  const id = useUniqueId();
  const [given, value = ''] = from.split(/:(.*)/s);
  const [chosen, setChosen] = useState<Kind | undefined>(undefined);
  const kind = chosen ?? (given !== undefined && given in KINDS ? (given as Kind) : 'last');
  const set = (text: string): void => {
    if (text === from || fromOf(text) === undefined) return;
    setChosen(undefined);
    amend({ from: text === FROM_DEFAULT ? undefined : text, paused: undefined });
  };
  const choose = (next: Kind): void => {
    if (next === 'now' || next === 'earliest') set(next);
    else if (next === 'last') set(FROM_DEFAULT);
    else setChosen(next);
  };
  const shown = kind === given ? value : '';
  return (
    <div class="field from">
      <label for={id}>Start from</label>
      <div class="from-box">
        <select
          id={id}
          value={kind}
          onChange={(event) => choose(event.currentTarget.value as Kind)}
        >
          {Object.entries(KINDS).map(([name, text]) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
        {kind === 'last' && (
          <input
            type="number"
            min={1}
            max={LAST_MAX}
            aria-label="How many events"
            key={shown}
            defaultValue={shown}
            {...onCommit((text) => set(`last:${text}`))}
          />
        )}
        {kind === 'since' && (
          <input
            type="datetime-local"
            step={1}
            aria-label="Time"
            key={shown}
            defaultValue={localTime(shown)}
            {...onCommit((text) => set(`since:${isoTime(text)}`))}
          />
        )}
        {kind === 'after' && (
          <input
            aria-label="Cursor"
            spellcheck={false}
            key={shown}
            defaultValue={shown}
            {...onCommit((text) => set(`after:${text.trim()}`))}
          />
        )}
      </div>
    </div>
  );
}

/** The bounds of a search through history, in time. */
export function TimesField({ since, until }: { readonly since: string; readonly until: string }) {
  const times = { since, until } as const;
  const set = (name: keyof typeof times) => (text: string) => {
    if (text !== localTime(times[name])) amend({ [name]: isoTime(text) });
  };
  return (
    <fieldset class="field from">
      <legend class="label">From, and before</legend>
      <div class="from-box">
        {(['since', 'until'] as const).map((name) => (
          <input
            key={`${name} ${times[name]}`}
            type="datetime-local"
            step={1}
            aria-label={name === 'since' ? 'Recorded at or after' : 'Recorded before'}
            defaultValue={localTime(times[name])}
            {...onCommit(set(name))}
          />
        ))}
      </div>
    </fieldset>
  );
}

/** A time of the address as the field takes it: local, without a zone. */
export function localTime(text: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return '';
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** The address holds UTC, so that it says the same time to everybody. */
export function isoTime(local: string): string {
  const time = new Date(local);
  return Number.isNaN(time.getTime()) ? '' : time.toISOString();
}
