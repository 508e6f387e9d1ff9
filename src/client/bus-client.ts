import { drainOutside } from '../async-context/drain-in-handler.js';
import { Dispatcher } from '../handout/dispatcher.js';
import { Emitter } from '../handout/emitter.js';
import type { BusApi, EventHandler } from '../protocol/bus-api.js';
import { TopicDefinitions } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import { type FilterInput, parseFilter } from '../protocol/filter.js';
import { CLIENT_TRIES_BEFORE_NOTIFIED } from '../protocol/limits/client.js';
import { PAYLOAD_BYTES_MAX } from '../protocol/limits/events.js';
import { WEBSOCKET_FRAME_BYTES_MAX } from '../protocol/limits/websocket.js';
import { subscribeArguments } from '../protocol/subscribe-arguments.js';
import type { ServerFrame, Welcome } from '../protocol/wire.js';
import { CallingClient } from './calls.js';
import type { CoalescedEvent } from './coalescer.js';
import { ClientConsumers } from './consume/client-consumers.js';
import { type ConnectOptions, parseConnectOptions } from './options.js';
import { Outbox } from './outbox.js';
import { watchPage } from './page-hints.js';
import { ClientPublisher } from './publisher.js';
import { type ClientState, Reconnector, type StateChange } from './reconnector.js';
import { ClientQuestions } from './request/client-questions.js';
import { Requests } from './requests.js';
import type { OpenSocket } from './socket.js';
import { type ClientSubscribeOptions, parseSubscribeOptions } from './subscribe-options.js';
import type { SubscriptionHandle } from './subscription.js';
import { ClientSubscriptions } from './subscriptions.js';

/**
 * The client: the calls of a bus, over a connection that comes and goes. Publishes and requests that wait for the
 * server are kept here, bounded, and go on over the next connection.
 */

export interface ClientEvents {
  state: (change: StateChange) => void;
}

const CLIENT_EVENTS = ['state'] as const;

/** Options with `coalesce`: the handler or iterator gets coalesced events. */
export type CoalescedSubscribeOptions<P> = ClientSubscribeOptions<P> &
  Required<Pick<ClientSubscribeOptions<P>, 'coalesce'>>;

