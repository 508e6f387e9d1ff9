/**
 * The events that a subscription has received and not consumed, of all shards in one queue, and the credit that they
 * hold. One event at a time is handed out; it counts as pending until it is settled.
 */
import { Queue } from '../../collections/queue.js';
import type { Supply } from '../../handout/pump.js';
import type { Event } from '../../protocol/event.js';
import { isExpired } from '../../protocol/expiry.js';
import type { Asker } from '../asker.js';
import type { ShardProgress } from './shard-progress.js';

export class EventQueue<P> implements Supply<Event<P>> {
  readonly #progress: readonly ShardProgress[];
  readonly #window: number;
  readonly #asker: Asker;
  readonly #onCreditDue: (progress: ShardProgress) => void;
  readonly #expiryNow: (shard: number) => number;
  readonly #events = new Queue<Event<P>>();
  /** Parallel to `#events`: the bytes of credit that an event holds; negative for history, which holds none. */
  readonly #sizes = new Queue<number>();
  /** The event that a handler or an iterator's loop works on. */
  #current: Event<P> | undefined;
  #currentSize = 0;
  #pushed = 0;
  #settled = 0;

  /**
   * `window`: how many events a shard may have sent and not seen consumed. `onCreditDue` is called when enough credit
   * has gathered to give it back to the shard. `expiryNow`: the time by which a shard's events expire, ms since 1970.
   */
  constructor(
    progress: readonly ShardProgress[],
    window: number,
    asker: Asker,
    onCreditDue: (progress: ShardProgress) => void,
    expiryNow: (shard: number) => number = Date.now,
  ) {
    this.#progress = progress;
    this.#window = window;
    this.#asker = asker;
    this.#onCreditDue = onCreditDue;
    this.#expiryNow = expiryNow;
  }

  /** How many events wait, without the one that was handed out. */
  get length(): number {
    return this.#events.length;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  /** True if an event waits. Passes over those that have expired while they waited. */
  advance(): boolean {
    for (let next = this.#events.peek(); next !== undefined; next = this.#events.peek()) {
      if (next.expiresAt === undefined || !isExpired(next, this.#expiryNow(next.shard)))
        return true;
      // The event before it has to be consumed first.
      if (this.#current !== undefined) return true;
      this.take();
      this.settle();
    }
    return false;
  }

  /** How many events were ever put in. */
  get pushed(): number {
    return this.#pushed;
  }

  /** How many events were handed out and consumed. */
  get settled(): number {
    return this.#settled;
  }

  /** Adds an event that its shard sent on credit. */
  push(progress: ShardProgress, event: Event<P>, bytes: number): void {
    progress.credited++;
    progress.creditedBytes += bytes;
    this.#push(progress, event, bytes);
  }

  pushHistory(progress: ShardProgress, event: Event<P>, bytes: number): void {
    progress.historyBytes += bytes;
    this.#asker.hold(bytes);
    this.#push(progress, event, -bytes);
  }

  take(): Event<P> {
    const event = this.#events.shift()!;
    this.#current = event;
    this.#currentSize = this.#sizes.shift()!;
    return event;
  }

  /** The event in hand is consumed: moves the position past it and owes its credit to the shard. */
  settle(): void {
    const event = this.#current;
    if (event === undefined) return;
    this.#current = undefined;
    const progress = this.#progress[event.shard]!;
    progress.pending--;
    this.#settled++;
    if (event.sequence !== undefined) progress.consumed = event.sequence;
    if (progress.pending === 0) {
      progress.consumed = Math.max(progress.consumed, progress.received);
      progress.received = progress.consumed;
    }
    const size = this.#currentSize;
    if (size < 0) {
      progress.historyBytes += size;
      this.#asker.hold(size);
      return;
    }
    progress.credited--;
    progress.creditedBytes -= size;
    progress.owedEvents++;
    progress.owedBytes += size;
    const isDue =
      progress.owedEvents >= this.#window >> 3 ||
      progress.owedBytes >= this.#asker.creditBytes >> 3;
    if (isDue) this.#onCreditDue(progress);
  }

  abandon(): void {
    this.#current = undefined;
  }

  /** Drops the events that wait. The one that was handed out stays pending until it is settled. */
  clear(): void {
    this.#events.clear();
    this.#sizes.clear();
    for (const progress of this.#progress) {
      const isBusy = this.#current?.shard === progress.shard;
      progress.pending = isBusy ? 1 : 0;
      const isCredited = isBusy && this.#currentSize >= 0;
      progress.credited = isCredited ? 1 : 0;
      progress.creditedBytes = isCredited ? this.#currentSize : 0;
      const historyBytes = isBusy ? Math.max(0, -this.#currentSize) : 0;
      this.#asker.hold(historyBytes - progress.historyBytes);
      progress.historyBytes = historyBytes;
    }
  }

  #push(progress: ShardProgress, event: Event<P>, size: number): void {
    this.#events.push(event);
    this.#sizes.push(size);
    this.#pushed++;
    progress.pending++;
    if (event.sequence !== undefined) progress.received = event.sequence;
  }
}
