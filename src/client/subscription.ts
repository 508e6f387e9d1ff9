import { assertMayDrain, type Drained } from '../async-context/drain-in-handler.js';
import { loopIterator } from '../collections/loop-iterator.js';
import { Emitter } from '../handout/emitter.js';
import type {
  EventHandler,
  SubscribeFrom,
  Subscription,
  SubscriptionEvents,
} from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { type FilterInput, type ParsedFilter, parseFilter } from '../protocol/filter.js';
import { CLIENT_SUBSCRIBE_RETRY_MS, CLIENT_WINDOW_BYTES } from '../protocol/limits.js';
import { messageOf } from '../protocol/thrown.js';
import type { ServerFrame, ServerPayloads } from '../protocol/wire.js';
import { retryAfterMs, spreadMs } from './backoff.js';
import { Delivery } from './delivery.js';
import { FilterUpdates } from './filter-updates.js';
import { Intake } from './intake.js';
import type { Requests } from './requests.js';
import { knownCode } from './server-frame.js';
import { type ParsedSubscribeOptions, wireFrom } from './subscribe-options.js';
import { WindowReport } from './window-report.js';

/**
 * A subscription of a client. Over each connection it is opened anew, behind the last event that
 * arrived; what has arrived and waits here stays. So nothing comes twice and nothing is left out,
 * however often the connection is lost.
 *
 * The server may be ahead of the consumer by a window of events and bytes; what is consumed is told
 * to it from time to time. It holds back the rest, so a slow consumer costs bounded memory here.
 */

export interface SubscriptionHost {
  readonly requests: Requests;
  isConnected(): boolean;
  send(frame: string): boolean;
  cut(error: BusError): void;
  forget(subscription: ClientSubscription): void;
  report(error: BusError): void;
}

/** `away`: the server does not have it, or this side does not know that it has. */
type Stage = 'away' | 'opening' | 'open';

/** Refusals after which the same request may well succeed. */
const TRANSIENT: readonly string[] = ['RATE_LIMITED', 'BACKPRESSURE', 'TIMEOUT', 'SHARD_RESTARTED'];

/** What the user of a subscription has of it. */
export interface SubscriptionHandle<P = unknown> extends Subscription<P> {
  off<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this;
}

export class ClientSubscription<P = unknown> implements SubscriptionHandle<P> {
  readonly id: string;
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly #options: ParsedSubscribeOptions<P>;
  readonly #host: SubscriptionHost;
  readonly #delivery: Delivery<P>;
  readonly #intake: Intake<P>;
  readonly #report: WindowReport;
  readonly #emitter: Emitter<SubscriptionEvents>;
  readonly #filter: FilterUpdates;
  /** Where it begins if the server has told no position yet. */
  readonly #from: SubscribeFrom;
  #stage: Stage = 'away';
  /** Counts openings, so that an answer to an earlier one is known. */
  #opening = 0;
  #dropped = 0;
  #isWaitingForRoom = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #isEnded = false;
  #isFinished = false;
  #resolveReady!: () => void;
  #rejectReady!: (error: Error) => void;
  #resolveClosed!: () => void;
  #rejectClosed!: (error: Error) => void;

