import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import type { CheckedValues } from './checked-values.js';
import type { FieldWriter } from './field-writer.js';

/** Rows of `events` that one step reads. */
const ROWS_PER_STEP = 128;

/**
 * Puts the values of events behind the index back into memory after an opening, in bounded steps: at most two blocks.
 * It gives up at a damaged event, and if so many new events come that they take the places.
 */
export class FieldRecall {
  readonly #writer: FieldWriter;
  readonly #values: CheckedValues;
  #first = 1;
  #at = 0;
  #last = 0;

  constructor(writer: FieldWriter, values: CheckedValues) {
    this.#writer = writer;
    this.#values = values;
  }

  /** Blocks below `writtenBlocks` are in the topic index, and `head` is the last event. */
  start(writtenBlocks: number, head: number): void {
    this.#first = Math.max(1, writtenBlocks * INDEX_BLOCK_EVENTS);
    this.#at = this.#first - 1;
    this.#last = head;
  }

  get isDue(): boolean {
    return this.#at < this.#last;
  }

  step(): void {
    const { recent } = this.#writer;
    const until = Math.min(this.#last, this.#at + ROWS_PER_STEP);
    const isSound =
      recent.keeps(this.#first) &&
      this.#values.read(this.#at, until, (sequence, correlation, source, type) => {
        recent.put(sequence, correlation, source, type);
      });
    this.#at = isSound ? until : this.#last;
    if (isSound && !this.isDue) this.#writer.extendTo(this.#first);
  }
}
