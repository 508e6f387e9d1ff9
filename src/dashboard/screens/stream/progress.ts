import type { Event } from 'millrace/client';

/**
 * How far a search through history has come: by the time of its events, from the first to the newest that it can meet.
 * Pure.
 */
export class Progress {
  #first: number | undefined;
  #reached = 0;
  #last: number | undefined;

  pass({ timestamp }: Event): void {
    this.#reached = Date.parse(timestamp);
    this.#first ??= this.#reached;
  }

  /** The newest event that the search can meet. */
  endAt({ timestamp }: Event): void {
    this.#last = Date.parse(timestamp);
  }

  /** 0 to 1; `undefined` before it can be known. */
  get value(): number | undefined {
    if (this.#first === undefined || this.#last === undefined) return undefined;
    const all = this.#last - this.#first;
    return all <= 0 ? 1 : Math.max(0, Math.min(1, (this.#reached - this.#first) / all));
  }
}
