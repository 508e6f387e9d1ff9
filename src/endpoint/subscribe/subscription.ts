/**
 * A subscription as its user sees it: events from every shard in one queue, taken by a handler or an iterator, one at a
 * time. In each shard it is in one of two modes: the shard sends (and sees by credit how fast events are consumed), or
 * this endpoint reads history itself until it is close enough to the head to hand over.
 */
import type { Drained } from '../../async-context/drain-in-handler.js';
import type { Dispatched } from '../../handout/dispatcher.js';
import { Pump } from '../../handout/pump.js';
import { SubscriptionLife } from '../../handout/subscription-life.js';
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
import { type Asker, ITSELF } from '../asker.js';
import type { ParsedSubscribeOptions } from '../options.js';
import { EventQueue } from './event-queue.js';
import { isAsked, newProgress, positionOf, type ShardProgress } from './shard-progress.js';
import type { SubscriptionHost } from './subscription-host.js';

export class BusSubscription<P = unknown> implements Subscription<P> {
  readonly id: string;
  readonly progress: readonly ShardProgress[];
  readonly window: number;
  /** ms since 1970. */
  readonly since = Date.now();
  /** Its entry in the endpoint's dispatcher. */
  readonly dispatched: Dispatched;
  filter: ParsedFilter;
  /** True once it takes no more events. */
  ended = false;

  readonly #host: SubscriptionHost<BusSubscription>;
  readonly #queue: EventQueue<P>;
  readonly #pump: Pump<Event<P>>;
  readonly #life: SubscriptionLife<Event<P>>;
  #dropped = 0;
  #isCaughtUp = false;

