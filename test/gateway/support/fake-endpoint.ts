import { EventEmitter } from 'node:events';
import type { BusEndpoint, PruneOptions } from '../../../src/endpoint/bus-endpoint.js';
import { parseAlertRule } from '../../../src/protocol/alert-rule.js';
import { alertText } from '../../../src/protocol/alert-text.js';
import type { AlertInfo, AlertList, AlertRuleInput } from '../../../src/protocol/alerts.js';
import type {
  BusStats,
  EventHandler,
  Query,
  SubscribeOptions,
  Subscription,
  SubscriptionEvents,
} from '../../../src/protocol/bus-api.js';
import type { ConsumerInfo } from '../../../src/protocol/consumers.js';
import { encodeCursor } from '../../../src/protocol/cursor.js';
import { BusError } from '../../../src/protocol/errors.js';
import type { Event, EventInput, PublishAck } from '../../../src/protocol/event.js';
import { checkEventInput } from '../../../src/protocol/event-input.js';
import { type FilterInput, type ParsedFilter, parseFilter } from '../../../src/protocol/filter.js';
import type { BackupResult, PruneResult } from '../../../src/protocol/operations.js';
import type { ScheduledPage } from '../../../src/protocol/scheduled.js';
import { NO_SINKS } from '../../../src/protocol/sink-list.js';
import { matchesPattern } from '../../../src/protocol/topic.js';

/**
 * An endpoint of a bus that keeps its events in an array, for the gateway's unit tests. It records the gateway's
 * calls, and a test can make it fail or wait. It has one shard. Like a real endpoint, it moves a subscription's cursor
 * when the handler is done with an event.
 */
export class FakeEndpoint implements BusEndpoint {
  readonly epoch = 'epoch-1';
  readonly shards = 1;
  readonly events: Event[] = [];
  readonly subscriptions = new Set<FakeSubscription>();
  readonly published: { inputs: readonly EventInput[]; options: unknown }[] = [];
  readonly administered: (readonly [call: string, argument: unknown])[] = [];
  queries: Query[] = [];
  /** Publishes wait until this resolves. */
  gate: Promise<void> = Promise.resolve();

  async publish<P>(input: EventInput<P>, options?: unknown): Promise<PublishAck> {
    this.published.push({ inputs: [input], options });
    return this.#append(input);
  }

  async publishMany<P>(inputs: readonly EventInput<P>[], options?: unknown): Promise<PublishAck[]> {
    this.published.push({ inputs, options });
    return Promise.all(inputs.map((input) => this.#append(input)));
  }

  tryPublish<P>(input: EventInput<P>): boolean {
    void this.#append(input);
    return true;
  }

  async request(): Promise<never> {
    throw new BusError('NO_RESPONDERS', 'a fake endpoint has no responders');
  }

  respond(): never {
    throw new BusError('BUS_CLOSED', 'a fake endpoint takes no responders');
  }

  async drained(): Promise<void> {}

  async backup(dir: string): Promise<BackupResult> {
    this.administered.push(['backup', dir]);
    const { epoch } = this;
    return { dir, epoch, takenAt: '2026-01-01T00:00:00.000Z', heads: [0], cursor: '', bytes: 0 };
  }

  async consumer(name: string): Promise<never> {
    throw new BusError('CONSUMER_UNKNOWN', `there is no consumer ${name}`);
  }

  async consumers(): Promise<ConsumerInfo[]> {
    return [];
  }

  async alerts(): Promise<AlertList> {
    return { alerts: [], transitions: [] };
  }

  async setAlert(rule: AlertRuleInput): Promise<AlertInfo> {
    this.administered.push(['setAlert', rule]);
    const parsed = parseAlertRule(rule);
    return { ...parsed, text: alertText(parsed.when), origin: 'stored', state: 'ok' };
  }

  async removeAlert(name: string): Promise<{ readonly removed: boolean }> {
    this.administered.push(['removeAlert', name]);
    return { removed: true };
  }

  readonly schedules = undefined as never;

  async scheduled(query?: unknown): Promise<ScheduledPage> {
    this.administered.push(['scheduled', query]);
    return { publishes: [] };
  }

  async cancel(id: string, options?: unknown): Promise<boolean> {
    this.administered.push(['cancel', { id, options }]);
    return true;
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    this.administered.push(['prune', options]);
    return { events: 3, bytes: 30 };
  }

  subscribe<P>(
    filter: FilterInput,
    second?: EventHandler<P> | SubscribeOptions,
    third?: SubscribeOptions,
  ): Subscription<P> {
    const handler = typeof second === 'function' ? second : () => {};
    const options = (typeof second === 'function' ? third : second) ?? {};
    const subscription = new FakeSubscription(
      this,
      parseFilter(filter),
      handler as EventHandler,
      options,
    );
    this.subscriptions.add(subscription);
    return subscription as Subscription as Subscription<P>;
  }

  async query<P>(query: Query): Promise<Event<P>[]> {
    const result: Event<P>[] = [];
    for await (const event of this.read<P>(query)) result.push(event);
    return result;
  }

  async *read<P>(query: Query): AsyncGenerator<Event<P>> {
    this.queries.push(query);
    const { topics } = parseFilter(query.topic);
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    for (const event of this.events) {
      if (left === 0) return;
      if (!topics.some((pattern) => matchesPattern(pattern, event.topic))) continue;
      left--;
      yield event as Event<P>;
    }
  }

  latest<P>(topic: Query<P>['topic']): AsyncGenerator<Event<P>> {
    return this.read<P>({ topic, latest: true });
  }

  async get<P>(topic: Query<P>['topic'], id: string): Promise<Event<P> | undefined> {
    const found = await this.query<P>({ topic });
    return found.findLast((event) => event.id === id);
  }

  async subscribers(topic = '*'): ReturnType<BusEndpoint['subscribers']> {
    return [...this.subscriptions].map(({ id, filter }) => ({
      id,
      endpoint: topic,
      topics: filter.topics,
      overflow: 'catch-up',
      mode: 'live',
      queued: 0,
      dropped: 0,
      lag: 0,
      slow: 0,
      since: '2026-01-01T00:00:00.000Z',
    }));
  }

  async topics(pattern = '*'): ReturnType<BusEndpoint['topics']> {
    const names = new Set(this.events.map(({ topic }) => topic));
    return [...names]
      .filter((name) => matchesPattern(pattern, name))
      .map((name) => ({
        name,
        shard: 0,
        events: this.events.filter(({ topic }) => topic === name).length,
        firstSequence: 1,
        lastSequence: this.events.length,
        firstAt: '2026-01-01T00:00:00.000Z',
        lastAt: '2026-01-01T00:00:00.000Z',
      }));
  }

  async stats(): Promise<BusStats> {
    return {
      epoch: this.epoch,
      uptimeMs: 1,
      published: this.events.length,
      delivered: 0,
      dropped: 0,
      subscriptions: this.subscriptions.size,
      lag: 0,
      endpoints: 1,
      connections: 0,
      gateways: [],
      sinks: NO_SINKS,
      gatewayRestarts: 0,
      scheduled: 0,
      consumers: { count: 0, pending: 0, inFlight: 0, waiting: 0, dead: 0 },
      requests: { responders: 0, pending: 0, asked: 0, answered: 0, failed: 0, noResponders: 0 },
      retention: [],
      deliveryMs: { bounds: [1], counts: [0, 0], sum: 0 },
      shards: [],
    };
  }

  async drain(): Promise<void> {}
  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}

  async #append<P>(input: EventInput<P>): Promise<PublishAck> {
    checkEventInput(input);
    await this.gate;
    const sequence = this.events.length + 1;
    const { timestamp: _, expiresAt, ...fields } = input;
    const event: Event = {
      id: `e${sequence}`,
      source: 'fake',
      timestamp: '2026-01-01T00:00:00.000Z',
      ...fields,
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
      shard: 0,
      sequence,
    };
    this.events.push(event);
    for (const subscription of this.subscriptions) subscription.push(event);
    const { id, topic } = event;
    return { id, topic, shard: 0, sequence, durability: 'synced', duplicate: false };
  }
}

