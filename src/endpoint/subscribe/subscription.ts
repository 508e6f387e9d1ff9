/**
 * A subscription as its user sees it: events from every shard in one queue, taken by a handler or an
 * iterator, one at a time. Each shard's part is in one of two modes: the shard sends (and sees by credit how
 * fast events are consumed), or this endpoint reads history by itself until it is close enough to hand over.
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
import { newPart, positionOf, type ShardPart } from './shard-part.js';
import type { SubscriptionHost } from './subscription-host.js';

export class BusSubscription<P = unknown> implements Subscription<P> {
  readonly id: string;
  readonly parts: readonly ShardPart[];
  readonly window: number;
  /** Its place among those of its endpoint that have something to hand out. */
  readonly dispatched: Dispatched;
  filter: ParsedFilter;
  /** It takes no more events. */
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
    this.parts = Array.from({ length: shards }, (_, shard) => newPart(shard));
    this.#queue = new EventQueue(this.parts, options.window, asker, (part) => {
      if (!this.ended) this.payCredit(part);
    });
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

  /** In each shard's log; the cursor says the same as a text. */
  get positions(): readonly number[] {
    return this.parts.map((part) => this.#position(part));
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

  /** As a `drain()` of the endpoint has to see it. */
  get drained(): Drained {
    return this.#life.drained;
  }

  /** Every shard has it. */
  becomeReady(): void {
    this.#life.begin();
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
    this.#pump.flush();
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
    return this.#pump.when(
      () => part.pending < half && part.historyBytes < this.asker.creditBytes >> 1,
    );
  }

  /** Resolves once everything up to these positions was consumed or passed over, or the subscription has ended. */
  whenConsumed(positions: readonly number[]): Promise<void> {
    const isBehind = (part: ShardPart): boolean =>
      part.mode !== 'none' &&
      !this.#host.isGone(part.shard) &&
      this.#position(part) < positions[part.shard]!;
    return this.#pump.when(() => this.#pump.isIdle && !this.parts.some(isBehind));
  }

  onState(part: ShardPart, state: number, body: StateBody): void {
    const { position, count, code, message } = body;
    if (state === STATE_DROPPED) {
      this.#dropped += count;
      this.#life.emit('dropped', { count });
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
      this.#pump.recheck();
    }
  }

  wentLive(part: ShardPart): void {
    part.isLive = true;
    part.hasBeenLive = true;
    if (this.#isCaughtUp || !this.parts.every(({ hasBeenLive }) => hasBeenLive)) return;
    this.#isCaughtUp = true;
    // Behind the events that were queued before it, and not behind those that come after.
    const { pushed } = this.#queue;
    void this.#pump
      .when(() => this.#queue.settled >= pushed)
      .then(() => {
        if (!this.#pump.isFinished) this.#life.emit('caughtUp', { cursor: this.cursor });
      });
  }

  tellGap(gap: Gap): void {
    this.#life.emit('gap', gap);
  }

  /** Ends it in an error. Events that were received and not consumed are dropped; the cursor says where to go on. */
  fail(error: Error): void {
    this.#life.fail(error);
  }

  /** The bus closes: waiting events are dropped and the subscription ends without an error. */
  close(): void {
    this.ended = true;
    this.#life.close();
  }

  /** Somebody waits, and a watermark may have moved without an event. */
  recheckWaiters(): void {
    this.#pump.recheck();
  }

  #position(part: ShardPart): number {
    return positionOf(part, this.#host.watermark(part.shard));
  }

  async #leave(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    // Later events are not its any more: its position must not go on with the watermark.
    for (const part of this.parts) {
      if (part.pending === 0) part.received = this.#position(part);
      part.isLive = false;
    }
    await this.#host.unsubscribe(this as BusSubscription);
  }

  #clear(): void {
    for (const part of this.parts) {
      part.received = this.#position(part);
      part.isLive = false;
    }
    this.#queue.clear();
  }

  #endedError(): BusError {
    return new BusError('SUBSCRIPTION_UNKNOWN', `subscription ${this.id} has ended`);
  }
}
