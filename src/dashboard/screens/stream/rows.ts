import type { Event, Gap } from 'millrace/client';
import { textOf } from '../../event/event-address.js';
import { weightOf } from '../../event/weight.js';
import { ROWS_MAX, ROWS_WEIGHT_MAX } from './bounds.js';
import { RowQueue } from './row-queue.js';

/**
 * The rows of the Stream: the newest events, bounded in number and memory, and between them what happened to the stream.
 *
 * While the list is held, because somebody reads further up, new rows wait beside it and the rows in sight stay. Beyond
 * the bounds the oldest rows go and are counted: every event is shown, waits, or is counted as skipped. Pure.
 */

export type RowContent =
  | { readonly kind: 'event'; readonly event: Event; readonly isRepeated: boolean }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'skipped'; readonly events: number }
  | { readonly kind: 'missed'; readonly events: number }
  | { readonly kind: 'note'; readonly text: string; readonly at: number };

export type Row = RowContent & {
  /** Counts up by one with each row. */
  readonly key: number;
  /** Bytes. */
  readonly weight: number;
  /** The beginning of the payload, once the row has been drawn. */
  preview?: string;
};

export interface RowBounds {
  readonly rows: number;
  readonly weight: number;
}

const MARK_WEIGHT = 100;

export class Rows {
  readonly #bounds: RowBounds;
  readonly #shown: RowQueue<Row>;
  readonly #waiting: RowQueue<Row>;
  /** The newest row of each event, by its address, to know one that comes again. */
  readonly #byAddress = new Map<string, Row>();
  #isHeld = false;
  #lastKey = 0;
  #skipped = 0;
  /** Events since the list was held, and those of them that have gone from the waiting rows. */
  #waitingEvents = 0;
  #skippedWaiting = 0;
  #removed = 0;

  constructor(bounds: RowBounds = { rows: ROWS_MAX, weight: ROWS_WEIGHT_MAX }) {
    this.#bounds = bounds;
    // One more than is kept: the bounds are restored after a row was added.
    this.#shown = new RowQueue(bounds.rows + 1);
    this.#waiting = new RowQueue(bounds.rows + 1);
  }

  /** How many rows are shown. */
  get count(): number {
    return this.#shown.length;
  }

  /** How many events wait below a list that is held, those that have gone meanwhile included. */
  get waiting(): number {
    return this.#waitingEvents;
  }

  get weight(): number {
    return this.#shown.weight + this.#waiting.weight;
  }

  /** How many events the list has let go of. */
  get skipped(): number {
    return this.#skipped;
  }

  /** How many rows have gone from the beginning of the list. */
  get removed(): number {
    return this.#removed;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  at(index: number): Row | undefined {
    return this.#shown.at(index);
  }

  /** Keys are consecutive but for rows that went while they waited, so the index is searched by halves. */
  indexOf(key: number): number {
    let low = 0;
    let high = this.#shown.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#shown.at(middle)!.key < key) low = middle + 1;
      else high = middle;
    }
    return this.#shown.at(low)?.key === key ? low : -1;
  }

  addEvent(event: Event): void {
    const address = textOf(event);
    const isRepeated = this.#byAddress.has(address);
    const row = this.#add({ kind: 'event', event, isRepeated }, weightOf(event));
    this.#byAddress.set(address, row);
    if (this.#isHeld) this.#waitingEvents++;
    this.#trim();
  }

  addMark(content: Exclude<RowContent, { kind: 'event' }>): void {
    this.#add(content, MARK_WEIGHT);
    this.#trim();
  }

  /** From now on new rows wait. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Shows the rows that wait, and new ones again. */
  release(): void {
    this.#isHeld = false;
    this.#waitingEvents = 0;
    if (this.#skippedWaiting > 0) {
      const events = this.#skippedWaiting;
      this.#skippedWaiting = 0;
      // Its key is one that has gone, so keys stay in order.
      const key = (this.#waiting.at(0)?.key ?? this.#lastKey + 1) - 1;
      this.#show({ kind: 'skipped', events, key, weight: MARK_WEIGHT });
    }
    for (let row = this.#waiting.shift(); row !== undefined; row = this.#waiting.shift()) {
      this.#show(row);
    }
  }

  #show(row: Row): void {
    this.#shown.push(row);
    this.#trim();
  }

  #add(content: RowContent, weight: number): Row {
    const row = { ...content, key: ++this.#lastKey, weight };
    (this.#isHeld ? this.#waiting : this.#shown).push(row);
    return row;
  }

  #trim(): void {
    const { rows, weight } = this.#bounds;
    const shown = this.#shown;
    const waiting = this.#waiting;
    while (shown.length + waiting.length > rows || this.weight > weight) {
      if (shown.length + waiting.length <= 1) return;
      const isLarge = waiting.length * 2 > rows || waiting.weight * 2 > weight;
      if (this.#isHeld && waiting.length > 1 && (isLarge || shown.length === 0)) {
        this.#skippedWaiting += this.#drop(waiting);
      } else {
        this.#drop(shown);
        this.#removed++;
      }
    }
  }

  /** Drops the oldest row. Returns how many events go with it. */
  #drop(queue: RowQueue<Row>): number {
    const row = queue.shift()!;
    if (row.kind !== 'event') return 0;
    const address = textOf(row.event);
    if (this.#byAddress.get(address) === row) this.#byAddress.delete(address);
    this.#skipped++;
    return 1;
  }
}
