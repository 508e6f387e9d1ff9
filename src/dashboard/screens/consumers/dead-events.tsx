import { useSignal } from '@preact/signals';
import type { DeadEvent } from 'millrace/client';
import { showEventOf } from '../../event/shown-event.js';
import { useKeptFocus } from '../../parts/use-kept-focus.js';
import { access } from '../../state/access.js';
import { counted, dateAndClock, whole } from '../../text/format.js';
import { PageButtons } from './page-buttons.js';
import { Reason } from './reason.js';
import { RedriveDialog } from './redrive-dialog.js';
import { Scrolled } from './scrolled.js';
import { useConsumerPage } from './use-page.js';

/** The dead events of a consumer with their reasons, a page at a time. Those that are chosen, or all, may come again. */

interface DeadEventsProps {
  readonly name: string;
  readonly mayChange: boolean;
}

/** What the dialog is asked about; `undefined` ids: all. */
interface Asked {
  readonly ids: readonly string[] | undefined;
}

export function DeadEvents({ name, mayChange }: DeadEventsProps) {
  const page = useConsumerPage(name, 'deadAfter', (consumer, options) => consumer.dead(options));
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const box = useKeptFocus<HTMLElement>();
  const asked = useSignal<Asked | undefined>(undefined);
  const { value, error, isFirst } = page;
  const events = value?.events ?? [];
  // What has come again, or stands on another page, is chosen no more.
  const ids = [...new Set(events.map(({ id }) => id))].filter((id) => chosen.value.has(id));
  const ask = (what: readonly string[] | undefined): void => {
    asked.value = { ids: what };
  };
  return (
    <section ref={box} class="card" aria-labelledby="dead-title">
      <header>
        <h2 id="dead-title">Dead events</h2>
        {mayChange && events.length > 0 && (
          <>
            <button type="button" disabled={ids.length === 0} onClick={() => ask(ids)}>
              Redrive the chosen
            </button>
            <button type="button" onClick={() => ask(undefined)}>
              Redrive all
            </button>
          </>
        )}
      </header>
      {error !== undefined && <p class="body fault">{error}</p>}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value !== undefined && events.length === 0 && (
        <p class="empty">{isFirst ? 'No event is dead.' : 'No further event is dead.'}</p>
      )}
      {events.length > 0 && <Table events={events} chosen={mayChange ? chosen : undefined} />}
      {mayChange && ids.length > 0 && (
        <p class="body soft" role="status">
          {counted(ids.length, 'event')} chosen
        </p>
      )}
      <PageButtons page={page} of="dead events" />
      {mayChange && asked.value !== undefined && (
        <RedriveDialog
          name={name}
          ids={asked.value.ids}
          onClose={() => {
            asked.value = undefined;
          }}
        />
      )}
    </section>
  );
}

interface TableProps {
  readonly events: readonly DeadEvent[];
  /** Undefined: none may be chosen. */
  readonly chosen: { value: ReadonlySet<string> } | undefined;
}

function Table({ events, chosen }: TableProps) {
  return (
    <Scrolled label="Dead events: rows">
      <table aria-labelledby="dead-title">
        <thead>
          <tr>
            {chosen !== undefined && (
              <th>
                <span class="hidden">Chosen</span>
              </th>
            )}
            <th>Event</th>
            <th>Cause</th>
            <th>Reason</th>
            <th class="number">Attempts</th>
            <th>Died</th>
            <th>Letter</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <Row key={`${event.shard}:${event.sequence}`} event={event} chosen={chosen} />
          ))}
        </tbody>
      </table>
    </Scrolled>
  );
}

const CAUSES = {
  nak: 'refused',
  term: 'given up',
  expired: 'lease ran out',
  lost: 'member died',
} as const satisfies Record<DeadEvent['cause'], string>;

const LETTERS = {
  due: 'not published yet',
  published: 'published',
  kept: 'none wanted',
} as const satisfies Record<DeadEvent['letter'], string>;

function Row({ event, chosen }: { readonly event: DeadEvent } & Pick<TableProps, 'chosen'>) {
  const { id, topic, diedAt, attempts, cause, reason, letter } = event;
  return (
    <tr>
      {chosen !== undefined && (
        <td>
          <input
            type="checkbox"
            aria-label={`Choose event ${id}`}
            checked={chosen.value.has(id)}
            onChange={({ currentTarget }) => {
              chosen.value = toggled(chosen.value, id, currentTarget.checked);
            }}
          />
        </td>
      )}
      <th scope="row" class="mono named-cell">
        {access.value.mayRead ? (
          <button type="button" class="quiet" onClick={() => showEventOf({ topic, id })}>
            {id}
          </button>
        ) : (
          id
        )}
        <div class="soft">{topic}</div>
      </th>
      <td>{CAUSES[cause]}</td>
      <td class="reason">
        {reason === '' ? <span class="soft">none given</span> : <Reason text={reason} of={id} />}
      </td>
      <td class="number">{whole(attempts)}</td>
      <td>{dateAndClock(diedAt)}</td>
      <td>{LETTERS[letter]}</td>
    </tr>
  );
}

function toggled(ids: ReadonlySet<string>, id: string, isChosen: boolean): ReadonlySet<string> {
  const next = new Set(ids);
  if (isChosen) next.add(id);
  else next.delete(id);
  return next;
}
