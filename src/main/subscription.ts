/**
 * A subscription as its user sees it: events from every shard in one queue, taken by a handler or an
 * iterator, one at a time. Each shard's part is in one of two modes: the shard sends (and sees by credit how
 * fast events are consumed), or this endpoint reads history by itself until it is close enough to hand over.
 */
import { EventEmitter } from 'node:events';
import { Deque } from '../collections/deque.js';
import {
  STATE_BEHIND,
  STATE_DROPPED,
  STATE_ENDED,
  STATE_GAP,
  STATE_LIVE,
} from '../link/link-records.js';
import { BusError, type ErrorCode } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { type FilterInput, type ParsedFilter, parseFilter } from '../protocol/filter.js';
import { CREDIT_BYTES } from '../protocol/limits.js';
import type { EventHandler, Gap, Subscription, SubscriptionEvents } from './bus.js';
import type { ParsedSubscribeOptions } from './options.js';

/** One shard's part of a subscription. */
export interface ShardPart {
  readonly shard: number;
  /** The shard was not asked yet, or it sends, or this endpoint reads history. */
  mode: 'none' | 'shard' | 'history';
  /** All that matched up to here has arrived in the local queue. */
  received: number;
  /** All that matched up to here was handed to the user. */
  consumed: number;
  /** Whatever is committed arrives at once, so `received` is also the link's watermark. */
  isLive: boolean;
  hasBeenLive: boolean;
  /** Events of this shard in the local queue, and those of them that hold credit. */
  pending: number;
  credited: number;
  owedEvents: number;
  owedBytes: number;
}

/** What a subscription needs of its endpoint. */
export interface SubscriptionHost {
  readonly endpointId: string;
  head(shard: number): number;
  watermark(shard: number): number;
  cursor(positions: readonly number[]): string;
  credit(subscription: number, shard: number, events: number, bytes: number): boolean;
  update(subscription: BusSubscription, filter: ParsedFilter): Promise<void>;
  unsubscribe(subscription: BusSubscription): Promise<void>;
  readHistory(subscription: BusSubscription, part: ShardPart): void;
  report(error: BusError): void;
}

/** The size of an event that came from history and holds no credit. */
const NO_CREDIT = -1;

export class BusSubscription<P = unknown> implements Subscription<P> {
  readonly id: string;
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly parts: readonly ShardPart[];
  readonly window: number;
  filter: ParsedFilter;
  /** It takes no more events. */
  ended = false;
  resolveReady!: () => void;

  readonly #host: SubscriptionHost;
  readonly #handler: EventHandler<P> | undefined;
  readonly #events = new Deque<Event<P>>();
  /** Parallel to `#events`: the bytes that an event holds of its shard's credit. */
  readonly #sizes = new Deque<number>();
  readonly #emitter = new EventEmitter();
  readonly #readers = new Deque<Reader<P>>();
  readonly #waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  /** Handed out and not yet consumed: the handler works on it, or the iterator's loop. */
  #current: Event<P> | undefined;
  #currentBytes = NO_CREDIT;
  #dropped = 0;
  #isHandling = false;
  #isCaughtUp = false;
  #isFinished = false;
  #failure: BusError | Error | undefined;
  #rejectReady!: (error: Error) => void;
  #resolveClosed!: () => void;
  #rejectClosed!: (error: Error) => void;

  constructor(
    readonly number: number,
    filter: ParsedFilter,
    readonly options: ParsedSubscribeOptions,
    shards: number,
    host: SubscriptionHost,
    handler: EventHandler<P> | undefined,
  ) {
    this.id = `${host.endpointId}-${number}`;
    this.filter = filter;
    this.window = options.window;
    this.#host = host;
    this.#handler = handler;
    this.parts = Array.from({ length: shards }, (_, shard) => newPart(shard));
    this.ready = new Promise((resolve, reject) => {
      this.resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.closed = new Promise((resolve, reject) => {
      this.#resolveClosed = resolve;
      this.#rejectClosed = reject;
    });
    // Whoever does not look at these is told through 'error' and the bus.
    this.ready.catch(() => {});
    this.closed.catch(() => {});
  }

  get cursor(): string {
    return this.#host.cursor(this.parts.map((part) => this.#position(part)));
  }

  get pending(): number {
    return this.#events.length;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get lag(): number {
    let lag = 0;
    for (const part of this.parts) {
      lag += Math.max(0, this.#host.head(part.shard) - this.#position(part));
    }
    return lag;
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#emitter.on(event, listener);
    return this;
  }

  async update(filter: FilterInput): Promise<void> {
    const parsed = parseFilter(filter);
    if (this.ended) throw this.#endedError();
    await this.#host.update(this as BusSubscription, parsed);
  }

  async unsubscribe(): Promise<void> {
    if (!this.ended) {
      this.#clear();
      await this.#leave();
    }
    this.#finish();
  }

  async drain(): Promise<void> {
    if (!this.ended) await this.#leave();
    await this.whenBelow(1);
    this.#finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unsubscribe();
  }

  [Symbol.asyncIterator](): AsyncIterator<Event<P>> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.#settle();
        await this.unsubscribe();
        return { done: true, value: undefined };
      },
    };
  }

