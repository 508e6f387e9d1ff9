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
import { Dispatcher } from '../handout/dispatcher.js';
import { Waiters } from '../handout/waiters.js';
import { BusCounters } from '../link/bus-counters.js';
import type { EventHandler, SubscribeOptions, Subscription } from '../protocol/bus-api.js';
import type { Consumer, ConsumerInfo, ConsumerOptions } from '../protocol/consumers.js';
import { TopicDefinitions } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type { Event, EventInput } from '../protocol/event.js';
import { type FilterInput, parseFilter } from '../protocol/filter.js';
import type {
  QuestionHandler,
  RequestOptions,
  Responder,
  RespondOptions,
} from '../protocol/requests.js';
import { SINK_PLACE } from '../protocol/sink-figures.js';
import { subscribeArguments } from '../protocol/subscribe-arguments.js';
import { shardOf } from '../protocol/topic-hash.js';
import { KeepAlive } from '../threads/keep-alive.js';
import { type Asker, ITSELF } from './asker.js';
import type { BusEndpoint } from './bus-endpoint.js';
import { EndpointConsumers } from './consume/endpoint-consumers.js';
import type { Members } from './consume/members.js';
import type { EndpointData, EndpointSettings } from './endpoint-data.js';
import { closedError, unknownAfterFailure, unknownAtClose } from './endpoint-errors.js';
import { endpointInternals, type InternalParts } from './endpoint-internals.js';
import { EndpointGateways } from './gateways.js';
import { closeAtExit, forgetAtExit, type IdleEndpoint } from './idle-exit.js';
import { type EndpointInternals, INTERNALS } from './internals.js';
import { ClientLater } from './later/client-later.js';
import { EndpointSchedules } from './later/endpoint-schedules.js';
import type { EndpointEnd } from './links/endpoint-end.js';
import { endpointEnds, Links } from './links/links.js';
import { SignsOfLife } from './links/signs-of-life.js';
import type { EndpointListener, MainThread } from './main-thread.js';
import { parseSubscribeOptions } from './options.js';
import { type OpenerChecks, openerChecks } from './publish/opener-checks.js';
import { Publisher } from './publish/publisher.js';
import { PublishCalls } from './publish-calls.js';
import { HistorySource } from './read/history-source.js';
import { QueryRunner } from './read/query.js';
import { ReaderPorts } from './read/reader-ports.js';
import type { Reading } from './read-calls.js';
import { Questions } from './request/questions.js';
import { EndpointSinks } from './sinks.js';
import { consumersMark } from './stats.js';
import { checkFrom } from './subscribe/history.js';
import type { BusSubscription } from './subscribe/subscription.js';
import { Subscriptions } from './subscribe/subscriptions.js';
import { SystemErrors } from './system-events.js';
import { tracedDelivery, tracedHandler } from './tracing.js';

