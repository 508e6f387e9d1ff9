import { Queue } from '../collections/queue.js';
import type { Supply } from '../handout/pump.js';
import type { Event } from '../protocol/event.js';
import { ConsumedPosition } from './consumed-position.js';

/**
 * The events of a subscription that have arrived and are not consumed, and between them marks: positions, and whatever has to be told
 * at this place. The position moves as events are settled and marks are passed.
 */

/** An event as it waits. */
export interface Arrival<P> {
  readonly event: Event<P>;
  /** Whether the position moves past the event by itself; one of several coalesced does not. */
  readonly isStep: boolean;
  /** Events of the server that are consumed with this one, and their length in characters. */
  readonly events: number;
  readonly chars: number;
}

export interface Mark {
  readonly event?: undefined;
  readonly cursor?: string;
  readonly tell?: () => void;
}

export interface ArrivalListener {
  onConsumed(events: number, chars: number): void;
  /** The last event that waited is being handed out. */
  onIdle(): void;
}

export class ArrivalQueue<P> implements Supply<Event<P>> {
  readonly position: ConsumedPosition;
  readonly #listener: ArrivalListener;
  readonly #queue = new Queue<Arrival<P> | Mark>();
  #current: Arrival<P> | undefined;
  #pending = 0;
  #marks = 0;

  constructor(cursor: string, listener: ArrivalListener) {
    this.position = new ConsumedPosition(cursor);
    this.#listener = listener;
  }

  /** Events of the server that wait. */
  get pending(): number {
    return this.#pending;
  }

  /** Those and the ones in hand. */
  get held(): number {
    return this.#pending + (this.#current?.events ?? 0);
  }

  /** Marks that wait. */
  get marks(): number {
    return this.#marks;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  push(arrival: Arrival<P>): void {
    this.#queue.push(arrival);
    this.#pending += arrival.events;
  }

  mark(mark: Mark): void {
    this.#queue.push(mark);
    this.#marks++;
  }

  advance(): boolean {
    this.#passMarks();
    return this.#queue.length > this.#marks;
  }

  take(): Event<P> {
    const arrival = this.#queue.shift() as Arrival<P>;
    this.#current = arrival;
    this.#pending -= arrival.events;
    if (this.#pending === 0) this.#listener.onIdle();
    return arrival.event;
  }

  settle(): void {
    const arrival = this.#current;
    if (arrival === undefined) return;
    this.#current = undefined;
    const { event, isStep, events, chars } = arrival;
    if (isStep && event.sequence !== undefined) this.position.pass(event.shard, event.sequence);
    this.#passMarks();
    this.#listener.onConsumed(events, chars);
  }

  abandon(): void {
    this.#current = undefined;
  }

  /** Drops what waits; the position stays where it is. */
  clear(): void {
    this.#queue.clear();
    this.#pending = 0;
    this.#marks = 0;
  }

  /** The marks in front of the next event, unless the event before them is still being consumed. */
  #passMarks(): void {
    if (this.#current !== undefined) return;
    for (let mark = this.#queue.peek(); mark !== undefined; mark = this.#queue.peek()) {
      if (mark.event !== undefined) return;
      this.#queue.shift();
      this.#marks--;
      if (mark.cursor !== undefined) this.position.reach(mark.cursor);
      mark.tell?.();
    }
  }
}
