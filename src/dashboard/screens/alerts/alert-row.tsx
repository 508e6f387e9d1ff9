import type { AlertInfo } from 'millrace/client';
import { useEffect, useRef } from 'preact/hooks';
import { now } from '../../state/now.js';
import { hrefOf } from '../../state/place.js';
import { dateAndClock, duration } from '../../text/format.js';
import { valueText } from './alert-words.js';

/** A rule and its state. The rule that the address names is brought into view. */

export interface AlertRowProps {
  readonly alert: AlertInfo;
  readonly isChosen: boolean;
  /** Absent for those who may not change rules. */
  readonly onEdit: ((name: string) => void) | undefined;
  readonly onRemove: (name: string) => void;
}

export function AlertRow({ alert, isChosen, onEdit, onRemove }: AlertRowProps) {
  const { name, text, description, severity, origin, fault, lastEvent } = alert;
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isChosen) row.current?.scrollIntoView({ block: 'nearest' });
  }, [isChosen]);
  return (
    <li ref={row} class={`rule ${isChosen ? 'is-chosen' : ''}`}>
      <State alert={alert} />
      <div class="what">
        <h3>
          {name} <span class="tag">{severity}</span>{' '}
          {origin === 'config' && <span class="tag">fixed by the configuration</span>}
        </h3>
        <code>{text}</code>
        {description !== undefined && <p class="soft">{description}</p>}
        {fault !== undefined && <p class="fault">It cannot be judged now: {fault}</p>}
      </div>
      <div class="measured">
        <span class="number">{valueText(alert)}</span>
        {lastEvent !== undefined && (
          <a
            class="mono ellipsis"
            href={hrefOf('stream', { topic: lastEvent.topic, from: 'last:100' })}
          >
            {lastEvent.topic}
          </a>
        )}
      </div>
      {onEdit !== undefined && origin === 'stored' && (
        <div class="acts">
          <button
            type="button"
            aria-label={`Edit ${name}`}
            data-edits={name}
            onClick={() => onEdit(name)}
          >
            Edit
          </button>
          <button
            type="button"
            class="danger"
            aria-label={`Remove ${name}`}
            onClick={() => onRemove(name)}
          >
            Remove
          </button>
        </div>
      )}
    </li>
  );
}

function State({ alert: { state, since, enabled } }: { readonly alert: AlertInfo }) {
  const time =
    since === undefined ? undefined : duration(Math.max(0, now.value - Date.parse(since)));
  const title = since === undefined ? undefined : `Since ${dateAndClock(since)}`;
  return (
    <div class="state" title={title}>
      {enabled ? (
        <span class={`tag ${STATES[state]}`}>{state}</span>
      ) : (
        <span class="tag">turned off</span>
      )}
      {time !== undefined && <span class="soft number">for {time}</span>}
    </div>
  );
}

const STATES = { ok: 'is-good', pending: 'is-warning', firing: 'is-bad' } as const;