export class Endpoint extends PublishCalls implements BusEndpoint, EndpointListener, IdleEndpoint {
  readonly epoch: string;
  readonly gateways: EndpointGateways;
  readonly schedules: EndpointSchedules;
  readonly [SINK_PLACE]: EndpointSinks;
  readonly #later: ClientLater;
  protected readonly reading: Reading;
  readonly #data: EndpointData;
  readonly #settings: EndpointSettings;
  readonly #readers: ReaderPorts | undefined;
  readonly #links: Links;
  readonly #ends: readonly EndpointEnd[];
  /** The links to where the shards' consumers are served. */
  readonly #deskEnds: readonly EndpointEnd[];
  protected readonly publisher: Publisher;
  readonly #subscriptions: Subscriptions;
  readonly #members: Members;
  readonly #consumers: EndpointConsumers;
  readonly #questions: Questions;
  readonly #internals: InternalParts;
  readonly #settled = new Waiters();
  /** Held while a shard owes this endpoint an answer, and while there are subscriptions. */
  readonly #alive = new KeepAlive();
  #isClosing = false;
  readonly #systemErrors = new SystemErrors((topic, type, payload) =>
    this.publisher.publishSystem(topic, type, payload),
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
    const ends = endpointEnds(data, this.#alive);
    this.#ends = ends.slice(0, data.shards);
    this.#deskEnds = ends.length > data.shards ? ends.slice(data.shards) : this.#ends;
    const { source, maxPayloadBytes } = data.options;
    const assertOpen = (): void => this.assertOpen();
    const later = { ends: this.#ends, main, source, maxPayloadBytes, assertOpen };
    this.schedules = new EndpointSchedules(later);
    this.#later = new ClientLater({ ...later, segments: data.options.shardSegments });
    this.#readers = data.readers && new ReaderPorts(data.readers, main);
    const segments = data.options.shardSegments;
    const history = new HistorySource(this.#ends, this.#readers, main, data.epoch, segments);
    const queries = new QueryRunner(history, this.#ends, data.epoch);
    const dispatcher = new Dispatcher({ again: () => this.#links.runAgain() });
    const busCounters = new BusCounters(data.busCounters);
    this.#subscriptions = new Subscriptions(
      data,
      this.#ends,
      history,
      busCounters,
      dispatcher,
      this.#onError,
    );
    this[SINK_PLACE] = this.#makeSinks();
    this.#consumers = this.#makeConsumers(dispatcher, history.segments);
    this.#members = this.#consumers.members;
    const definitions = new TopicDefinitions(settings.topics);
    this.publisher = new Publisher(data, this.#ends, definitions, this.#onError);
    this.reading = this.#makeReading(queries, history.segments, busCounters);
    this.#questions = new Questions({
      main,
      source,
      maxPayloadBytes,
      shardOf: (topic) => shardOf(topic, this.shards, segments),
      validate: (topic, payload) => definitions.validate(topic, payload),
      handle: (event, handler) => tracedHandler(handler)(event),
    });
    const checks = openerChecks(data, definitions, (request) =>
      main.call('checkPayloads', request),
    );
    this.#internals = this.#internalParts(history, checks);
    const onDeliveries = (): void => this.#onDeliveries();
    this.#links = new Links(data, ends, this.#subscriptions, this.#members, onDeliveries);
    closeAtExit(this);
  }

  #makeConsumers(turns: Dispatcher, segments: number): EndpointConsumers {
    const endpoint = {
      epoch: this.epoch,
      ends: this.#deskEnds,
      main: this.main,
      hasSystemEvents: this.#data.options.systemEvents !== undefined,
      assertOpen: () => this.assertOpen(),
      subscribe: <P>(topic: string, handler: EventHandler<P>) => this.subscribe(topic, handler),
      trace: tracedDelivery,
      publishWithAck: this.publishWithAck,
      report: this.#onError,
      sinks: this[SINK_PLACE],
    };
    return new EndpointConsumers(endpoint, turns, segments);
  }

  #makeSinks(): EndpointSinks {
    return new EndpointSinks({
      endpoint: this.#data.endpoint,
      main: this.main,
      consumersMark: () => consumersMark(this.#deskEnds.map(({ control }) => control)),
      pendingOf: (names) => this.#consumers.pendingOf(names),
    });
  }

  #makeReading(queries: QueryRunner, segments: number, busCounters: BusCounters): Reading {
    const { openedAt, retention } = this.#data;
    const deskEnds = this.#deskEnds;
    return { ends: this.#ends, deskEnds, queries, segments, busCounters, openedAt, retention };
  }

  #internalParts(history: HistorySource, checks: OpenerChecks | undefined): InternalParts {
    return {
      ...this.reading,
      publisher: this.publisher,
      history,
      signs: new SignsOfLife(this.#ends),
      clientConsumers: this.#consumers.clients,
      later: this.#later,
      gateways: this.gateways,
      share: this.#data.share,
      openerChecks: checks,
      maxPayloadBytes: this.#data.options.maxPayloadBytes,
      assertOpen: () => this.assertOpen(),
      isClosed: () => this.#closed !== undefined,
      report: this.#onError,
      subscribe: (filter, handler, options, asker) =>
        this.#subscribe(filter, handler, options, asker),
    };
  }

  get #heads(): number[] {
    return this.#ends.map(({ control }) => control.head);
  }

  get [INTERNALS](): EndpointInternals {
    return endpointInternals(this.#internals);
  }

  get isIdle(): boolean {
    return !this.#alive.isHeld && this.#questions.isIdle;
  }

  get shards(): number {
    return this.#ends.length;
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

  consumer<P = unknown>(name: string, options?: ConsumerOptions<P>): Promise<Consumer<P>> {
    return this.#consumers.open(name, options);
  }

  consumers(): Promise<ConsumerInfo[]> {
    return this.#consumers.list();
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

  async drain(): Promise<void> {
    this.assertOpen();
    const atWork = [...this.#subscriptions.drained, ...this.#consumers.atWork];
    await drainOutside(atWork, () => this.#drain());
  }

  async #drain(): Promise<void> {
    await this.acknowledged();
    const heads = this.#heads;
    // Acks overtake deliveries; an answer to `sync` follows all deliveries up to the heads.
    const { live } = this.#links;
    await Promise.all(live.map((one) => one.call('sync', () => ({}))));
    await this.#subscriptions.whenConsumed(heads);
    await this.#consumers.handled();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // Notices from main.

  onRelink(link: number, port: MessagePort, generation: number): void {
    if (this.#closed !== undefined) {
      port.close();
      return;
    }
    const end = this.#ends[link];
    const desk = this.#deskOf(link);
    const resubscribe = (): void => {
      if (end !== undefined) this.#subscriptions.resubscribe(end);
      if (desk !== undefined) this.#members.rejoin(desk);
    };
    this.#links.relink(link, port, generation, resubscribe);
  }

  /** The desk that the link leads to, if it leads to one. */
  #deskOf(link: number): EndpointEnd | undefined {
    const first = this.#deskEnds === this.#ends ? 0 : this.#ends.length;
    return this.#deskEnds[link - first];
  }

  onShardFailed(link: number, error: BusError): void {
    const failed = this.#links.fail(link, error, unknownAfterFailure(error));
    if (link < this.#ends.length) {
      this.publisher.shardFailed(failed);
      this.#subscriptions.shardFailed(link, error);
    }
    const desk = this.#deskOf(link);
    if (desk !== undefined) this.#members.shardFailed(desk.shard, error);
    this.#settled.wake();
    // The dead thread may have swallowed a wake-up for deliveries of other shards.
    this.#links.run();
  }

  onReaderEnded(thread: number): void {
    this.#readers?.ended(thread);
  }

  onClosing(): void {
    this.#isClosing = true;
    this.publisher.refuse(closedError());
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
    const isSettled = (): boolean => this.publisher.unacknowledged === 0;
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
  protected endMembers(): Promise<void> {
    return this.#consumers.end(closedError());
  }

  /** Called after all shards' rings were read. */
  #onDeliveries(): void {
    this.publisher.pump();
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
    this.publisher.refuse(error);
    for (const end of new Set([...this.#ends, ...this.#deskEnds])) {
      end.fail(error, end.control.state === 'stopped' ? error : unknownAtClose());
    }
    this.#links.close();
    this.#readers?.close(error);
    this.publisher.close();
    this.#subscriptions.close(true);
    this.#members.close(error);
    this.#questions.close(error);
    this[SINK_PLACE].close();
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
