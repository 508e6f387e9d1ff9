/**
 * An endpoint: a thread's share of the bus. It publishes to and receives from every shard over its own rings, and
 * is the same in the thread that opened the bus, in attached workers and in the gateway.
 *
 * It lives on an event loop. A shard that has something for it rings its doorbell, a message, unless the endpoint is
 * awake already; then it takes what all shards have sent, and hands it out after it has given the ring memory
 * back, so that a handler can do whatever it likes.
 */

import type { MessagePort } from 'node:worker_threads';
import { BusCensus } from '../link/bus-census.js';
import type { LinkEnd } from '../link/link.js';
import {
  CONTROL_LEAVE,
  CONTROL_REQUEST,
  CONTROL_SUBSCRIBE,
  CONTROL_UNSUBSCRIBE,
  CONTROL_UPDATE,
  EVENT_SEQUENCE,
  EVENT_SUBSCRIPTION_IDS,
  EVENT_SUBSCRIPTIONS,
  eventRecordOffset,
  type SubscribeCommand,
} from '../link/link-records.js';
import { ShardControl } from '../link/shard-control.js';
import { encodeCursor } from '../protocol/cursor.js';
import { type TopicDefinition, TopicDefinitions } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import type { Event, EventInput, PublishAck, PublishOptions } from '../protocol/event.js';
import { type FilterInput, type ParsedFilter, parseFilter } from '../protocol/filter.js';
import { CREDIT_BYTES, DELIVERIES_PER_SAMPLE, DELIVERIES_PER_TURN } from '../protocol/limits.js';
import { assertPattern, assertTopic } from '../protocol/topic.js';
import { shardOf } from '../protocol/topic-hash.js';
import { EVENT_FLAG_SUPPLIED_TIMESTAMP, EventRecordView } from '../record/event-record.js';
import { Doorbell } from '../ring/wait.js';
import type {
  BackupOptions,
  BackupResult,
  BusEndpoint,
  BusStats,
  EventHandler,
  PruneOptions,
  PruneResult,
  Query,
  SubscribeOptions,
  SubscriberInfo,
  Subscription,
  TopicInfo,
} from './bus.js';
import { checkFrom, HistoryReader } from './history.js';
import { type EndpointInternals, INTERNALS } from './internals.js';
import { parseBackupOptions, parsePruneOptions, parseSubscribeOptions } from './options.js';
import { pruneShards } from './prune.js';
import { Publisher, type PublisherOptions } from './publisher.js';
import { limitOf, parseQuery, QueryRunner, shardsOf } from './query.js';
import { RecordDecoder } from './record-decoder.js';
import type { EndpointListener, MainServices } from './services.js';
import { type DeliveryHandler, ShardProxy } from './shard-proxy.js';
import { furthestBehind, subscribersOf, topicsOf } from './shard-questions.js';
import { busStats } from './stats.js';
import { BusSubscription, type ShardPart, type SubscriptionHost } from './subscription.js';
import { SystemErrors } from './system-events.js';
import { activeTracing } from './tracing.js';

/** What a thread is handed to become an endpoint; crosses threads as it is. */
export interface EndpointData {
  readonly endpoint: string;
  readonly epoch: string;
  readonly openedAt: number;
  readonly ends: readonly LinkEnd[];
  readonly generations: readonly number[];
  readonly controls: readonly SharedArrayBuffer[];
  readonly doorbell: SharedArrayBuffer;
  /** See `src/link/bus-census.ts`. */
  readonly census: SharedArrayBuffer;
  readonly options: PublisherOptions;
}

export interface EndpointSettings {
  readonly topics: Iterable<TopicDefinition>;
  readonly onError: (error: BusError) => void;
}

/** Looks at the rings this often even if nobody rang, ms: a shard that died may have owed a wake-up. */
const WATCH_INTERVAL_MS = 1000;