export class BusClient extends CallingClient implements BusApi {
  readonly url: string;
  readonly #reconnector: Reconnector;
  readonly #requests: Requests;
  readonly #outbox: Outbox;
  readonly #publisher: ClientPublisher;
  readonly #onError: (error: BusError) => void;
  readonly #emitter = new Emitter<ClientEvents>('the client', CLIENT_EVENTS, (error) =>
    this.#onError(error),
  );
  readonly #subscriptions: ClientSubscriptions;
  /** Shared by all subscriptions, so that their handlers together do not keep the thread busy for long. */
  readonly #turns = new Dispatcher();
  protected readonly durable: ClientConsumers;
  readonly #questions: ClientQuestions;
  #welcome: Welcome | undefined;
  #unwatchPage: (() => void) | undefined;
  #lastError: BusError | undefined;
  #status: StateChange = Object.freeze({ state: 'idle', previous: 'idle' });
  #isLazy: boolean;

  /** @throws BusError `OPTION_INVALID` */
  constructor(openSocket: OpenSocket, url: string | URL, options?: ConnectOptions) {
    super();
    const parsed = parseConnectOptions(url, options);
    this.url = parsed.url;
    this.#onError = parsed.onError;
    this.#isLazy = parsed.lazy;
    this.#reconnector = new Reconnector(openSocket, parsed, {
      onState: (change) => this.#onState(change),
      onWelcome: (welcome) => {
        this.#welcome = welcome;
      },
      onConnected: () => this.#onConnected(),
      onLost: () => this.#onLost(),
      onFrame: (frame, text) => this.#onFrame(frame, text),
      onFailed: (error) => this.#fail(error),
    });
    this.#requests = new Requests(this.#reconnector, parsed.requestTimeoutMs);
    this.#outbox = new Outbox(parsed, {
      send: (frame) => this.#reconnector.send(frame),
      nextId: () => this.#requests.nextId(),
      cut: (error) => this.#reconnector.cut(error),
    });
    this.durable = new ClientConsumers({
      requests: this.#requests,
      turns: this.#turns,
      isConnected: () => this.state === 'connected',
      cut: (error) => this.#reconnector.cut(error),
      groupText: (inputs, options) => this.#publisher.groupText(inputs, options),
      wake: () => this.#wake(),
      subscribe: (topic, handler) => this.subscribe(topic, handler),
      report: (error) => this.#onError(error),
    });
    this.#subscriptions = new ClientSubscriptions({
      requests: this.#requests,
      turns: this.#turns,
      send: (frame) => this.#reconnector.send(frame),
      cut: (error) => this.#reconnector.cut(error),
      report: (error) => this.#onError(error),
      isConnected: () => this.state === 'connected',
    });
    this.#questions = new ClientQuestions({
      requests: this.#requests,
      source: parsed.source,
      definitions: new TopicDefinitions(parsed.topics),
      limits: () => this.#limits(),
      isConnected: () => this.state === 'connected',
      send: (frame) => this.#reconnector.send(frame),
    });
    this.#publisher = new ClientPublisher(this.#outbox, parsed, () => this.#limits());
    if (!this.#isLazy) this.connect();
  }

  get state(): ClientState {
    return this.#reconnector.state;
  }

  /** The last change of the state; the same object until the next. */
  get status(): StateChange {
    return this.#status;
  }

  /** The epoch of the server's log, as the last welcome named it; `undefined` before the first. */
  get epoch(): string | undefined {
    return this.#welcome?.epoch;
  }

  /**
   * The server's description of itself and of the client's principal, as of the last welcome; `undefined` before the
   * first.
   */
  get server(): Welcome | undefined {
    return this.#welcome;
  }

  /** How many connections were made after the first. */
  get reconnects(): number {
    return this.#reconnector.reconnects;
  }

  /** How many published events the server has not acknowledged yet. */
  get unacknowledged(): number {
    return this.#outbox.events;
  }

  on<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): this {
    this.#emitter.on(event, listener);
    return this;
  }

  off<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): this {
    this.#emitter.off(event, listener);
    return this;
  }

  /**
   * Begins to connect if the state is `idle` or `failed`; otherwise does nothing. The subscriptions that ended with the
   * failure do not come back.
   */
  connect(): void {
    if (this.state !== 'idle' && this.state !== 'failed') return;
    this.#publisher.refuse(undefined);
    this.durable.revive();
    this.#unwatchPage ??= watchPage(() => this.#reconnector.wake());
    this.#reconnector.connect();
  }

  /**
   * Resolves when the client is connected; begins to connect if the state is `idle`.
   * @throws BusError the error with which the client failed, or `BUS_CLOSED`
   */
  connected(): Promise<void> {
    if (this.state === 'idle') this.connect();
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        if (this.state === 'connecting' || this.state === 'reconnecting') return;
        this.off('state', settle);
        if (this.state === 'connected') resolve();
        else reject(this.#ended());
      };
      this.on('state', settle);
      settle();
    });
  }

  drained(): Promise<void> {
    return this.#outbox.drained();
  }

  subscribe<P = unknown>(
    filter: FilterInput<P>,
    options: CoalescedSubscribeOptions<P>,
  ): CoalescedSubscription<P>;
  subscribe<P = unknown>(
    filter: FilterInput<P>,
    handler: (event: CoalescedEvent<P>) => void | Promise<void>,
    options: CoalescedSubscribeOptions<P>,
  ): CoalescedSubscription<P>;
  subscribe<P = unknown>(
    filter: FilterInput<P>,
    options?: ClientSubscribeOptions<P>,
  ): SubscriptionHandle<P>;
  subscribe<P = unknown>(
    filter: FilterInput<P>,
    handler: EventHandler<P>,
    options?: ClientSubscribeOptions<P>,
  ): SubscriptionHandle<P>;
  subscribe<P = unknown>(
    filter: FilterInput<P>,
    second?:
      | EventHandler<P>
      | ((event: CoalescedEvent<P>) => void | Promise<void>)
      | ClientSubscribeOptions<P>,
    third?: ClientSubscribeOptions<P>,
  ): SubscriptionHandle<P> | CoalescedSubscription<P> {
    const { handler, options: given } = subscribeArguments<
      EventHandler<P>,
      ClientSubscribeOptions<P>
    >(second, third);
    const options = parseSubscribeOptions<P>(given);
    const parsed = parseFilter(filter);
    this.#wake();
    return this.#subscriptions.add(parsed, options, handler);
  }

  /**
   * Waits until every published event is acknowledged, every event that has arrived is consumed, and the handlers of
   * consumers that are at work have ended. While offline it waits for the server.
   */
  async drain(): Promise<void> {
    const drained = this.#subscriptions.all().map((one) => one.drained);
    await drainOutside([...drained, ...this.durable.drained], async () => {
      await this.#outbox.emptied();
      await Promise.all(this.#subscriptions.all().map((one) => one.emptied()));
      await this.durable.handled();
    });
  }

  /**
   * Ends at once: publishes that are not acknowledged fail, with `PUBLISH_UNKNOWN` if they were sent, and subscriptions
   * end without an error. After a `drain()` nothing is lost.
   */
  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.#unwatchPage?.();
    this.durable.flush();
    this.#reconnector.close();
    const error = this.#ended();
    this.#publisher.refuse(error);
    this.#outbox.fail(error);
    this.#requests.fail(error);
    this.durable.end(error);
    this.#questions.end(error);
    this.#subscriptions.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  protected override requests(): Requests {
    this.#wake();
    return this.#requests;
  }

  protected override questions(): ClientQuestions {
    this.#wake();
    return this.#questions;
  }

  protected override publisher(): ClientPublisher {
    this.#wake();
    return this.#publisher;
  }

  /** Connects a lazy client when it is first used. @throws BusError if the client is closed or has failed */
  #wake(): void {
    if (this.state === 'idle' && this.#isLazy) this.connect();
    if (this.state === 'closed' || this.state === 'failed') throw this.#ended();
  }

  #limits(): { payloadBytes: number; frameBytes: number } {
    return (
      this.#welcome?.limits ?? {
        payloadBytes: PAYLOAD_BYTES_MAX,
        frameBytes: WEBSOCKET_FRAME_BYTES_MAX,
      }
    );
  }

  #onState(change: StateChange): void {
    if (change.error !== undefined) this.#lastError = change.error;
    this.#status = change;
    this.#emitter.emit('state', change);
    // `attempt` counts from 1 in each outage, so each outage is reported once.
    if (change.attempt === CLIENT_TRIES_BEFORE_NOTIFIED) this.#notifyUnreachable(change.attempt);
  }

  /** A client tries for ever by default, so a wrong URL would otherwise go unnoticed. */
  #notifyUnreachable(attempts: number): void {
    const { url } = this;
    const cause = this.#lastError;
    const message = `${attempts} tries in a row gave no lasting connection to ${url}, and more will follow`;
    const last = cause === undefined ? '' : `; the last: ${cause.message}`;
    const details = { url, attempts };
    this.#onError(new BusError('CONNECTION_FAILED', message + last, { cause, details }));
  }

  #onConnected(): void {
    // Subscriptions first, so that they see the events that this client publishes next.
    this.#subscriptions.connected();
    this.#outbox.connected(this.#welcome!.limits.dedupeReachMs);
    this.#requests.connected();
    this.durable.connected();
    this.#questions.connected();
  }

  #onLost(): void {
    this.#requests.lost();
    this.#outbox.lost();
    this.durable.lost();
    this.#questions.lost();
    this.#subscriptions.lost();
  }

  #onFrame(frame: ServerFrame, text: string): void {
    if (this.#outbox.take(frame) || this.#requests.take(frame, text)) return;
    if (this.durable.take(frame) || this.#questions.take(frame)) return;
    const { subscription: name } = frame.payload as { readonly subscription?: string };
    if (name === undefined || frame.requestId !== undefined) {
      // An error without a requestId or a subscription means that the server could not read a frame of this client.
      if (frame.type === 'error' && frame.requestId === undefined)
        this.#onError(BusError.from(frame.payload));
      return;
    }
    this.#subscriptions.onFrame(name, frame, text.length);
  }

  #fail(error: BusError): void {
    this.#unwatchPage?.();
    this.#unwatchPage = undefined;
    const failure = this.#ended();
    this.#publisher.refuse(failure);
    this.#outbox.fail(failure);
    this.#requests.fail(failure);
    this.durable.end(failure);
    this.#questions.end(failure);
    this.#subscriptions.giveUp(error);
  }

  #ended(): BusError {
    if (this.state === 'closed') return new BusError('BUS_CLOSED', 'the client is closed');
    return this.#lastError ?? new BusError('CONNECTION_FAILED', 'the client has given up');
  }
}

/** A subscription with `coalesce`; its iterator gives coalesced events. */
export interface CoalescedSubscription<P>
  extends Omit<SubscriptionHandle<P>, typeof Symbol.asyncIterator> {
  [Symbol.asyncIterator](): AsyncIterator<CoalescedEvent<P>>;
}
