/**
 * An endpoint: one thread's access to the bus. It publishes to and receives from every shard over its own rings. The
 * thread that opened the bus, attached workers and the gateway all use this class.
 *
 * It lives on an event loop. A shard with deliveries wakes it by a message, the doorbell, unless it is awake. It then
 * decodes the deliveries of all shards, gives the ring memory back, and only then calls handlers, which may do
 * anything.
 */

import type { MessagePort } from 'node:worker_threads';
import { drainOutside } from '../async-context/drain-in-handler.js';
import { captureContext } from '../async-context/node-context.js';
import type { ConsumerRun } from '../handout/consume/run.js';
import { Dispatcher } from '../handout/dispatcher.js';
import { Waiters } from '../handout/waiters.js';
import { BusCounters } from '../link/bus-counters.js';
import type { ReaderConnections } from '../link/reader-mail.js';
import type {
  BusStats,
  EventHandler,
  GetOptions,
  LatestOptions,
  Query,
  RetentionRule,
  SubscribeOptions,
  SubscriberInfo,
  Subscription,
  TopicInfo,
} from '../protocol/bus-api.js';
import type { Consumer, ConsumerInfo, ConsumerOptions } from '../protocol/consumers.js';
import { type TopicDefinition, TopicDefinitions } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type {
  Event,
  EventInput,
  PublishAck,
  PublishManyOptions,
  PublishOptions,
} from '../protocol/event.js';
import { type FilterInput, parseFilter } from '../protocol/filter.js';
import { READ_PAGE_EVENTS } from '../protocol/limits/endpoint.js';
import type { PruneResult } from '../protocol/operations.js';
import type {
  QuestionHandler,
  RequestOptions,
  Responder,
  RespondOptions,
} from '../protocol/requests.js';
import {
  type CancelOptions,
  checkCancel,
  parseScheduledQuery,
  type ScheduledPage,
  type ScheduledQuery,
} from '../protocol/scheduled.js';
import { subscribeArguments } from '../protocol/subscribe-arguments.js';
import { assertPattern, assertTopic } from '../protocol/topic.js';
import { shardOf } from '../protocol/topic-hash.js';
import { KeepAlive } from '../threads/keep-alive.js';
import { type Asker, ITSELF } from './asker.js';
import type { BusEndpoint, PruneOptions } from './bus-endpoint.js';
import { ClientConsumers } from './consume/client-consumers.js';
import { BusConsumer, type ConsumerHost } from './consume/consumer.js';
import { endMembers, handlersOf, whenHandled } from './consume/ending.js';
import { listConsumers } from './consume/list-consumers.js';
import { Members } from './consume/members.js';
import { openConsumer } from './consume/open-consumer.js';
import { closedError, unknownAfterFailure, unknownAtClose } from './endpoint-errors.js';
import { EndpointGateways } from './gateways.js';
import { closeAtExit, forgetAtExit, type IdleEndpoint } from './idle-exit.js';
import { type EndpointInternals, INTERNALS } from './internals.js';
import { EndpointSchedules } from './later/endpoint-schedules.js';
import { cancelScheduled, scheduledPage } from './later/scheduled.js';
import type { EndpointEnd } from './links/endpoint-end.js';
import { endpointEnds, type LinkEnds, Links } from './links/links.js';
import { SignsOfLife } from './links/signs-of-life.js';
import { MainCalls } from './main-calls.js';
import type { EndpointListener, MainThread } from './main-thread.js';
import { parsePruneOptions, parseSubscribeOptions } from './options.js';
import { pruneShards } from './prune.js';
import { OpenerChecks } from './publish/opener-checks.js';
import { Publisher, type PublisherOptions } from './publish/publisher.js';
import { HistorySource } from './read/history-source.js';
import {
  allTopics,
  furthestBehind,
  lagsOf,
  subscribersOf,
  topicPages,
} from './read/introspection.js';
import { parseLatest, parseLookup, parseQuery } from './read/parse-query.js';
import { QueryRunner } from './read/query.js';
import { ReaderPorts } from './read/reader-ports.js';
import { Questions } from './request/questions.js';
import { busStats, dedupeReach } from './stats.js';
import { checkFrom } from './subscribe/history.js';
import { startPositions } from './subscribe/start-positions.js';
import type { BusSubscription } from './subscribe/subscription.js';
import { Subscriptions } from './subscribe/subscriptions.js';
import { SystemErrors } from './system-events.js';
import { activeTracing, tracedDelivery, tracedHandler } from './tracing.js';