export class Endpoint implements BusEndpoint, DeliveryHandler, SubscriptionHost, EndpointListener {
  readonly endpointId: string;
  readonly epoch: string;
  readonly #data: EndpointData;
  readonly #settings: EndpointSettings;
  readonly #services: MainServices;
  readonly #proxies: readonly ShardProxy[];
  readonly #publisher: Publisher;
  readonly #census: BusCensus;
  readonly #history: HistoryReader;
  readonly #queries: QueryRunner;
  readonly #doorbell: Doorbell;
  readonly #decoder = new RecordDecoder();
  readonly #subscriptions = new Map<number, BusSubscription>();
  /** Subscriptions that were given something and not yet asked to hand it out. */
  readonly #fed = new Set<BusSubscription>();
  readonly #watch: NodeJS.Timeout;
  /** For the samples of how long an event takes here. */
  readonly #sampled = new EventRecordView();
  #received = 0;
  #nextSubscription = 1;
  /** Calls of `drain` that wait. */
  #drains = 0;
  #isDraining = false;
  #isScheduled = false;
  #settledCalls: (() => void)[] = [];
  #isClosing = false;
  readonly #systemErrors = new SystemErrors((topic, type, payload) =>
    this.#publisher.publishSystem(topic, type, payload),
  );
  /** Of failures that no promise can carry. */
  readonly #onError = (error: BusError): void => {
    this.#systemErrors.tell(error);
    this.#settings.onError(error);
  };
  #closing: Promise<void> | undefined;
  #closed: BusError | undefined;

  constructor(
    data: EndpointData,
    settings: EndpointSettings,
    makeServices: (listener: EndpointListener) => MainServices,
  ) {
    this.endpointId = data.endpoint;
    this.epoch = data.epoch;
    this.#data = data;
    this.#settings = settings;
    this.#services = makeServices(this);
    this.#proxies = data.ends.map((end, shard) => {
      const control = new ShardControl(data.controls[shard]!);
      return new ShardProxy(end, control, data.generations[shard]!, this);
    });
    const definitions = new TopicDefinitions(settings.topics);
    this.#census = new BusCensus(data.census);
    this.#publisher = new Publisher(this.#proxies, data.options, definitions, this.#onError);
    this.#history = new HistoryReader(this.#services, this.#proxies);
    this.#queries = new QueryRunner(this.#services, () => this.#proxies.map((p) => p.control.head));
    this.#doorbell = new Doorbell(new Int32Array(data.doorbell), 0);
    this.#watch = setInterval(() => this.onDoorbell(), WATCH_INTERVAL_MS);
    this.#watch.unref();
    this.#park();
  }

  get [INTERNALS](): EndpointInternals {
    return {
      publishSystem: (topic, type, payload) => this.#publisher.publishSystem(topic, type, payload),
      countConnections: (change) => this.#census.addConnections(change),
    };
  }

  get shards(): number {
    return this.#proxies.length;
  }

  publish<P>(input: EventInput<P>, options?: PublishOptions): Promise<PublishAck> {
    const tracing = activeTracing();
    if (tracing === undefined) return this.#publisher.publish(input, options);
    return tracing.publish(input, (traced) => this.#publisher.publish(traced, options));
  }

  publishMany<P>(
    inputs: readonly EventInput<P>[],
    options?: PublishOptions,
  ): Promise<PublishAck[]> {
    const tracing = activeTracing();
    if (tracing === undefined) return this.#publisher.publishMany(inputs, options);
    return tracing.publishMany(inputs, (traced) => this.#publisher.publishMany(traced, options));
  }

  tryPublish<P>(input: EventInput<P>, options?: PublishOptions): boolean {
    const tracing = activeTracing();
    if (tracing === undefined) return this.#publisher.tryPublish(input, options);
    return tracing.tryPublish(input, (traced) => this.#publisher.tryPublish(traced, options));
  }

  drained(): Promise<void> {
    return this.#publisher.drained();
  }

  subscribe<P = unknown>(
    filter: FilterInput,
    handlerOrOptions?: EventHandler<P> | SubscribeOptions,
    maybeOptions?: SubscribeOptions,
  ): Subscription<P> {
    this.assertOpen();
    const handler =
      typeof handlerOrOptions === 'function' ? tracedHandler(handlerOrOptions) : undefined;
    const given = typeof handlerOrOptions === 'function' ? maybeOptions : handlerOrOptions;
    const options = parseSubscribeOptions(given);
    const parsed = parseFilter(filter);
    checkFrom(options.from);
    const number = this.#nextSubscription++;
    const shards = this.#proxies.length;
    const subscription = new BusSubscription<P>(number, parsed, options, shards, this, handler);
    const untyped = subscription as BusSubscription;
    this.#subscriptions.set(number, untyped);
    watchAbort(options.signal, untyped);
    this.#start(untyped).catch((error: Error) => untyped.fail(error));
    return subscription;
  }

  async query<P = unknown>(query: Query): Promise<Event<P>[]> {
    this.assertOpen();
    const parsed = parseQuery(query);
    const limit = limitOf(parsed);
    const events: Event<P>[] = [];
    for await (const event of this.#queries.read({ ...parsed, limit }, Math.min(limit, 512))) {
      events.push(event as Event<P>);
    }
    return events;
  }

  read<P = unknown>(query: Query): AsyncIterable<Event<P>> {
    this.assertOpen();
    return this.#queries.read(parseQuery(query)) as AsyncIterable<Event<P>>;
  }

  async subscribers(topic?: string): Promise<SubscriberInfo[]> {
    this.assertOpen();
    if (topic === undefined) return furthestBehind(this.#proxies);
    assertTopic(topic);
    const proxy = this.#proxies[shardOf(topic, this.#proxies.length)]!;
    return subscribersOf(proxy, topic);
  }

  async topics(pattern = '*'): Promise<TopicInfo[]> {
    this.assertOpen();
    assertPattern(pattern);
    const perShard = await Promise.all(this.#proxies.map((proxy) => topicsOf(proxy, pattern)));
    return perShard.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async stats(): Promise<BusStats> {
    this.assertOpen();
    const controls = this.#proxies.map(({ control }) => control);
    return busStats(this.epoch, this.#data.openedAt, this.#census, controls);
  }

  async backup(dir: string, options: BackupOptions = {}): Promise<BackupResult> {
    this.assertOpen();
    const { signal, onProgress, dir: target } = parseBackupOptions(dir, options);
    if (signal?.aborted) {
      throw new BusError('ABORTED', 'aborted before the backup began', { cause: signal.reason });
    }
    const onAbort = (): void => void this.#services.abortBackup();
    const result = this.#services.backup(target, onProgress);
    signal?.addEventListener('abort', onAbort, { once: true });
    return result.finally(() => signal?.removeEventListener('abort', onAbort));
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    this.assertOpen();
    return pruneShards(this.#services, this.#proxies.length, parsePruneOptions(options));
  }

  async drain(): Promise<void> {
    this.assertOpen();
    await this.acknowledged();
    const heads = this.#proxies.map(({ control }) => control.head);
    const live = this.#proxies.filter(({ failure }) => failure === undefined);
    this.#drains++;
    try {
      // Acks travel ahead of deliveries; these answers come behind what was delivered up to the heads.
      await Promise.all(live.map((one) => one.request(CONTROL_REQUEST, () => ({ kind: 'sync' }))));
      await Promise.all([...this.#subscriptions.values()].map((one) => one.whenConsumed(heads)));
    } finally {
      this.#drains--;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // What the subscriptions ask for.

  head(shard: number): number {
    return this.#proxies[shard]!.control.head;
  }

  watermark(shard: number): number {
    return this.#proxies[shard]!.watermark;
  }

  cursor(positions: readonly number[]): string {
    return encodeCursor({ epoch: this.epoch, positions });
  }

  credit(subscription: number, shard: number, events: number, bytes: number): boolean {
    return this.#proxies[shard]!.credit(subscription, events, bytes);
  }

  async update(subscription: BusSubscription, filter: ParsedFilter): Promise<void> {
    subscription.filter = filter;
    const body = { subscription: subscription.number, filter };
    const proxies = this.#proxiesFor(subscription);
    await Promise.all(proxies.map((proxy) => proxy.request(CONTROL_UPDATE, () => body)));
  }

  async unsubscribe(subscription: BusSubscription): Promise<void> {
    this.#subscriptions.delete(subscription.number);
    if (this.#closed !== undefined) return;
    const live = this.#proxies.filter(({ failure }) => failure === undefined);
    const body = { subscription: subscription.number };
    // A shard that is given up meanwhile has no subscription left either.
    await Promise.allSettled(live.map((proxy) => proxy.request(CONTROL_UNSUBSCRIBE, () => body)));
  }

  readHistory(subscription: BusSubscription, part: ShardPart): void {
    this.#history.read(subscription, part, true).catch((error: Error) => subscription.fail(error));
  }

  report(error: BusError): void {
    // Not here: a ring may be being read.
    queueMicrotask(() => this.#onError(error));
  }

  // What the shards send.

  onDoorbell(): void {
    if (this.#isDraining || this.#closed !== undefined) return;
    this.#isDraining = true;
    try {
      this.#doorbell.unpark();
      this.#drain();
    } finally {
      this.#isDraining = false;
    }
  }

  onEvent(proxy: ShardProxy, bytes: Buffer, offset: number, length: number): void {
    const sequence = bytes.readDoubleLE(offset + EVENT_SEQUENCE);
    const count = bytes.readInt32LE(offset + EVENT_SUBSCRIPTIONS);
    const recordOffset = eventRecordOffset(count);
    if (this.#received++ % DELIVERIES_PER_SAMPLE === 0 && count > 0) {
      const first = bytes.readInt32LE(offset + EVENT_SUBSCRIPTION_IDS);
      this.#noteDelivery(proxy.shard, first, bytes, offset + recordOffset);
    }
    let event: Event | undefined;
    for (let i = 0; i < count; i++) {
      const number = bytes.readInt32LE(offset + EVENT_SUBSCRIPTION_IDS + 4 * i);
      const subscription = this.#subscriptions.get(number);
      if (subscription === undefined) continue;
      event ??= this.#decoder.decode(bytes, offset + recordOffset, proxy.shard, sequence);
      subscription.push(subscription.parts[proxy.shard]!, event, length - recordOffset);
      this.#fed.add(subscription);
    }
  }

  onState(proxy: ShardProxy, number: number, state: number, body: unknown): void {
    const subscription = this.#subscriptions.get(number);
    if (subscription === undefined) return;
    subscription.onState(subscription.parts[proxy.shard]!, state, body as never);
  }

  // What main tells.

  onRelink(shard: number, port: MessagePort, generation: number): void {
    if (this.#closed !== undefined) {
      port.close();
      return;
    }
    const proxy = this.#proxies[shard]!;
    // All that the dead thread has sent, so that the new one is asked for exactly what is missing.
    while (proxy.drain(DELIVERIES_PER_TURN) > 0);
    proxy.relink(port, generation, () => {
      for (const subscription of this.#subscriptions.values()) {
        this.#resubscribe(proxy, subscription);
      }
    });
    this.onDoorbell();
  }

  onShardFailed(shard: number, error: BusError): void {
    const proxy = this.#proxies[shard]!;
    proxy.fail(error);
    this.#publisher.shardFailed(proxy);
    for (const subscription of [...this.#subscriptions.values()]) {
      if (this.#needs(subscription, shard)) subscription.fail(error);
    }
    this.#wakeSettled();
  }

  onClosing(): void {
    this.#isClosing = true;
    this.#publisher.refuse(closedError());
    // They hold up the publishes that are still to be acknowledged.
    for (const subscription of [...this.#subscriptions.values()]) {
      if (subscription.options.overflow === 'block') void subscription.unsubscribe();
    }
  }

  onClosed(): void {
    if (this.#closed !== undefined) return;
    // The last acks.
    for (const proxy of this.#proxies) while (proxy.drain(DELIVERIES_PER_TURN) > 0);
    this.#shut();
  }

  /** What a publisher dated itself says nothing of how long it took, and neither does history that is read again. */
  #noteDelivery(shard: number, number: number, bytes: Buffer, offset: number): void {
    const view = this.#sampled.wrap(bytes, offset);
    if ((view.flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) !== 0) return;
    if (this.#subscriptions.get(number)?.parts[shard]?.hasBeenLive !== true) return;
    this.#census.noteDelivery(Math.max(0, Date.now() - view.timestamp));
  }

  /** Whether events of this shard can match: a filter of literal topics does without the others. */
  #needs(subscription: BusSubscription, shard: number): boolean {
    return shardsOf(subscription.filter, this.#proxies.length).includes(shard);
  }

  /** The shards that a subscription is put into: all but those that were given up and are not needed. */
  #proxiesFor(subscription: BusSubscription): readonly ShardProxy[] {
    return this.#proxies.filter((proxy) => {
      const isPassedOver = proxy.failure !== undefined && !this.#needs(subscription, proxy.shard);
      if (isPassedOver) subscription.wentLive(subscription.parts[proxy.shard]!);
      return !isPassedOver;
    });
  }

  async #start(subscription: BusSubscription): Promise<void> {
    const { from } = subscription.options;
    const proxies = this.#proxiesFor(subscription);
    if (from === 'now') {
      await Promise.all(
        proxies.map(async (proxy) => {
          const part = subscription.parts[proxy.shard]!;
          part.mode = 'shard';
          const { position } = await this.#subscribeAt(proxy, subscription, () => 'now');
          part.received = Math.max(part.received, position);
          part.consumed = Math.max(part.consumed, position);
          // Unless it fell behind before this answer was looked at.
          if (!part.hasBeenLive) subscription.wentLive(part);
        }),
      );
      subscription.resolveReady();
      return;
    }
    const positions = await this.#history.positions(subscription, from);
    if (subscription.ended) return;
    for (const { shard } of proxies) {
      const part = subscription.parts[shard]!;
      part.mode = 'history';
      part.received = positions[shard]!;
      part.consumed = part.received;
    }
    await Promise.all(
      proxies.map((proxy) => this.#subscribeAt(proxy, subscription, () => 'replay')),
    );
    if (subscription.ended) return;
    subscription.resolveReady();
    const tellGap = typeof from === 'object' && 'after' in from;
    await Promise.all(
      proxies.map(({ shard }) =>
        this.#history.read(subscription, subscription.parts[shard]!, tellGap),
      ),
    );
  }

  #subscribeAt(
    proxy: ShardProxy,
    subscription: BusSubscription,
    start: () => SubscribeCommand['start'],
  ): Promise<{ position: number }> {
    const part = subscription.parts[proxy.shard]!;
    const command = (): SubscribeCommand => {
      const { number, filter, options, window } = subscription;
      const { name, overflow, maxBuffer } = options;
      // Credit that was owed is in this window already.
      part.owedEvents = 0;
      part.owedBytes = 0;
      return {
        subscription: number,
        filter,
        ...(name === undefined ? {} : { name }),
        overflow,
        maxBuffer,
        creditEvents: window - part.credited,
        creditBytes: CREDIT_BYTES,
        start: start(),
      };
    };
    return proxy.request(CONTROL_SUBSCRIBE, command, subscription.number);
  }

  /** Puts a subscription back into a shard that lost it, from exactly where it was. */
  #resubscribe(proxy: ShardProxy, subscription: BusSubscription): void {
    const part = subscription.parts[proxy.shard]!;
    if (part.mode === 'none') return;
    if (part.isLive) part.received = Math.max(part.received, proxy.watermark);
    part.isLive = false;
    // Its request is open, and made anew when it is sent again.
    if (proxy.isAsking(CONTROL_SUBSCRIBE, subscription.number)) return;
    const start = (): SubscribeCommand['start'] =>
      part.mode === 'history' ? 'replay' : part.received;
    this.#subscribeAt(proxy, subscription, start).catch((error: Error) => {
      if (this.#needs(subscription, proxy.shard)) subscription.fail(error);
    });
  }

  #drain(): void {
    for (;;) {
      let read = 0;
      for (const proxy of this.#proxies) read += proxy.drain(DELIVERIES_PER_TURN);
      this.#publisher.pump();
      this.#handOut();
      if (this.#drains > 0) for (const one of this.#subscriptions.values()) one.recheckWaiters();
      if (this.#settledCalls.length > 0) this.#wakeSettled();
      if (this.#closed !== undefined) return;
      if (read >= DELIVERIES_PER_TURN) {
        this.#yield();
        return;
      }
      if (read === 0 && this.#park()) return;
    }
  }

  #handOut(): void {
    for (const subscription of this.#fed) {
      this.#fed.delete(subscription);
      subscription.flush();
    }
  }

  /** There is more; but timers and sockets have waited long enough. */
  #yield(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.onDoorbell();
    });
  }

  /** False if something came while the doorbell was being hung up. */
  #park(): boolean {
    this.#doorbell.park();
    if (this.#proxies.every((proxy) => proxy.isIdle)) return true;
    this.#doorbell.unpark();
    return false;
  }

  /** Resolves when every publish has been acknowledged or refused, or after `timeoutMs`. */
  protected acknowledged(timeoutMs?: number): Promise<void> {
    if (this.#publisher.unacknowledged === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settledCalls.push(resolve);
      if (timeoutMs !== undefined) setTimeout(resolve, timeoutMs).unref();
    });
  }

  #wakeSettled(): void {
    if (this.#publisher.unacknowledged > 0) return;
    for (const resolve of this.#settledCalls.splice(0)) resolve();
  }

  async #close(): Promise<void> {
    if (this.#closed !== undefined) return;
    this.onClosing();
    await this.acknowledged();
    for (const subscription of [...this.#subscriptions.values()]) subscription.close();
    this.#subscriptions.clear();
    const live = this.#proxies.filter(({ failure }) => failure === undefined);
    await Promise.allSettled(live.map((proxy) => proxy.request(CONTROL_LEAVE, () => ({}))));
    await this.#services.left().catch(() => {});
    this.#shut();
  }

  /** Lets go of everything at once; whatever waits is refused. */
  #shut(): void {
    const error = closedError();
    this.#closed = error;
    clearInterval(this.#watch);
    this.#publisher.refuse(error);
    for (const proxy of this.#proxies) {
      proxy.fail(proxy.control.state === 'stopped' ? error : unknownAtClose());
      proxy.close();
    }
    this.#publisher.close();
    for (const subscription of [...this.#subscriptions.values()]) subscription.close();
    this.#subscriptions.clear();
    this.#wakeSettled();
  }

  protected assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#isClosing) throw closedError();
  }
}

/** Looks at each event, since tracing may be set up after the subscription. */
function tracedHandler<P>(handler: EventHandler<P>): EventHandler<P> {
  return (event) => {
    const tracing = activeTracing();
    return tracing === undefined ? handler(event) : tracing.handle(event, handler);
  };
}

function watchAbort(signal: AbortSignal | undefined, subscription: BusSubscription): void {
  if (signal === undefined) return;
  const onAbort = (): void => void subscription.unsubscribe();
  if (signal.aborted) queueMicrotask(onAbort);
  else {
    signal.addEventListener('abort', onAbort, { once: true });
    const forget = (): void => signal.removeEventListener('abort', onAbort);
    subscription.closed.then(forget, forget);
  }
}

function closedError(): BusError {
  return new BusError('BUS_CLOSED', 'the bus is closed');
}

function unknownAtClose(): BusError {
  return new BusError(
    'PUBLISH_UNKNOWN',
    'the bus was closed before its shard acknowledged: it may have been stored',
  );
}