  /** An event from a shard or, without `bytes`, from history. Nobody is called yet: see `flush`. */
  push(part: ShardPart, event: Event<P>, bytes = NO_CREDIT): void {
    this.#events.push(event);
    this.#sizes.push(bytes);
    part.pending++;
    if (bytes !== NO_CREDIT) part.credited++;
    if (event.sequence !== undefined) part.received = event.sequence;
  }

  /** Hands out what there is, as far as the handler or the iterator takes it. */
  flush(): void {
    if (this.#handler === undefined) this.#serveReaders();
    else if (!this.#isHandling) this.#handle(this.#handler);
  }

  /** Pays the credit that found no room in the control ring. */
  payCredit(part: ShardPart): void {
    if (part.owedEvents === 0) return;
    const { owedEvents, owedBytes } = part;
    if (!this.#host.credit(this.number, part.shard, owedEvents, owedBytes)) return;
    part.owedEvents = 0;
    part.owedBytes = 0;
  }

  /** Resolves once fewer than `below` events wait, or the subscription has ended. */
  whenBelow(below: number): Promise<void> {
    return this.#when(() => this.#events.length < below && !this.#isHandling);
  }

  /** Resolves once everything up to these positions was consumed or passed over, or the subscription has ended. */
  whenConsumed(positions: readonly number[]): Promise<void> {
    const isBehind = (part: ShardPart): boolean =>
      part.mode !== 'none' && this.#position(part) < positions[part.shard]!;
    return this.#when(
      () => this.#events.length === 0 && !this.#isHandling && !this.parts.some(isBehind),
    );
  }

  onState(part: ShardPart, state: number, body: never): void {
    const { position, count, code, message } = body as StateBody;
    if (state === STATE_DROPPED) {
      this.#dropped += count;
      this.#emit('dropped', { count });
    } else if (state === STATE_GAP) this.tellGap({ ...(body as Gap), shard: part.shard });
    else if (state === STATE_ENDED) {
      this.fail(
        new BusError(code, message, { details: { shard: part.shard, cursor: this.cursor } }),
      );
    } else {
      part.received = Math.max(part.received, position);
      part.isLive = state === STATE_LIVE;
      if (part.isLive) this.wentLive(part);
      if (state === STATE_BEHIND) {
        part.mode = 'history';
        this.#host.readHistory(this as BusSubscription, part);
      }
      this.#wakeWaiters();
    }
  }

  wentLive(part: ShardPart): void {
    part.isLive = true;
    part.hasBeenLive = true;
    if (this.#isCaughtUp || !this.parts.every(({ hasBeenLive }) => hasBeenLive)) return;
    this.#isCaughtUp = true;
    // Behind the events that were queued before it.
    void this.whenBelow(1).then(() => {
      if (!this.#isFinished) this.#emit('caughtUp', { cursor: this.cursor });
    });
  }

  tellGap(gap: Gap): void {
    this.#emit('gap', gap);
  }

  /** Ends it in an error. What was received and not consumed is dropped; the cursor says where to go on. */
  fail(error: Error): void {
    if (this.#isFinished) return;
    this.#failure = error;
    this.#clear();
    if (!this.ended) void this.#leave().catch(() => {});
    this.#finish();
  }

  /** The bus closes: what waits is dropped and the subscription ends without an error. */
  close(): void {
    this.ended = true;
    this.#clear();
    this.#finish();
  }

  #position(part: ShardPart): number {
    if (part.pending > 0) return part.consumed;
    if (!part.isLive) return part.received;
    return Math.max(part.received, this.#host.watermark(part.shard));
  }

  async #leave(): Promise<void> {
    this.ended = true;
    // What is published from here on is not its any more: its position must not go on with the watermark.
    for (const part of this.parts) {
      if (part.pending === 0) part.received = this.#position(part);
      part.isLive = false;
    }
    await this.#host.unsubscribe(this as BusSubscription);
  }

  #handle(handler: EventHandler<P>): void {
    this.#isHandling = true;
    try {
      while (this.#events.length > 0) {
        const answer = handler(this.#take());
        if (answer !== undefined && typeof answer.then === 'function') {
          answer.then(this.#handled, this.#handlerFailed);
          return;
        }
        this.#settle();
      }
    } catch (error) {
      this.#handlerFailed(error);
      return;
    }
    this.#isHandling = false;
    this.#wakeWaiters();
  }

  readonly #handled = (): void => {
    this.#isHandling = false;
    this.#settle();
    this.flush();
  };

  readonly #handlerFailed = (error: unknown): void => {
    this.#isHandling = false;
    // Not consumed: whoever resumes from the cursor gets it again.
    this.fail(error instanceof Error ? error : new Error(String(error), { cause: error }));
  };

  #take(): Event<P> {
    const event = this.#events.shift()!;
    this.#current = event;
    this.#currentBytes = this.#sizes.shift()!;
    return event;
  }

  /** The event that was handed out last is consumed: the cursor moves past it, and its credit is paid back. */
  #settle(): void {
    const event = this.#current;
    if (event === undefined) return;
    this.#current = undefined;
    const part = this.parts[event.shard]!;
    part.pending--;
    if (event.sequence !== undefined) part.consumed = event.sequence;
    if (part.pending === 0) {
      part.consumed = Math.max(part.consumed, part.received);
      part.received = part.consumed;
    }
    if (this.#currentBytes === NO_CREDIT) return;
    part.credited--;
    part.owedEvents++;
    part.owedBytes += this.#currentBytes;
    const isDue = part.owedEvents >= this.window >> 3 || part.owedBytes >= CREDIT_BYTES >> 3;
    if (isDue && !this.ended) this.payCredit(part);
  }

  #next(): Promise<IteratorResult<Event<P>>> {
    if (this.#handler !== undefined) {
      return Promise.reject(new Error('a subscription with a handler cannot be iterated'));
    }
    this.#settle();
    if (this.#events.length > 0) {
      const value = this.#take();
      this.#wakeWaiters();
      return Promise.resolve({ done: false, value });
    }
    if (!this.#isFinished) {
      return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure);
    return Promise.resolve({ done: true, value: undefined });
  }

  #serveReaders(): void {
    while (this.#readers.length > 0 && this.#events.length > 0) {
      this.#readers.shift()!.resolve({ done: false, value: this.#take() });
    }
    this.#wakeWaiters();
  }

