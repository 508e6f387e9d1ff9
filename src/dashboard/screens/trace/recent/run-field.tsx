import { useState } from 'preact/hooks';
import { useUniqueId } from '../../../parts/use-unique-id.js';
import { go } from '../../../state/place.js';
import type { RecentRun } from './recent-runs.js';

/** Asks for a correlation id. Enter or the button opens its run. */

export interface RunFieldProps {
  readonly correlationId: string;
  readonly recent: readonly RecentRun[];
}

export function RunField({ correlationId, recent }: RunFieldProps) {
  const id = useUniqueId();
  const [text, setText] = useState(correlationId);
  const open = (event: SubmitEvent): void => {
    event.preventDefault();
    const wanted = text.trim();
    if (wanted !== '') go('trace', { correlationId: wanted });
  };
  return (
    <form class="run-field" onSubmit={open}>
      <div class="field">
        <label for={id}>Correlation id</label>
        <input
          id={id}
          class="mono"
          value={text}
          list={`${id}-recent`}
          placeholder="the id that the events of a run share"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <datalist id={`${id}-recent`}>
          {recent.map((run) => (
            <option key={run.correlationId} value={run.correlationId} />
          ))}
        </datalist>
      </div>
      <button type="submit" class="primary">
        Open
      </button>
    </form>
  );
}
