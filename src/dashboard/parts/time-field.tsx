import { useState } from 'preact/hooks';
import { isoTime, localTime } from '../text/local-time.js';
import { onCommit } from './on-commit.js';
import { useUniqueId } from './use-unique-id.js';

/**
 * A time, RFC 3339 in UTC, which the field shows in local time; `''` is none. It is used once Enter is pressed or the
 * field is left. A new `value` takes the place of what is typed.
 */
export interface TimeFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (time: string) => void;
}

export function TimeField({ label, value, onChange }: TimeFieldProps) {
  const id = useUniqueId();
  const [typed, setTyped] = useState<Typed | undefined>(undefined);
  const shown = localTime(value);
  const { text, isPartial } = typed?.over === value ? typed : { text: shown, isPartial: false };
  const type = (field: HTMLInputElement): void =>
    setTyped({ over: value, text: field.value, isPartial: false });
  const commit = (given: string, field: HTMLInputElement): void => {
    // The browser gives no text for a time of which a part is missing, as for none.
    const isLacking = field.validity.badInput;
    setTyped(isLacking ? { over: value, text: given, isPartial: true } : undefined);
    if (!isLacking && given !== shown) onChange(isoTime(given));
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="datetime-local"
        step={1}
        value={text}
        aria-invalid={isPartial}
        aria-describedby={isPartial ? `${id}-fault` : undefined}
        onInput={({ currentTarget }) => type(currentTarget)}
        {...onCommit(commit)}
      />
      {isPartial && (
        <p class="fault" id={`${id}-fault`} role="status">
          A part of the time is missing.
        </p>
      )}
    </div>
  );
}

interface Typed {
  /** The value in whose place it was typed. */
  readonly over: string;
  readonly text: string;
  readonly isPartial: boolean;
}