  #when(isDone: () => boolean): Promise<void> {
    if (this.#isFinished || isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isDone, resolve }));
  }

  /** Somebody waits, and a watermark may have moved without an event. */
  recheckWaiters(): void {
    this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters.splice(0)) {
      if (this.#isFinished || waiter.isDone()) waiter.resolve();
      else this.#waiters.push(waiter);
    }
  }

  #clear(): void {
    this.#events.clear();
    this.#sizes.clear();
    for (const part of this.parts) {
      const isBusy = this.#current?.shard === part.shard;
      part.received = this.#position(part);
      part.isLive = false;
      part.pending = isBusy ? 1 : 0;
      part.credited = isBusy && this.#currentBytes !== NO_CREDIT ? 1 : 0;
    }
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const failure = this.#failure;
    if (failure === undefined) {
      this.resolveReady();
      this.#resolveClosed();
    } else {
      this.#rejectReady(failure);
      this.#rejectClosed(failure);
      this.#tellFailure(failure);
    }
    this.#wakeWaiters();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.#next().then(reader.resolve, reader.reject);
    }
  }

  #tellFailure(failure: Error): void {
    const error =
      failure instanceof BusError
        ? failure
        : new BusError('HANDLER_FAILED', `handler of ${this.id} failed: ${failure.message}`, {
            cause: failure,
          });
    if (this.#emitter.listenerCount('error') > 0) this.#emit('error', error);
    else this.#host.report(error);
  }

  /** A listener that throws is the user's fault, and must not stop the delivery to others. */
  #emit<E extends keyof SubscriptionEvents>(
    event: E,
    ...values: Parameters<SubscriptionEvents[E]>
  ): void {
    try {
      this.#emitter.emit(event, ...values);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #endedError(): BusError {
    return new BusError('SUBSCRIPTION_UNKNOWN', `subscription ${this.id} has ended`);
  }
}

interface Reader<P> {
  readonly resolve: (result: IteratorResult<Event<P>>) => void;
  readonly reject: (error: Error) => void;
}

interface StateBody {
  readonly position: number;
  readonly count: number;
  readonly code: ErrorCode;
  readonly message: string;
}

function newPart(shard: number): ShardPart {
  return {
    shard,
    mode: 'none',
    received: 0,
    consumed: 0,
    isLive: false,
    hasBeenLive: false,
    pending: 0,
    credited: 0,
    owedEvents: 0,
    owedBytes: 0,
  };
}
