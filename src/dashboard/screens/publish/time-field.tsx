import { onCommit } from '../../parts/on-commit.js';
import { amend } from '../../state/place.js';
import { isoTime, localTime } from '../stream/from-field.js';

/** A time of the address, shown in local time. */
export interface TimeFieldProps {
  readonly label: string;
  /** The parameter. */
  readonly name: string;
  readonly value: string;
}

export function TimeField({ label, name, value }: TimeFieldProps) {
  const id = `replay-${name}`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="datetime-local"
        step={1}
        defaultValue={localTime(value)}
        {...onCommit((text) => {
          if (text !== localTime(value)) amend({ [name]: isoTime(text) });
        })}
      />
    </div>
  );
}
