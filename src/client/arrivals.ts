import { Queue } from '../collections/queue.js';
import type { Supply } from '../handout/pump.js';
import type { Event } from '../protocol/event.js';
import { ConsumedPosition } from './consumed-position.js';

/**
 * The events of a subscription that have arrived and are not consumed, in order. Marks stand between them: a mark moves
 * the position, makes a notification at its place, or both. The position also moves as events are settled.
 */

/** An event that waits to be consumed. */
export interface Arrival<P> {
  readonly event: Event<P>;
  /**
   * Whether consuming the event moves the position past it. False for a coalesced event: the mark behind it moves the
   * position.
   */
  readonly isStep: boolean;
  /** How many of the server's events are consumed with this one, and their length in characters. */
  readonly events: number;
  readonly chars: number;
}

/** Something that happens between two events, once the one before it is consumed. */
export interface Mark {
  readonly event?: undefined;
  cursor?: string;
  readonly notify?: () => void;
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
  /** The mark that was put in last, if nothing has come behind it and it has not been passed. */
  #lastMark: Mark | undefined;

  constructor(cursor: string, listener: ArrivalListener) {
    this.position = new ConsumedPosition(cursor);
    this.#listener = listener;
  }

  /** How many of the server's events wait, those in hand left out. */
  get pending(): number {
    return this.#pending;
  }

  /** How many of the server's events wait or are in hand. */
  get held(): number {
    return this.#pending + (this.#current?.events ?? 0);
  }

  /** How many marks wait. */
  get marks(): number {
    return this.#marks;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  push(arrival: Arrival<P>): void {
    this.#queue.push(arrival);
    this.#lastMark = undefined;
    this.#pending += arrival.events;
  }

  /** Of marks in a row that only move the position, the last one counts, so that any number of them takes one place. */
  mark(mark: Mark): void {
    if (this.#lastMark !== undefined && mark.cursor !== undefined && mark.notify === undefined) {
      this.#lastMark.cursor = mark.cursor;
      return;
    }
    this.#queue.push(mark);
    this.#lastMark = mark.notify === undefined ? mark : undefined;
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

  /** Drops all events and marks that wait; the position stays where it is. */
  clear(): void {
    this.#queue.clear();
    this.#lastMark = undefined;
    this.#pending = 0;
    this.#marks = 0;
  }

  /** Passes the marks in front of the next event, unless the event before them is still being consumed. */
  #passMarks(): void {
    if (this.#current !== undefined) return;
    for (let mark = this.#queue.peek(); mark !== undefined; mark = this.#queue.peek()) {
      if (mark.event !== undefined) return;
      this.#queue.shift();
      if (mark === this.#lastMark) this.#lastMark = undefined;
      this.#marks--;
      if (mark.cursor !== undefined) this.position.reach(mark.cursor);
      mark.notify?.();
    }
  }
}