  constructor(
    readonly number: number,
    filter: ParsedFilter,
    readonly options: ParsedSubscribeOptions,
    shards: number,
    host: SubscriptionHost<BusSubscription>,
    handler: EventHandler<P> | undefined,
    readonly asker: Asker = ITSELF,
  ) {
    this.id = `${host.endpointId}-${number}`;
    this.filter = filter;
    this.window = options.window;
    this.#host = host;
    this.progress = Array.from({ length: shards }, (_, shard) => newProgress(shard));
    const payCredit = (progress: ShardProgress): void => {
      if (!this.ended) this.payCredit(progress);
    };
    this.#queue = new EventQueue(this.progress, options.window, asker, payCredit, (shard) =>
      host.expiryNow(shard),
    );
    const turns = asker.takesTurns ? host.turns : undefined;
    this.#pump = new Pump(this.#queue, handler, turns, (error) => this.fail(error));
    this.dispatched = this.#pump;
    this.#life = new SubscriptionLife(
      {
        id: this.id,
        clear: () => this.#clear(),
        leave: () => this.#leave(),
        report: (error) => host.report(error),
      },
      this.#pump,
    );
    this.#life.endOnAbort(options.signal);
  }

  get ready(): Promise<void> {
    return this.#life.ready;
  }

  get closed(): Promise<void> {
    return this.#life.closed;
  }

  get cursor(): string {
    return this.#host.cursor(this.positions);
  }

  /** Its position in each shard's log; `cursor` encodes them as a text. */
  get positions(): readonly number[] {
    return this.progress.map((progress) => this.#position(progress));
  }

  get pending(): number {
    return this.#queue.length;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get lag(): number {
    let lag = 0;
    for (const progress of this.progress) {
      if (progress.mode === 'unneeded') continue;
      lag += Math.max(0, this.#host.head(progress.shard) - this.#position(progress));
    }
    return lag;
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#life.on(event, listener);
    return this;
  }

  async update(filter: FilterInput<P>): Promise<void> {
    const parsed = parseFilter(filter);
    if (this.ended) throw this.#endedError();
    await this.#host.update(this as BusSubscription, parsed);
  }

  unsubscribe(): Promise<void> {
    return this.#life.unsubscribe();
  }

  drain(): Promise<void> {
    return this.#life.drain();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unsubscribe();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Event<P>> {
    return this.#life.iterator();
  }

  /** Its state for a `drain()` of the endpoint. */
  get drained(): Drained {
    return this.#life.drained;
  }

  /** Called once every shard that it needs has it. */
  becomeReady(): void {
    this.#life.begin();
  }

  /** Queues an event from a shard; `flush` hands it out. */
  push(progress: ShardProgress, event: Event<P>, bytes: number): void {
    this.#holdPosition(progress);
    this.#queue.push(progress, event, bytes);
  }

  /** Queues an event from history; `flush` hands it out. */
  pushHistory(progress: ShardProgress, event: Event<P>, bytes: number): void {
    this.#holdPosition(progress);
    this.#queue.pushHistory(progress, event, bytes);
  }

  /** Hands out queued events, as far as the handler or the iterator takes them. */
  flush(): void {
    this.#pump.flush();
  }

  /** Gives the shard its credit back. Without room in the ring it stays owed, and this is called again. */
  payCredit(progress: ShardProgress): void {
    if (progress.owedEvents === 0) return;
    const { owedEvents, owedBytes } = progress;
    if (!this.#host.credit(this.number, progress.shard, owedEvents, owedBytes)) return;
    progress.owedEvents = 0;
    progress.owedBytes = 0;
  }

  /** Resolves once another page of this shard's history may be read, or the subscription has ended. */
  whenRoom(progress: ShardProgress): Promise<void> {
    // A page is at most half a window, so a queue below half never grows beyond one window.
    const half = Math.max(1, this.window >> 1);
    return this.#pump.when(
      () => progress.pending < half && progress.historyBytes < this.asker.creditBytes >> 1,
    );
  }

  /** Resolves once everything up to these positions was consumed or passed over, or the subscription has ended. */
  whenConsumed(positions: readonly number[]): Promise<void> {
    const isBehind = (progress: ShardProgress): boolean =>
      isAsked(progress) &&
      !this.#host.isGone(progress.shard) &&
      this.#position(progress) < positions[progress.shard]!;
    return this.#pump.when(() => this.#pump.isIdle && !this.progress.some(isBehind));
  }

  onState(progress: ShardProgress, state: number, body: StateBody): void {
    const { position, count, code, message } = body;
    if (state === STATE_DROPPED) {
      this.#dropped += count;
      this.#life.emit('dropped', { count });
    } else if (state === STATE_GAP) this.notifyGap({ ...body, shard: progress.shard });
    else if (state === STATE_ENDED) {
      this.fail(
        new BusError(code, message, { details: { shard: progress.shard, cursor: this.cursor } }),
      );
    } else {
      progress.received = Math.max(progress.received, position);
      progress.isLive = state === STATE_LIVE;
      if (progress.isLive) this.wentLive(progress);
      if (state === STATE_BEHIND) {
        progress.mode = 'history';
        this.#host.readHistory(this as BusSubscription, progress);
      }
      this.#pump.recheck();
    }
  }

  /** No event of this shard can match: the position follows the shard's log, from `head` on. */
  passOver(progress: ShardProgress, head: number): void {
    progress.mode = 'unneeded';
    progress.received = head;
    this.wentLive(progress);
  }

  wentLive(progress: ShardProgress): void {
    progress.isLive = true;
    progress.hasBeenLive = true;
    if (this.#isCaughtUp || !this.progress.every(({ hasBeenLive }) => hasBeenLive)) return;
    this.#isCaughtUp = true;
    // `caughtUp` follows the events that are queued now, and does not wait for later ones.
    const { pushed } = this.#queue;
    void this.#pump
      .when(() => this.#queue.settled >= pushed)
      .then(() => {
        if (!this.#pump.isFinished) this.#life.emit('caughtUp', { cursor: this.cursor });
      });
  }

  notifyGap(gap: Gap): void {
    this.#life.emit('gap', gap);
  }

  /** Ends it with an error. Events that were received and not consumed are dropped; the cursor tells where to go on. */
  fail(error: Error): void {
    this.#life.fail(error);
  }

  /** Ends it without an error because the bus closes; waiting events are dropped. */
  close(): void {
    this.ended = true;
    this.#life.close();
  }

  /** Checks again whether positions are reached: a watermark may have moved without an event. */
  recheckWaiters(): void {
    this.#pump.recheck();
  }

  #position(progress: ShardProgress): number {
    return positionOf(progress, this.#host.watermark(progress.shard));
  }

  /**
   * Before an event waits alone: its position stays where it had got without an event. Else it would fall back to the
   * last consumed event, and a changed filter would judge again what the old one had passed over.
   */
  #holdPosition(progress: ShardProgress): void {
    if (progress.pending === 0) progress.consumed = this.#position(progress);
  }

  async #leave(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    // Later events are not delivered any more, so its position must not follow the watermark.
    for (const progress of this.progress) {
      if (progress.pending === 0) progress.received = this.#position(progress);
      progress.isLive = false;
    }
    await this.#host.unsubscribe(this as BusSubscription);
  }

  #clear(): void {
    for (const progress of this.progress) {
      progress.received = this.#position(progress);
      progress.isLive = false;
    }
    this.#queue.clear();
  }

  #endedError(): BusError {
    return new BusError('SUBSCRIPTION_UNKNOWN', `subscription ${this.id} has ended`);
  }
}
