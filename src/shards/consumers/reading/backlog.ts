/**
 * The events that a consumer has not come to yet because it has enough of them open, with their records at hand as far
 * as there is room, so that they need not be read back from the log. It covers a stretch of the log without a hole, and
 * begins anew once that was read. Only the shard's loop touches this.
 */
import { Queue } from '../../../collections/queue.js';
import type { EventRecordView } from '../../../record/event-record.js';
import type { EventFinder } from './event-finder.js';

export class Backlog {
  readonly #events: EventFinder;
  /** The consumer's events behind `#from` and up to `#through`. */
  readonly #sequences = new Queue<number>();
  #from = 0;
  #through = 0;
  /** It takes further events. */
  isOpen = false;

  constructor(events: EventFinder) {
    this.#events = events;
  }

  /** How far the log has to be read by someone at this position before the backlog goes on; `Infinity`: all of it. */
  startFor(position: number): number {
    const isAhead = this.#from > position && this.#through > this.#from;
    return isAhead ? this.#from : Number.POSITIVE_INFINITY;
  }

  /** Whether it has the events behind a position. */
  covers(position: number): boolean {
    return position >= this.#from && position < this.#through;
  }

  /** Takes the consumer's events behind a sequence, unless it has others that are still to be read. */
  begin(after: number): void {
    if (this.isOpen && this.#through === after) return;
    this.isOpen = false;
    if (this.#sequences.length > 0) return;
    this.#from = after;
    this.#through = after;
    this.isOpen = true;
  }

  /** One of the consumer's events, the next behind the last one. */
  add(sequence: number, view: EventRecordView): void {
    if (!this.isOpen) return;
    if (this.#events.keepIfRoom(sequence, view.bytes, view.offset, view.length)) {
      this.#sequences.push(sequence);
      return;
    }
    this.end(sequence - 1);
    this.isOpen = false;
  }

  /** The consumer has no event behind the last one up to here. */
  end(through: number): void {
    if (this.isOpen) this.#through = through;
  }

  /** The consumer takes events as they come. */
  close(): void {
    this.isOpen = false;
  }

  /** The next event behind a position; past `through` if there is none. */
  next(position: number): number {
    for (let next = this.#sequences.peek(); next !== undefined; next = this.#sequences.peek()) {
      if (next > position) return next;
      this.#sequences.shift();
      this.#events.used(next);
    }
    return this.#through + 1;
  }

  /** The consumer has taken the next event, and uses its record itself. */
  take(): void {
    this.#sequences.shift();
  }

  get through(): number {
    return this.#through;
  }

  /** What it has is of no use any more. */
  clear(): void {
    for (const sequence of this.#sequences) this.#events.used(sequence);
    this.#sequences.clear();
    this.isOpen = false;
    this.#through = this.#from;
  }
}