let lastSubscription = 0;

export class FakeSubscription implements Subscription {
  readonly id = `s${++lastSubscription}`;
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly dropped = 0;
  readonly lag = 0;
  /** The number of events that the handler was called with. */
  taken = 0;
  filter: ParsedFilter;
  readonly #endpoint: FakeEndpoint;
  readonly #handler: EventHandler;
  readonly #queue: Event[] = [];
  readonly #emitter = new EventEmitter();
  #position: number;
  #isHandling = false;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(
    endpoint: FakeEndpoint,
    filter: ParsedFilter,
    handler: EventHandler,
    { from = 'now' }: SubscribeOptions,
  ) {
    this.#endpoint = endpoint;
    this.filter = filter;
    this.#handler = handler;
    this.closed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.closed.catch(() => {});
    const { events } = endpoint;
    if (typeof from === 'object' && 'after' in from && from.after === 'bad') {
      throw new BusError('CURSOR_INVALID', '"bad" is not a cursor');
    }
    const isLast = typeof from === 'object' && 'last' in from;
    const start = isLast ? events.length - from.last : from === 'earliest' ? 0 : events.length;
    this.#position = start;
    for (const event of events.slice(start)) this.push(event);
    this.ready = Promise.resolve();
    setImmediate(() => this.#tellCaughtUp());
  }

  get cursor(): string {
    return encodeCursor({ epoch: this.#endpoint.epoch, positions: [this.#position] });
  }

  get pending(): number {
    return this.#queue.length;
  }

  push(event: Event): void {
    if (!this.filter.topics.some((pattern) => matchesPattern(pattern, event.topic))) return;
    this.#queue.push(event);
    if (!this.#isHandling) void this.#handle();
  }

  emit<E extends keyof SubscriptionEvents>(
    event: E,
    ...values: Parameters<SubscriptionEvents[E]>
  ): void {
    this.#emitter.emit(event, ...values);
  }

  fail(error: BusError): void {
    this.#endpoint.subscriptions.delete(this);
    this.#queue.length = 0;
    this.#reject(error);
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#emitter.on(event, listener);
    return this;
  }

  async update(filter: FilterInput): Promise<void> {
    this.filter = parseFilter(filter);
  }

  async unsubscribe(): Promise<void> {
    this.#endpoint.subscriptions.delete(this);
    this.#queue.length = 0;
    this.#resolve();
  }

  drain(): Promise<void> {
    return this.unsubscribe();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unsubscribe();
  }

  [Symbol.asyncIterator](): AsyncIterator<Event> {
    throw new Error('the gateway subscribes with a handler');
  }

  #tellCaughtUp(): void {
    if (this.#isHandling) setImmediate(() => this.#tellCaughtUp());
    else this.#emitter.emit('caughtUp', { cursor: this.cursor });
  }

  async #handle(): Promise<void> {
    this.#isHandling = true;
    for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
      this.taken++;
      const answer = this.#handler(event);
      if (answer !== undefined) await answer;
      this.#position = event.sequence ?? this.#position;
    }
    this.#isHandling = false;
  }
}