/** The data from which a thread makes its endpoint; it can be sent between threads. */
export interface EndpointData extends LinkEnds {
  readonly endpoint: string;
  readonly epoch: string;
  /** The `elapsedMs` at which the bus was opened. */
  readonly openedAt: number;
  /** See `src/link/bus-counters.ts`. */
  readonly busCounters: SharedArrayBuffer;
  /** The share of `busCounters` in which this endpoint counts. */
  readonly share: number;
  /** Ports to the reader threads, empty if it asks for them later. `undefined`: each shard reads its own log. */
  readonly readers: ReaderConnections | undefined;
  readonly options: PublisherOptions;
  readonly retention: readonly RetentionRule[];
  /** The patterns of the definitions with which the bus was opened. */
  readonly definedPatterns: readonly string[];
}

export interface EndpointSettings {
  readonly topics: Iterable<TopicDefinition>;
  readonly onError: (error: BusError) => void;
}

export class Endpoint extends MainCalls implements BusEndpoint, EndpointListener, IdleEndpoint {
  readonly epoch: string;
  readonly gateways: EndpointGateways;
  readonly schedules: EndpointSchedules;
  readonly #data: EndpointData;
  readonly #settings: EndpointSettings;
  readonly #readers: ReaderPorts | undefined;
  readonly #history: HistorySource;
  readonly #links: Links;
  readonly #ends: readonly EndpointEnd[];
  readonly #publisher: Publisher;
  readonly #openerChecks: OpenerChecks | undefined;
  readonly #busCounters: BusCounters;
  readonly #subscriptions: Subscriptions;
  readonly #members: Members;
  readonly #clientConsumers: ClientConsumers;
  readonly #runs = new Set<ConsumerRun>();
  readonly #queries: QueryRunner;
  readonly #signs: SignsOfLife;
  readonly #questions: Questions;
  readonly #settled = new Waiters();
  /** Held while a shard owes this endpoint an answer, and while there are subscriptions. */
  readonly #alive = new KeepAlive();
  #isClosing = false;
  readonly #systemErrors = new SystemErrors((topic, type, payload) =>
    this.#publisher.publishSystem(topic, type, payload),
  );
  /** The async context in which the bus was opened or attached; `onError` runs in it. */
  readonly #run = captureContext();
  /** Reports failures that no promise can carry. */
  readonly #onError = (error: BusError): void => {
    this.#systemErrors.notify(error);
    this.#run(this.#settings.onError, error);
  };
  #closing: Promise<void> | undefined;
  #closed: BusError | undefined;

  constructor(data: EndpointData, settings: EndpointSettings, main: MainThread) {
    super(main);
    this.epoch = data.epoch;
    this.#data = data;
    this.#settings = settings;
    this.gateways = new EndpointGateways(main, (question, signal) =>
      this.#questions.answer(question, signal),
    );
    this.#busCounters = new BusCounters(data.busCounters);
    this.#ends = endpointEnds(data, this.#alive);
    const { source, maxPayloadBytes } = data.options;
    const ofSchedules = { ends: this.#ends, main, source, maxPayloadBytes };
    this.schedules = new EndpointSchedules({ ...ofSchedules, assertOpen: () => this.assertOpen() });
    this.#readers = data.readers && new ReaderPorts(data.readers, main);
    this.#history = new HistorySource(
      this.#ends,
      this.#readers,
      main,
      data.epoch,
      data.options.shardSegments,
    );
    const dispatcher = new Dispatcher({ again: () => this.#links.runAgain() });
    this.#subscriptions = new Subscriptions(
      data,
      this.#ends,
      this.#history,
      this.#busCounters,
      dispatcher,
      this.#onError,
    );
    this.#members = new Members(this.#ends, dispatcher, this.#history.segments);
    this.#clientConsumers = new ClientConsumers(this.#consumerHost);
    const definitions = new TopicDefinitions(settings.topics);
    this.#publisher = new Publisher(data, this.#ends, definitions, this.#onError);
    this.#questions = new Questions({
      main,
      source: data.options.source,
      maxPayloadBytes: data.options.maxPayloadBytes,
      shardOf: (topic) => shardOf(topic, this.shards, data.options.shardSegments),
      validate: (topic, payload) => definitions.validate(topic, payload),
      handle: (event, handler) => tracedHandler(handler)(event),
    });
    this.#openerChecks = openerChecks(data, definitions, main);
    this.#signs = new SignsOfLife(this.#ends);
    this.#queries = new QueryRunner(this.#history, this.#ends, data.epoch);
    const onDeliveries = (): void => this.#onDeliveries();
    this.#links = new Links(data, this.#ends, this.#subscriptions, this.#members, onDeliveries);
    closeAtExit(this);
  }

  get #heads(): number[] {
    return this.#ends.map(({ control }) => control.head);
  }

  get [INTERNALS](): EndpointInternals {
    return {
      publishSystem: (topic, type, payload) => this.#publisher.publishSystem(topic, type, payload),
      countConnections: (change) => this.#busCounters.addConnections(this.#data.share, change),
      report: (error) => this.#onError(error),
      shardFaults: () => this.#signs.faults(),
      topicPages: (patterns, asker) => {
        this.assertOpen();
        return topicPages(this.#ends, patterns, asker);
      },
      subscribe: (asker, filter, handler, options) =>
        this.#subscribe(filter, handler, options, asker),
      read: (asker, query) => {
        this.assertOpen();
        return this.#queries.read(parseQuery(query), READ_PAGE_EVENTS, asker);
      },
      find: (asker, topics, id, options) => {
        this.assertOpen();
        return this.#queries.read(parseLookup(topics, id, options), 1, asker);
      },
      consumers: this.#clientConsumers,
      gateways: this.gateways,
      lags: (names) => lagsOf(this.#ends, names),
      tally: (shard, request) => this.#ends[shard]!.call('tally', () => request),
      callShard: (shard, name, request) => this.#ends[shard]!.call(name, request),
      startPositions: (filter, from, onGap) =>
        startPositions(this.#history, this.#heads, {
          filter,
          from,
          asker: ITSELF,
          isOver: () => this.#closed !== undefined,
          onGap,
        }),
      busCounters: this.#busCounters,
      maxPayloadBytes: this.#data.options.maxPayloadBytes,
      openerChecks: this.#openerChecks,
      dedupe: dedupeReach(this.#ends.map(({ control }) => control)),
    };
  }

  get isIdle(): boolean {
    return !this.#alive.isHeld && this.#questions.isIdle;
  }

  get shards(): number {
    return this.#ends.length;
  }

  publish<P>(input: EventInput<P>, options?: PublishOptions): Promise<PublishAck> {
    const tracing = activeTracing();
    if (tracing === undefined) return this.#publisher.publish(input, options);
    return tracing.publish(input, (traced) => this.#publisher.publish(traced, options));
  }

  publishMany<P>(
    inputs: readonly EventInput<P>[],
    options?: PublishManyOptions,
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
    filter: FilterInput<P>,
    handlerOrOptions?: EventHandler<P> | SubscribeOptions,
    maybeOptions?: SubscribeOptions,
  ): Subscription<P> {
    const { handler, options } = subscribeArguments<EventHandler<P>, SubscribeOptions>(
      handlerOrOptions,
      maybeOptions,
    );
    return this.#subscribe(filter, handler, options, ITSELF);
  }

  #subscribe<P>(
    filter: FilterInput<P>,
    handler: EventHandler<P> | undefined,
    given: SubscribeOptions | undefined,
    asker: Asker,
  ): BusSubscription<P> {
    this.assertOpen();
    const options = parseSubscribeOptions(given);
    const parsed = parseFilter(filter);
    checkFrom(options.from);
    const traced = handler === undefined ? undefined : tracedHandler(handler);
    this.#alive.hold();
    return this.#subscriptions.add(parsed, options, traced, asker);
  }

  async consumer<P = unknown>(name: string, options?: ConsumerOptions<P>): Promise<Consumer<P>> {
    this.assertOpen();
    return new BusConsumer<P>(await openConsumer(this.main, name, options), this.#consumerHost);
  }

  async consumers(): Promise<ConsumerInfo[]> {
    this.assertOpen();
    return listConsumers(this.#consumerHost);
  }

  get #consumerHost(): ConsumerHost {
    return {
      epoch: this.epoch,
      ends: this.#ends,
      main: this.main,
      members: this.#members,
      turns: this.#subscriptions.turns,
      runs: this.#runs,
      hasSystemEvents: this.#data.options.systemEvents !== undefined,
      assertOpen: () => this.assertOpen(),
      subscribe: (topic, handler) => this.subscribe(topic, handler),
      trace: tracedDelivery,
      report: this.#onError,
    };
  }

  async request<R = unknown, P = unknown>(
    input: EventInput<P>,
    options?: RequestOptions,
  ): Promise<Event<R>> {
    this.assertOpen();
    return this.#questions.request(input, options) as Promise<Event<R>>;
  }

  respond<P = unknown>(
    pattern: string,
    handler: QuestionHandler<P>,
    options?: RespondOptions,
  ): Responder {
    this.assertOpen();
    return this.#questions.respond(pattern, handler as QuestionHandler, options);
  }

  async query<P = unknown>(query: Query): Promise<Event<P>[]> {
    this.assertOpen();
    return this.#queries.query(parseQuery(query)) as Promise<Event<P>[]>;
  }

  read<P = unknown>(query: Query): AsyncIterable<Event<P>> {
    this.assertOpen();
    return this.#queries.read(parseQuery(query)) as AsyncIterable<Event<P>>;
  }

  latest<P = unknown>(
    topic: Query<P>['topic'],
    options: LatestOptions = {},
  ): AsyncIterable<Event<P>> {
    this.assertOpen();
    return this.#queries.read(parseLatest(topic, options)) as AsyncIterable<Event<P>>;
  }

  async get<P = unknown>(
    topic: Query<P>['topic'],
    id: string,
    options: GetOptions = {},
  ): Promise<Event<P> | undefined> {
    this.assertOpen();
    const found = this.#queries.first(parseLookup(topic, id, options));
    return found as Promise<Event<P> | undefined>;
  }

  async subscribers(topic?: string): Promise<SubscriberInfo[]> {
    this.assertOpen();
    if (topic === undefined) return furthestBehind(this.#ends);
    assertTopic(topic);
    const end = this.#ends[shardOf(topic, this.#ends.length, this.#history.segments)]!;
    return subscribersOf(end, topic);
  }

  async topics(pattern = '*'): Promise<TopicInfo[]> {
    this.assertOpen();
    assertPattern(pattern);
    return allTopics(this.#ends, pattern);
  }

  async scheduled(query: ScheduledQuery = {}): Promise<ScheduledPage> {
    this.assertOpen();
    return scheduledPage(this.#ends, parseScheduledQuery(query));
  }

  async cancel(id: string, options: CancelOptions = {}): Promise<boolean> {
    this.assertOpen();
    checkCancel(id, options);
    const { topic } = options;
    if (topic !== undefined) assertTopic(topic);
    return cancelScheduled(this.#ends, this.#shardOf, id, options);
  }

  readonly #shardOf = (topic: string): number =>
    shardOf(topic, this.#ends.length, this.#history.segments);

  async stats(): Promise<BusStats> {
    this.assertOpen();
    const controls = this.#ends.map(({ control }) => control);
    const { openedAt, retention } = this.#data;
    return busStats(this.epoch, openedAt, this.#busCounters, controls, retention);
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    this.assertOpen();
    return pruneShards(this.#ends, parsePruneOptions(options));
  }

  async drain(): Promise<void> {
    this.assertOpen();
    const atWork = [...this.#subscriptions.drained, ...handlersOf(this.#runs)];
    await drainOutside(atWork, () => this.#drain());
  }

  async #drain(): Promise<void> {
    await this.acknowledged();
    const heads = this.#heads;
    // Acks overtake deliveries; an answer to `sync` follows all deliveries up to the heads.
    const { live } = this.#links;
    await Promise.all(live.map((one) => one.call('sync', () => ({}))));
    await this.#subscriptions.whenConsumed(heads);
    await whenHandled(this.#members, this.#runs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // Notices from main.

  onRelink(shard: number, port: MessagePort, generation: number): void {
    if (this.#closed !== undefined) {
      port.close();
      return;
    }
    const end = this.#ends[shard]!;
    const resubscribe = (): void => {
      this.#subscriptions.resubscribe(end);
      this.#members.rejoin(end);
    };
    this.#links.relink(shard, port, generation, resubscribe);
  }

  onShardFailed(shard: number, error: BusError): void {
    this.#publisher.shardFailed(this.#links.fail(shard, error, unknownAfterFailure(error)));
    this.#subscriptions.shardFailed(shard, error);
    this.#members.shardFailed(shard, error);
    this.#settled.wake();
    // The dead thread may have swallowed a wake-up for deliveries of other shards.
    this.#links.run();
  }

  onClosing(): void {
    this.#isClosing = true;
    this.#publisher.refuse(closedError());
    // `block` subscriptions would hold up publishes that are still to be acknowledged.
    this.#subscriptions.endBlocking();
  }

  onClosed(): void {
    if (this.#closed !== undefined) return;
    // Takes the last acks.
    this.#links.drain();
    this.#shut();
  }

  /** Resolves when every publish has been acknowledged or refused, or after `timeoutMs`. */
  protected acknowledged(timeoutMs?: number): Promise<void> {
    const isSettled = (): boolean => this.#publisher.unacknowledged === 0;
    if (timeoutMs === undefined) return this.#settled.when(isSettled);
    let isOverdue = false;
    const timer = setTimeout(() => {
      isOverdue = true;
      this.#settled.wake();
    }, timeoutMs).unref();
    return this.#settled.when(() => isOverdue || isSettled()).finally(() => clearTimeout(timer));
  }

  readonly #handOut = (): void => this.#subscriptions.handOut();

  /** Ends the members, whose handlers may still publish meanwhile. Takes no time if there are none. */
  protected async endMembers(): Promise<void> {
    const closed = closedError();
    this.#members.refuse(closed);
    await endMembers(this.#members, this.#runs, closed);
  }

  /** Called after all shards' rings were read. */
  #onDeliveries(): void {
    this.#publisher.pump();
    this.#members.handOut(this.#handOut);
    this.#settled.wake();
    const hasLive = this.#subscriptions.hasLive || this.#members.hasLive;
    const hasWork = hasLive || this.#links.hasWork;
    if (!hasWork) this.#alive.release();
  }

  async #close(): Promise<void> {
    if (this.#closed !== undefined) return;
    if (this.#members.all().length > 0) await this.endMembers();
    this.onClosing();
    await this.acknowledged();
    this.#subscriptions.close(false);
    const { live } = this.#links;
    await Promise.allSettled(live.map((end) => end.call('leave', () => ({}))));
    await this.main.call('dismiss', {}).catch(() => {});
    this.main.close();
    this.#shut();
  }

  /** Releases everything at once; calls and publishes that wait are refused. */
  #shut(): void {
    const error = closedError();
    this.#closed = error;
    this.#links.stop();
    this.#publisher.refuse(error);
    for (const end of this.#ends) {
      end.fail(error, end.control.state === 'stopped' ? error : unknownAtClose());
    }
    this.#links.close();
    this.#readers?.close(error);
    this.#publisher.close();
    this.#subscriptions.close(true);
    this.#members.close(error);
    this.#questions.close(error);
    this.#settled.wake();
    this.#alive.release();
    forgetAtExit(this);
  }

  protected override report(error: BusError): void {
    this.#onError(error);
  }

  protected override assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#isClosing) throw closedError();
  }
}

/** Undefined if this thread has every definition itself, as the opener does. */
function openerChecks(
  { definedPatterns, options }: EndpointData,
  own: TopicDefinitions,
  main: MainThread,
): OpenerChecks | undefined {
  const patterns = definedPatterns.filter((pattern) => !own.has(pattern));
  if (patterns.length === 0) return undefined;
  const { maxPayloadBytes } = options;
  return new OpenerChecks((request) => main.call('checkPayloads', request), {
    patterns,
    maxPayloadBytes,
  });
}
