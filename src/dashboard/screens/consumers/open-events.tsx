import { useSignal } from '@preact/signals';
import type { OpenEvent } from 'millrace/client';
import { showEventOf } from '../../event/shown-event.js';
import { Confirm } from '../../parts/confirm.js';
import { useKeptFocus } from '../../parts/use-kept-focus.js';
import { access } from '../../state/access.js';
import { now } from '../../state/now.js';
import { client } from '../../state/session.js';
import { whole } from '../../text/format.js';
import { failureText, holdText, placeOf } from './open-words.js';
import { PageButtons } from './page-buttons.js';
import { Reason } from './reason.js';
import { Scrolled } from './scrolled.js';
import { useConsumerPage } from './use-page.js';

/** The open events of a consumer, a page at a time: read, and neither done nor dead. One may be skipped. */

interface OpenEventsProps {
  readonly name: string;
  readonly mayChange: boolean;
}

export function OpenEvents({ name, mayChange }: OpenEventsProps) {
  const page = useConsumerPage(name, 'openAfter', (consumer, options) => consumer.open(options));
  const box = useKeptFocus<HTMLElement>();
  const asked = useSignal<OpenEvent | undefined>(undefined);
  const { value, error } = page;
  return (
    <section ref={box} class="card" aria-labelledby="open-title">
      <header>
        <h2 id="open-title">Open events</h2>
      </header>
      {error !== undefined && <p class="body fault">{error}</p>}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.events.length === 0 && <p class="empty">No event is open here.</p>}
      {value !== undefined && value.events.length > 0 && (
        <Table
          events={value.events}
          onSkip={
            mayChange
              ? (event) => {
                  asked.value = event;
                }
              : undefined
          }
        />
      )}
      <PageButtons page={page} of="open events" />
      {mayChange && asked.value !== undefined && (
        <SkipDialog
          name={name}
          event={asked.value}
          onClose={() => {
            asked.value = undefined;
          }}
        />
      )}
    </section>
  );
}

interface TableProps {
  readonly events: readonly OpenEvent[];
  readonly onSkip: ((event: OpenEvent) => void) | undefined;
}

function Table({ events, onSkip }: TableProps) {
  return (
    <Scrolled label="Open events: rows">
      <table aria-labelledby="open-title">
        <thead>
          <tr>
            <th>Event</th>
            <th>State</th>
            <th>Key</th>
            <th class="number">Attempts</th>
            <th>Last failure</th>
            {onSkip !== undefined && (
              <th>
                <span class="hidden">Skip</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <Row key={placeOf(event)} event={event} onSkip={onSkip} />
          ))}
        </tbody>
      </table>
    </Scrolled>
  );
}

interface RowProps {
  readonly event: OpenEvent;
  readonly onSkip: ((event: OpenEvent) => void) | undefined;
}

function Row({ event, onSkip }: RowProps) {
  const { id, topic, state, key = '–', attempts } = event;
  const place = placeOf(event);
  return (
    <tr>
      <th scope="row" class="mono named-cell">
        {id !== undefined && topic !== undefined && access.value.mayRead ? (
          <button type="button" class="quiet" onClick={() => showEventOf({ topic, id })}>
            {place}
          </button>
        ) : (
          place
        )}
        <div class="soft">{topic ?? 'its record is lost'}</div>
      </th>
      <td class="named-cell">
        <span class={`tag ${state === 'leased' ? 'is-good' : ''}`}>{state}</span>
        <div class="soft">{holdText(event)}</div>
      </td>
      <td class="mono named-cell">{key}</td>
      <td class="number">{whole(attempts)}</td>
      <td class="reason">
        <Reason text={failureText(event, now.value)} of={place} />
      </td>
      {onSkip !== undefined && (
        <td>
          <button
            type="button"
            class="danger"
            aria-label={`Skip event ${place}`}
            onClick={() => onSkip(event)}
          >
            Skip
          </button>
        </td>
      )}
    </tr>
  );
}

interface SkipDialogProps {
  readonly name: string;
  readonly event: OpenEvent;
  readonly onClose: () => void;
}

function SkipDialog({ name, event, onClose }: SkipDialogProps) {
  const { shard, sequence } = event;
  return (
    <Confirm
      title="Skip this event?"
      action="Skip the event"
      onClose={onClose}
      onConfirm={async () => (await client().consumer(name)).skip({ shard, sequence })}
    >
      The consumer <b>{name}</b> takes event <code>{placeOf(event)}</code> for done, though nobody
      has acknowledged it, and hands it out no more.
      {event.state === 'leased' && ' The member that has it now loses its lease.'}
    </Confirm>
  );
}
