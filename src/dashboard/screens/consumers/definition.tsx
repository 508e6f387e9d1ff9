import type { ConsumerInfo } from 'millrace/client';
import { dateAndClock, duration, exactDuration, whole } from '../../text/format.js';
import { filterText } from './consumer-words.js';

/** What a consumer is, and its figures. */
export function Definition({ info }: { readonly info: ConsumerInfo }) {
  const { definition } = info;
  const facts: readonly (readonly [string, string])[] = [
    ['Filter', filterText(definition)],
    ['Order', definition.order],
    ['Priority', definition.priority.join(' ') || 'none'],
    ['Lease', exactDuration(definition.leaseMs)],
    ['Attempts', `at most ${whole(definition.maxAttempts)}`],
    ['Waits after attempts', definition.backoffMs.map(exactDuration).join(', ')],
    ['In flight at most', whole(definition.maxInFlight)],
    ['Open in a shard at most', whole(definition.maxAhead)],
    ['Dead letters', definition.deadLetter ?? 'published nowhere'],
    ['Ack', definition.ackDurability],
    ['Made', dateAndClock(info.createdAt)],
  ];
  return (
    <section class="card definition" aria-labelledby="definition-title">
      <header>
        <h2 id="definition-title">Definition</h2>
      </header>
      <Facts facts={facts} />
    </section>
  );
}

export function Figures({ info }: { readonly info: ConsumerInfo }) {
  const { oldestAgeMs } = info;
  return (
    <Facts
      facts={[
        ['Pending, about', whole(info.pending)],
        ['In flight', whole(info.inFlight)],
        ['Wait for their time', whole(info.waiting)],
        ['Held by their key', whole(info.held)],
        ['Oldest open event', oldestAgeMs === null ? 'none' : `${duration(oldestAgeMs)} old`],
        ['Acknowledged', whole(info.acked)],
        ['Redelivered', whole(info.redelivered)],
        ['Dead', whole(info.dead)],
        ['Lost to retention', whole(info.lost)],
        ['Expired', whole(info.expired)],
      ]}
    />
  );
}

function Facts({ facts }: { readonly facts: readonly (readonly [string, string])[] }) {
  return (
    <dl class="facts body">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt class="label">{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
