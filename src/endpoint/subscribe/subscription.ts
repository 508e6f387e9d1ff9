/**
 * A subscription as its user sees it: events from every shard in one queue, taken by a handler or an
 * iterator, one at a time. Each shard's part is in one of two modes: the shard sends (and sees by credit how
 * fast events are consumed), or this endpoint reads history by itself until it is close enough to hand over.
 */
import { type Drained, drainOutside } from '../../async-context/drain-in-handler.js';
import { captureHandlerContext } from '../../async-context/node-context.js';
import { Deque } from '../../collections/deque.js';
import { loopIterator } from '../../collections/loop-iterator.js';
import { Waiters } from '../../handout/waiters.js';
import {
  STATE_BEHIND,
  STATE_DROPPED,
  STATE_ENDED,
  STATE_GAP,
  STATE_LIVE,
  type StateBody,
} from '../../link/link-records.js';
import type {
  EventHandler,
  Gap,
  Subscription,
  SubscriptionEvents,
} from '../../protocol/bus-api.js';
import { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import { type FilterInput, type ParsedFilter, parseFilter } from '../../protocol/filter.js';
import { errorOf } from '../../protocol/thrown.js';
import { type Asker, ITSELF } from '../asker.js';
import type { ParsedSubscribeOptions } from '../options.js';
import { EventQueue } from './event-queue.js';
import { newPart, positionOf, type ShardPart } from './shard-part.js';
import type { SubscriptionHost } from './subscription-host.js';
import { SubscriptionListeners } from './subscription-listeners.js';

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
  readonly #queue: EventQueue<P>;
  readonly #listeners: SubscriptionListeners;
  readonly #readers = new Deque<Reader<P>>();
  readonly #waiters = new Waiters();
  /** The handler is the subscriber's, and runs in its async context. */
  readonly #run = captureHandlerContext(this);
  #dropped = 0;
  #isHandling = false;
  #handling: Promise<void> | undefined;
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
    readonly asker: Asker = ITSELF,
  ) {
    this.id = `${host.endpointId}-${number}`;
    this.filter = filter;
    this.window = options.window;
    this.#host = host;
    this.#handler = handler;
    this.parts = Array.from({ length: shards }, (_, shard) => newPart(shard));
    this.#queue = new EventQueue(this.parts, options.window, asker);
    this.#listeners = new SubscriptionListeners(this.id, (error) => host.report(error));
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
    return this.#queue.length;
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
    this.#listeners.on(event, listener);
    return this;
  }

  async update(filter: FilterInput<P>): Promise<void> {
    const parsed = parseFilter(filter);
    if (this.ended) throw this.#endedError();
    await this.#host.update(this as BusSubscription, parsed);
  }

  async unsubscribe(): Promise<void> {
    this.#clear();
    if (!this.ended) await this.#leave();
    this.#finish();
  }

  /** What a `drain()` has to know of it. */
  get drained(): Drained {
    const isHandling = this.#isHandling && !this.#isFinished;
    const handling = isHandling ? this.#handling : undefined;
    return { id: this.id, owner: this, isHandling, handling };
  }

  async drain(): Promise<void> {
    await drainOutside([this.drained], async () => {
      if (!this.ended) await this.#leave();
      await this.#when(() => this.#queue.length === 0 && !this.#isHandling);
      this.#finish();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unsubscribe();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Event<P>> {
    const leave = (): Promise<void> => {
      // Perhaps an error in the loop's body: rather once too often than never.
      this.#queue.abandon();
      return this.unsubscribe();
    };
    return loopIterator(() => this.#next(), leave);
  }

  /** An event from a shard. Nobody is called yet: see `flush`. */
  push(part: ShardPart, event: Event<P>, bytes: number): void {
    this.#queue.push(part, event, bytes);
  }

  /** The same for an event from history. */
  pushHistory(part: ShardPart, event: Event<P>, bytes: number): void {
    this.#queue.pushHistory(part, event, bytes);
  }

  /** Hands out what there is, as far as the handler or the iterator takes it. */
  flush(): void {
    if (this.#handler === undefined) this.#serveReaders();
    else if (!this.#isHandling) this.#run(this.#handle, this.#handler);
  }

  /** Gives the shard its credit back. Where there is no room for that, it is owed, and this is called again. */
  payCredit(part: ShardPart): void {
    if (part.owedEvents === 0) return;
    const { owedEvents, owedBytes } = part;
    if (!this.#host.credit(this.number, part.shard, owedEvents, owedBytes)) return;
    part.owedEvents = 0;
    part.owedBytes = 0;
  }

  /** Resolves once another page of this part's history may be read, or the subscription has ended. */
  whenRoom(part: ShardPart): Promise<void> {
    // Half a window twice is never more than one.
    const half = Math.max(1, this.window >> 1);
    return this.#when(() => part.pending < half && part.historyBytes < this.asker.creditBytes >> 1);
  }

  /** Resolves once everything up to these positions was consumed or passed over, or the subscription has ended. */
  whenConsumed(positions: readonly number[]): Promise<void> {
    const isBehind = (part: ShardPart): boolean =>
      part.mode !== 'none' &&
      !this.#host.isGone(part.shard) &&
      this.#position(part) < positions[part.shard]!;
    return this.#when(
      () => this.#queue.length === 0 && !this.#isHandling && !this.parts.some(isBehind),
    );
  }

  onState(part: ShardPart, state: number, body: StateBody): void {
    const { position, count, code, message } = body;
    if (state === STATE_DROPPED) {
      this.#dropped += count;
      this.#listeners.tell('dropped', { count });
    } else if (state === STATE_GAP) this.tellGap({ ...body, shard: part.shard });
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
      this.#waiters.wake();
    }
  }

  wentLive(part: ShardPart): void {
    part.isLive = true;
    part.hasBeenLive = true;
    if (this.#isCaughtUp || !this.parts.every(({ hasBeenLive }) => hasBeenLive)) return;
    this.#isCaughtUp = true;
    // Behind the events that were queued before it, and not behind those that come after.
    const { pushed } = this.#queue;
    void this.#when(() => this.#queue.settled >= pushed).then(() => {
      if (!this.#isFinished) this.#listeners.tell('caughtUp', { cursor: this.cursor });
    });
  }

  tellGap(gap: Gap): void {
    this.#listeners.tell('gap', gap);
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
    return positionOf(part, this.#host.watermark(part.shard));
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

  readonly #handle = (handler: EventHandler<P>): void => {
    this.#isHandling = true;
    try {
      while (this.#mayHandOut()) {
        const answer = handler(this.#queue.take());
        // Whatever a handler without types returns, `null` too; a thenable is made a promise, which settles once.
        if (typeof answer?.then === 'function') {
          this.#handling = Promise.resolve(answer).then(this.#handled, this.#handlerFailed);
          return;
        }
        this.#settle();
      }
    } catch (error) {
      this.#handlerFailed(error);
      return;
    }
    this.#isHandling = false;
    this.#waiters.wake();
  };

  readonly #handled = (): void => {
    this.#isHandling = false;
    this.#handling = undefined;
    this.#settle();
    this.flush();
  };

  readonly #handlerFailed = (error: unknown): void => {
    this.#isHandling = false;
    this.#handling = undefined;
    // Not consumed: whoever resumes from the cursor gets it again.
    this.fail(errorOf(error));
  };

  /** The event that was handed out last is consumed. */
  #settle(): void {
    const due = this.#queue.settle();
    if (due !== undefined && !this.ended) this.payCredit(due);
    this.#waiters.wake();
  }

  #next(): Promise<IteratorResult<Event<P>>> {
    if (this.#handler !== undefined) {
      return Promise.reject(new Error('a subscription with a handler cannot be iterated'));
    }
    this.#settle();
    if (this.#mayHandOut()) {
      return Promise.resolve({ done: false, value: this.#queue.take() });
    }
    if (!this.#isFinished) {
      return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    }
    return this.#end();
  }

  /** Whoever asks first is told what it ended in. */
  #end(): Promise<IteratorResult<Event<P>>> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure);
    return Promise.resolve({ done: true, value: undefined });
  }

  /** There is an event, and time for it; if there is no time, it is handed out in the next turn. */
  #mayHandOut(): boolean {
    if (this.#queue.length === 0) return false;
    if (!this.asker.takesTurns || this.#host.hasTime()) return true;
    this.#host.postpone(this as BusSubscription);
    return false;
  }

  #serveReaders(): void {
    while (this.#readers.length > 0 && this.#queue.length > 0) {
      // Whoever asks for a second event has done with the first.
      this.#settle();
      this.#readers.shift()!.resolve({ done: false, value: this.#queue.take() });
    }
  }

  #when(isDone: () => boolean): Promise<void> {
    return this.#waiters.when(() => this.#isFinished || isDone());
  }

  /** Somebody waits, and a watermark may have moved without an event. */
  recheckWaiters(): void {
    this.#waiters.wake();
  }

  #clear(): void {
    for (const part of this.parts) {
      part.received = this.#position(part);
      part.isLive = false;
    }
    this.#queue.clear();
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
      this.#listeners.tellFailure(failure);
    }
    this.#waiters.wake();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.#end().then(reader.resolve, reader.reject);
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
