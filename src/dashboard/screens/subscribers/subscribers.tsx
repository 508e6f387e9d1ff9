import { useSignal } from '@preact/signals';
import type { SubscriberInfo } from 'millrace/client';
import { useEffect, useRef } from 'preact/hooks';
import { DataTable } from '../../parts/data-table.js';
import { amend, place } from '../../state/place.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { counted } from '../../text/format.js';
import { Connections } from './connections.js';
import { SUBSCRIPTION_COLUMNS } from './subscription-columns.js';
import './subscribers.css';

/** The subscriptions of the bus with what they are behind, and the connections of its gateways. */

const POLL_MS = 2000;
/** How long the user has to rest before the server is asked about the topic. */
const TYPING_MS = 250;
const FURTHEST_FIRST = { key: 'lag', isDescending: true };

export default function Subscribers() {
  return (
    <div class="subscribers">
      <Subscriptions />
      <Connections />
    </div>
  );
}

function Subscriptions() {
  const topic = place.value.parameters.get('topic') ?? '';
  const { value: list, error } = usePolled(
    () => client().subscribers(topic === '' ? undefined : topic),
    POLL_MS,
    topic,
  ).value;
  return (
    <section class="card" aria-labelledby="subscriptions-title">
      <header>
        <h2 id="subscriptions-title">Subscriptions</h2>
        <span class="soft" role="status">
          {list !== undefined && countText(list, topic)}
        </span>
      </header>
      <div class="body">
        <TopicField topic={topic} error={topic === '' ? undefined : error} />
      </div>
      {topic === '' && error !== undefined && <p class="body fault">{error}</p>}
      {list === undefined ? (
        error === undefined && <p class="loading">Loading …</p>
      ) : (
        <SubscriptionTable list={list} topic={topic} />
      )}
    </section>
  );
}

/** The server answers with the 100 furthest behind if it is asked about no topic. */
const FURTHEST_MAX = 100;

function countText(list: readonly SubscriberInfo[], topic: string): string {
  if (topic !== '') return `${counted(list.length, 'subscription')} would receive it`;
  if (list.length < FURTHEST_MAX) return counted(list.length, 'subscription');
  return `The ${FURTHEST_MAX} that are furthest behind`;
}

function SubscriptionTable({
  list,
  topic,
}: {
  readonly list: readonly SubscriberInfo[];
  readonly topic: string;
}) {
  if (list.length === 0) {
    return (
      <p class="empty">
        {topic === ''
          ? 'Nobody subscribes. A call of subscribe(), or millrace tail, shows here.'
          : `No subscription would receive an event on ${topic}.`}
      </p>
    );
  }
  return (
    <DataTable
      label="Subscriptions"
      columns={SUBSCRIPTION_COLUMNS}
      rows={list}
      keyOf={({ id }) => id}
      nameOf={({ name, id }) => name ?? id}
      parameter="sort"
      defaultOrder={FURTHEST_FIRST}
    />
  );
}

function TopicField({
  topic,
  error,
}: {
  readonly topic: string;
  readonly error?: string | undefined;
}) {
  const typed = useSignal(topic);
  const timer = useRef<number | undefined>(undefined);
  // The topic that the field itself has put into the address: what was typed since then must not be lost to it.
  const sent = useRef(topic);
  useEffect(() => {
    if (topic === sent.current) return;
    clearTimeout(timer.current);
    sent.current = topic;
    typed.value = topic;
  }, [topic, typed]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <div class="field topic-field">
      <label for="asked-topic">Who would receive an event on this topic?</label>
      <input
        id="asked-topic"
        type="search"
        placeholder="orders.new"
        autocomplete="off"
        spellcheck={false}
        value={typed.value}
        aria-invalid={error !== undefined}
        aria-describedby={error === undefined ? undefined : 'asked-topic-fault'}
        onInput={({ currentTarget }) => {
          typed.value = currentTarget.value;
          clearTimeout(timer.current);
          const wanted = currentTarget.value.trim();
          timer.current = window.setTimeout(() => {
            sent.current = wanted;
            amend({ topic: wanted });
          }, TYPING_MS);
        }}
      />
      {error !== undefined && (
        <p class="fault" id="asked-topic-fault" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
