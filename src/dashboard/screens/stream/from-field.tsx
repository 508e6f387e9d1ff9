import type { InputHTMLAttributes } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { onCommit } from '../../parts/on-commit.js';
import { TimeField } from '../../parts/time-field.js';
import { useUniqueId } from '../../parts/use-unique-id.js';
import { amendOn } from '../../state/place.js';
import { whole } from '../../text/format.js';
import { isoTime, localTime } from '../../text/local-time.js';
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

/** What stands in the field: a kind of place and its value, as typed. */
interface Typed {
  readonly kind: Kind;
  readonly text: string;
}

export function FromField({ from }: { readonly from: string }) {
  const id = useUniqueId();
  const [typed, setTyped] = useState(() => typedOf(from));
  const [fault, setFault] = useState<string | undefined>(undefined);
  const show = (next: Typed): void => {
    setTyped(next);
    setFault(undefined);
  };
  useEffect(() => {
    setTyped(typedOf(from));
    setFault(undefined);
  }, [from]);
  const use = (next: Typed): void => {
    const place = placeText(next);
    const isPlace = fromOf(place) !== undefined;
    setFault(isPlace ? undefined : FAULTS[next.kind]);
    // The field shows whole seconds, and a time of the address may have more digits.
    const before = typedOf(from);
    if (!isPlace || (next.kind === before.kind && next.text === before.text)) return;
    amendOn('stream', { from: place === FROM_DEFAULT ? undefined : place, paused: undefined });
  };
  const choose = (kind: Kind): void => {
    const next = { kind, text: kind === 'last' ? typedOf(FROM_DEFAULT).text : '' };
    show(next);
    // A time and a cursor have to be typed first.
    if (fromOf(placeText(next)) !== undefined) use(next);
  };
  const { kind, text } = typed;
  return (
    <div class="field from">
      <label for={id}>Start from</label>
      <div class="from-box">
        <select
          id={id}
          value={kind}
          onChange={(event) => choose(event.currentTarget.value as Kind)}
        >
          {Object.entries(KINDS).map(([name, label]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </select>
        {kind in FIELDS && (
          <input
            {...FIELDS[kind]}
            value={text}
            aria-invalid={fault !== undefined}
            aria-describedby={fault === undefined ? undefined : `${id}-fault`}
            onInput={(event) => show({ kind, text: event.currentTarget.value })}
            {...onCommit((value) => use({ kind, text: value }))}
          />
        )}
      </div>
      {fault !== undefined && (
        <p class="fault" id={`${id}-fault`} role="status">
          {fault}
        </p>
      )}
    </div>
  );
}

/** The field of each kind that has one. */
const FIELDS: Readonly<Partial<Record<Kind, InputHTMLAttributes<HTMLInputElement>>>> = {
  last: { type: 'number', min: 1, max: LAST_MAX, 'aria-label': 'How many events' },
  since: { type: 'datetime-local', step: 1, 'aria-label': 'Time' },
  after: { 'aria-label': 'Cursor', spellcheck: false },
};

const FAULTS: Readonly<Partial<Record<Kind, string>>> = {
  last: `A number from 1 to ${whole(LAST_MAX)} is missing here.`,
  since: 'A date and a time are missing here.',
  after: 'A cursor is missing here.',
};

/** A text that is no place to begin from stands as a number of events, with what the number is. */
function typedOf(from: string): Typed {
  const [given = '', value = ''] = from.split(/:(.*)/s);
  if (!Object.hasOwn(KINDS, given)) return { kind: 'last', text: '' };
  const kind = given as Kind;
  return { kind, text: kind === 'since' ? localTime(value) : value };
}

function placeText({ kind, text }: Typed): string {
  if (kind === 'now' || kind === 'earliest') return kind;
  return `${kind}:${kind === 'since' ? isoTime(text) : text.trim()}`;
}

/** The bounds of a search through history, in time. */
export function TimesField({ since, until }: { readonly since: string; readonly until: string }) {
  return (
    <div class="from-box">
      <TimeField
        label="Recorded at or after"
        value={since}
        onChange={(time) => amendOn('stream', { since: time })}
      />
      <TimeField
        label="Recorded before"
        value={until}
        onChange={(time) => amendOn('stream', { until: time })}
      />
    </div>
  );
}
