import type { Database } from '../driver/driver.js';
import type { NameReader } from '../rows/names.js';
import type { RowDecoder } from '../rows/row-decoder.js';
import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import { CheckedValues } from './checked-values.js';
import { FieldBacklog } from './field-backlog.js';
import { FieldRecall } from './field-recall.js';
import type { FieldWriter } from './field-writer.js';

/**
 * Makes up for all that the index by field lacks when a log is opened, in bounded steps: first the values of the newest
 * events in memory, then blocks without rows.
 */
export class FieldCatchUp {
  readonly #writer: FieldWriter;
  readonly #recall: FieldRecall;
  readonly #backlog: FieldBacklog;

  constructor(database: Database, writer: FieldWriter, decoder: RowDecoder, names: NameReader) {
    const values = new CheckedValues(database, decoder, names);
    this.#writer = writer;
    this.#recall = new FieldRecall(writer, values);
    this.#backlog = new FieldBacklog(database, writer, values);
  }

  /** The log is open. Blocks below `writtenBlocks` are in the topic index, and `head` is the last event. */
  start(writtenBlocks: number, head: number): void {
    this.#writer.start(head + 1);
    this.#recall.start(writtenBlocks, head);
  }

  isDue(writtenBlocks: number): boolean {
    return this.#recall.isDue || this.#backlog.left(writtenBlocks) > 0;
  }

  /** Events of blocks that have no rows yet. */
  left(writtenBlocks: number): number {
    return this.#backlog.left(writtenBlocks) * INDEX_BLOCK_EVENTS;
  }

  step(writtenBlocks: number): void {
    if (this.#recall.isDue) this.#recall.step();
    else this.#backlog.step(writtenBlocks);
  }
}
