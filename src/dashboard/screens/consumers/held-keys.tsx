import type { HeldKey, OpenEvent } from 'millrace/client';
import { now } from '../../state/now.js';
import { counted, dateAndClock } from '../../text/format.js';
import { failureText, placeOf } from './open-words.js';
import { PageButtons } from './page-buttons.js';
import { Reason } from './reason.js';
import { Scrolled } from './scrolled.js';
import { useConsumerPage } from './use-page.js';

/** The keys of which events wait for an earlier one, with the event that stands first and what it waits for. */
export function HeldKeys({ name }: { readonly name: string }) {
  const page = useConsumerPage(name, 'keysAfter', (consumer, options) =>
    consumer.heldKeys(options),
  );
  const { value, error, isFirst } = page;
  const keys = value?.keys ?? [];
  return (
    <section class="card" aria-labelledby="keys-title">
      <header>
        <h2 id="keys-title">Held keys</h2>
      </header>
      {error !== undefined && <p class="body fault">{error}</p>}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value !== undefined && keys.length === 0 && (
        <p class="empty">{isFirst ? 'No event waits for its key.' : 'No further key is held.'}</p>
      )}
      {keys.length > 0 && <Table keys={keys} />}
      <PageButtons page={page} of="held keys" />
    </section>
  );
}

function Table({ keys }: { readonly keys: readonly HeldKey[] }) {
  return (
    <Scrolled label="Held keys: rows">
      <table aria-labelledby="keys-title">
        <thead>
          <tr>
            <th>Key</th>
            <th>Waiting</th>
            <th>Behind</th>
            <th>Why</th>
            <th>Last failure</th>
          </tr>
        </thead>
        <tbody>
          {keys.map((held) => (
            <tr key={placeOf(held.first)}>
              <th scope="row" class="mono named-cell">
                {held.key}
              </th>
              <td>{counted(held.waiting, 'event')}</td>
              <td class="mono">{placeOf(held.first)}</td>
              <td>{whyText(held.first)}</td>
              <td class="reason">
                <Reason text={failureText(held.first, now.value)} of={placeOf(held.first)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolled>
  );
}

function whyText({ state, until, member }: OpenEvent): string {
  switch (state) {
    case 'leased':
      return `with ${member ?? 'a member'} until ${timeText(until)}`;
    case 'waiting':
      return `comes again ${timeText(until)}`;
    case 'ready':
      return 'waits for a member';
    case 'held':
      return 'another shard has the key';
  }
}

function timeText(until: string | undefined): string {
  return until === undefined ? 'soon' : dateAndClock(until);
}