  constructor(
    id: string,
    filter: ParsedFilter,
    options: ParsedSubscribeOptions<P>,
    handler: EventHandler<P> | undefined,
    host: SubscriptionHost,
  ) {
    this.id = id;
    this.#options = options;
    this.#host = host;
    this.#from = wireFrom(options.from);
    this.#emitter = new Emitter(id, (error) => host.report(error));
    const { from, coalesce, windowEvents } = options;
    const start = typeof from === 'object' && 'after' in from ? from.after : '';
    this.#delivery = new Delivery<P>(start, handler, {
      onConsumed: (events, chars) => this.#onConsumed(events, chars),
      onIdle: () => this.#intake.onIdle(),
      onHandlerFailed: (error) => this.fail(error),
    });
    this.#intake = new Intake<P>(options, this.#delivery, {
      onConsumed: (events, chars) => this.#onConsumed(events, chars),
      onFailed: (error) => this.fail(error),
    });
    this.#report = new WindowReport(windowEvents, coalesce !== undefined);
    this.#filter = new FilterUpdates(filter, (next, done) => this.#sendUpdate(next, done));
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.closed = new Promise((resolve, reject) => {
      this.#resolveClosed = resolve;
      this.#rejectClosed = reject;
    });
    // Whoever does not look at these is told through 'error' and the client.
    this.ready.catch(() => {});
    this.closed.catch(() => {});
  }

  get cursor(): string {
    return this.#delivery.position.cursor;
  }

  get pending(): number {
    return this.#delivery.pending + this.#intake.gathered;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Events here that are not consumed; what the server holds back is not known and not counted. */
  get lag(): number {
    return this.#held;
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#emitter.on(event, listener);
    return this;
  }

  off<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#emitter.off(event, listener);
    return this;
  }

  async update(filter: FilterInput<P>): Promise<void> {
    const parsed = parseFilter(filter);
    if (this.#isEnded) throw this.#endedError();
    await this.#filter.want(parsed);
  }

  async unsubscribe(): Promise<void> {
    this.#clear();
    await this.#leave();
    this.#finish();
  }

  /** What a `drain()` has to know of it. */
  get drained(): Drained {
    return { id: this.id, ...this.#delivery.handler };
  }

  async drain(): Promise<void> {
    assertMayDrain([this.drained]);
    await this.#leave();
    this.#intake.flush();
    await this.#delivery.emptied();
    this.#finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unsubscribe();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Event<P>> {
    const leave = (): Promise<void> => {
      // What waits goes first: the marks among it are behind the event in hand. That may have been left by an error in the
      // loop's body: rather once too often than never.
      this.#clear();
      this.#delivery.abandon();
      return this.unsubscribe();
    };
    return loopIterator(() => this.#delivery.next(), leave);
  }

  /** Resolves when what has arrived is consumed. */
  emptied(): Promise<void> {
    this.#intake.flush();
    return this.#delivery.emptied();
  }

  /** There is a connection: asks the server for what follows. */
  open(): void {
    if (this.#isEnded || this.#stage !== 'away' || !this.#host.isConnected()) return;
    // The new window comes on top of what is held, so that has to be the smaller part.
    this.#isWaitingForRoom = this.#held > this.#options.windowEvents / 2;
    if (this.#isWaitingForRoom) return;
    this.#stage = 'opening';
    this.#report.open(this.#held);
    const opening = ++this.#opening;
    const filter = this.#filter.sending();
    const { overflow, maxBuffer, windowEvents } = this.#options;
    const { reached } = this.#intake;
    const window = { events: windowEvents, bytes: CLIENT_WINDOW_BYTES };
    const request = {
      subscription: this.id,
      filter,
      from: reached === undefined ? this.#from : { after: reached },
      overflow,
      maxBuffer,
      window,
    };
    this.#host.requests.tell(
      'subscribe',
      JSON.stringify(request),
      ({ cursor }) => {
        if (opening === this.#opening && !this.#isEnded) this.#onSubscribed(cursor);
      },
      (error) => {
        if (opening === this.#opening && !this.#isEnded) this.#onRefused(error);
      },
    );
  }

  /** The connection is gone, and with it the server's side. */
  lost(): void {
    this.#stage = 'away';
    this.#opening++;
    this.#isWaitingForRoom = false;
    clearTimeout(this.#retryTimer);
  }

  /** @throws BusError `MESSAGE_INVALID`, `CURSOR_INVALID` where the server talks nonsense */
  onFrame(frame: ServerFrame, length: number): void {
    if (this.#isEnded || this.#stage !== 'open') return;
    this.#intake.checkBounds(frame.type === 'events' ? frame.payload.events.length : 0);
    switch (frame.type) {
      case 'events':
        this.#intake.take(frame.payload, length);
        break;
      case 'caughtUp': {
        const { cursor } = frame.payload;
        this.#intake.reach(cursor);
        this.#intake.mark(cursor, () => this.#emitter.emit('caughtUp', { cursor }));
        break;
      }
      case 'gap': {
        const { shard, from, to, reason } = frame.payload;
        this.#intake.mark(undefined, () => this.#emitter.emit('gap', { shard, from, to, reason }));
        break;
      }
      case 'dropped':
        this.#dropped += frame.payload.count;
        this.#emitter.emit('dropped', { count: frame.payload.count });
        break;
      case 'ended':
        this.#onEnded(frame.payload);
    }
  }

  /** Ends it in an error. What was received and not consumed is dropped; the cursor says where to go on. */
  fail(error: Error): void {
    if (this.#isFinished) return;
    this.#clear();
    void this.#leave();
    this.#finish(error);
  }

  /** The client has given up. */
  giveUp(error: BusError): void {
    this.fail(this.#withCursor(error));
  }

  /** The client closes. */
  close(): void {
    this.#clear();
    this.#isEnded = true;
    this.#intake.stop();
    this.#finish();
  }

  get #held(): number {
    return this.#delivery.held + this.#intake.gathered;
  }

  #onSubscribed(cursor: string): void {
    this.#stage = 'open';
    this.#intake.reach(cursor);
    // Behind whatever waits: an epoch may have begun in between.
    this.#intake.mark(cursor);
    this.#resolveReady();
    this.#filter.sent();
  }

  #onRefused(error: BusError): void {
    this.#stage = 'away';
    if (error.code === 'CONNECTION_FAILED') return;
    if (error.code === 'BUS_CLOSED') this.#host.cut(error);
    else if (TRANSIENT.includes(error.code)) {
      const ms = spreadMs(retryAfterMs(error) || CLIENT_SUBSCRIBE_RETRY_MS, Math.random());
      this.#retryTimer = setTimeout(() => this.open(), ms);
    } else this.fail(this.#withCursor(error));
  }

  #onEnded({ code, message }: ServerPayloads['ended']): void {
    this.#stage = 'away';
    const error = new BusError(knownCode(code), message);
    // The server stops: it will be back, and so will this.
    if (error.code === 'BUS_CLOSED') this.#host.cut(error);
    else this.fail(this.#withCursor(error));
  }

  #onConsumed(events: number, chars: number): void {
    this.#report.consumed(events, chars);
    this.#tellConsumed();
    if (this.#isWaitingForRoom) this.open();
  }

  #tellConsumed(): void {
    if (this.#stage !== 'open') return;
    const events = this.#report.take();
    if (events === 0) return;
    const payload = { subscription: this.id, events };
    this.#host.send(JSON.stringify({ type: 'consumed', payload }));
  }

  #sendUpdate(filter: ParsedFilter, done: (error?: BusError) => void): boolean {
    if (this.#stage !== 'open') return false;
    const payload = JSON.stringify({ subscription: this.id, filter });
    this.#host.requests.tell('update', payload, () => done(), done);
    return true;
  }

  #clear(): void {
    this.#delivery.clear();
    this.#intake.clear();
    clearTimeout(this.#retryTimer);
  }

  /** Takes no more events; resolves when the server knows, or is gone. */
  #leave(): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    this.#isEnded = true;
    this.#intake.stop();
    clearTimeout(this.#retryTimer);
    this.#host.forget(this as ClientSubscription);
    this.#filter.fail(this.#endedError());
    const isAway = this.#stage === 'away';
    // What is consumed from here on is nobody's credit: the name may be another's by now.
    this.#stage = 'away';
    if (isAway) return Promise.resolve();
    return new Promise((resolve) => {
      const payload = JSON.stringify({ subscription: this.id });
      this.#host.requests.tell(
        'unsubscribe',
        payload,
        () => resolve(),
        () => resolve(),
      );
    });
  }

  #finish(failure?: Error): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#filter.fail(this.#endedError());
    this.#delivery.finish(failure);
    if (failure === undefined) {
      this.#resolveReady();
      this.#resolveClosed();
      return;
    }
    this.#rejectReady(failure);
    this.#rejectClosed(failure);
    this.#tellFailure(failure);
  }

  #tellFailure(failure: Error): void {
    const error =
      failure instanceof BusError
        ? failure
        : new BusError('HANDLER_FAILED', `handler of ${this.id} failed: ${messageOf(failure)}`, {
            cause: failure,
          });
    if (this.#emitter.has('error')) this.#emitter.emit('error', error);
    else this.#host.report(error);
  }

  #withCursor({ code, message, details }: BusError): BusError {
    return new BusError(code, message, { details: { ...details, cursor: this.cursor } });
  }

  #endedError(): BusError {
    return new BusError('SUBSCRIPTION_UNKNOWN', `subscription ${this.id} has ended`);
  }
}
