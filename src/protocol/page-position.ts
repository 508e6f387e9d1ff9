import { decodeCursor, encodeCursor } from './cursor.js';
import type { Event } from './event.js';
import { Given } from './given.js';

/**
 * The position within a page of history: behind the last event passed. The next page begins `after` it without a gap or
 * a repeat, even if several shards are merged. One object for each page; used by the bus, its gateway and the client.
 *
 * A marked event has its own position as `cursor`. The text is made on access, so marking costs only a copy of a few
 * numbers.
 */

/** Where a page begins. */
export interface PageStart {
  readonly epoch: string;
  /** For each shard, the sequence of the last event before the page. */
  readonly positions: readonly number[];
}

/** The position behind an event, as private fields of the event. */
class Passed extends Given {
  #epoch: string;
  #positions: readonly number[];

  private constructor(event: object, epoch: string, positions: readonly number[]) {
    super(event);
    this.#epoch = epoch;
    this.#positions = positions;
  }

  static at(event: object, epoch: string, positions: readonly number[]): void {
    if (#epoch in event) {
      event.#epoch = epoch;
      event.#positions = positions;
    } else new Passed(event, epoch, positions);
  }

  static cursorOf(event: object): string | undefined {
    if (!(#epoch in event)) return undefined;
    return encodeCursor({ epoch: event.#epoch, positions: event.#positions });
  }
}

/**
 * One descriptor for all events, so that they keep one shape. Not enumerable, so that copies and the JSON of an event
 * do not have it.
 */
const CURSOR: PropertyDescriptor & ThisType<object> = {
  get() {
    return Passed.cursorOf(this);
  },
  enumerable: false,
  configurable: true,
};

export class PagePosition {
  readonly #epoch: string;
  #positions: readonly number[];

  constructor({ epoch, positions }: PageStart) {
    this.#epoch = epoch;
    this.#positions = positions;
  }

  pass({ shard, sequence }: Event): void {
    if (sequence === undefined || shard >= this.#positions.length) return;
    this.#positions = this.#positions.with(shard, sequence);
  }

  /** Passes the event, and gives it its `cursor`. */
  mark<E extends Event>(event: E): E {
    this.pass(event);
    Passed.at(event, this.#epoch, this.#positions);
    return Object.defineProperty(event, 'cursor', CURSOR);
  }

  get cursor(): string {
    return encodeCursor({ epoch: this.#epoch, positions: this.#positions });
  }
}

/** The epoch and the number of shards of the log that a page is from. */
export interface LogShape {
  readonly epoch: string;
  readonly shards: number;
}

/** The start of the page with these events that ends at a cursor: right before its first event in each shard. */
export function pageStartBefore(events: readonly Event[], cursor: string): PageStart {
  const { epoch, positions } = decodeCursor(cursor);
  const before = [...positions];
  for (let i = events.length - 1; i >= 0; i--) {
    const { shard, sequence } = events[i]!;
    if (sequence !== undefined && shard < before.length) before[shard] = sequence - 1;
  }
  return { epoch, positions: before };
}

/** The start of the page behind a cursor, in the cursor's own epoch; without a cursor, of the first page. */
export function pageStart({ epoch, shards }: LogShape, after: string | undefined): PageStart {
  if (after !== undefined) return decodeCursor(after);
  return { epoch, positions: new Array<number>(shards).fill(0) };
}
