/**
 * What a subscription has received and not consumed, of all shards in one queue, and what its events hold of their
 * shards' credit. One event at a time is handed out; it counts as pending until it is settled.
 */
import { Deque } from '../collections/deque.js';
import type { Event } from '../protocol/event.js';
import { CREDIT_BYTES } from '../protocol/limits.js';
import type { ShardPart } from './shard-part.js';

/** The size of an event that came from history and holds no credit. */
const NO_CREDIT = -1;

export class EventQueue<P> {
  readonly #parts: readonly ShardPart[];
  readonly #window: number;
  readonly #events = new Deque<Event<P>>();
  /** Parallel to `#events`: the bytes that an event holds of its shard's credit. */
  readonly #sizes = new Deque<number>();
  /** Handed out and not yet consumed: the handler works on it, or the iterator's loop. */
  #current: Event<P> | undefined;
  #currentSize = NO_CREDIT;

  /** `window`: the events that a shard may have sent and not seen consumed. */
  constructor(parts: readonly ShardPart[], window: number) {
    this.#parts = parts;
    this.#window = window;
  }

  /** Events that wait; the one that was handed out is not among them. */
  get length(): number {
    return this.#events.length;
  }

  /** An event from a shard or, without `bytes`, from history. */
  push(part: ShardPart, event: Event<P>, bytes = NO_CREDIT): void {
    this.#events.push(event);
    this.#sizes.push(bytes);
    part.pending++;
    if (bytes !== NO_CREDIT) part.credited++;
    if (event.sequence !== undefined) part.received = event.sequence;
  }

  /** The next event; the one before must have been settled. */
  take(): Event<P> {
    const event = this.#events.shift()!;
    this.#current = event;
    this.#currentSize = this.#sizes.shift()!;
    return event;
  }

  /**
   * The event that was handed out last is consumed: the position moves past it. Returns its part if so much
   * credit has come together that the shard is to have it back.
   */
  settle(): ShardPart | undefined {
    const event = this.#current;
    if (event === undefined) return undefined;
    this.#current = undefined;
    const part = this.#parts[event.shard]!;
    part.pending--;
    if (event.sequence !== undefined) part.consumed = event.sequence;
    if (part.pending === 0) {
      part.consumed = Math.max(part.consumed, part.received);
      part.received = part.consumed;
    }
    if (this.#currentSize === NO_CREDIT) return undefined;
    part.credited--;
    part.owedEvents++;
    part.owedBytes += this.#currentSize;
    const isDue = part.owedEvents >= this.#window >> 3 || part.owedBytes >= CREDIT_BYTES >> 3;
    return isDue ? part : undefined;
  }

  /** Drops what waits. What was handed out stays pending until it is settled. */
  clear(): void {
    this.#events.clear();
    this.#sizes.clear();
    for (const part of this.#parts) {
      const isBusy = this.#current?.shard === part.shard;
      part.pending = isBusy ? 1 : 0;
      part.credited = isBusy && this.#currentSize !== NO_CREDIT ? 1 : 0;
    }
  }
}
