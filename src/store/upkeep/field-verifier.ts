import type { Database, Statement } from '../sqlite/driver/driver.js';
import {
  addSequences,
  CORRELATION,
  FIELDS,
  FieldRows,
  NO_VALUE,
  partOf,
  ROWS_PER_BLOCK,
  rowIdOf,
  SOURCE,
  TYPE,
  valueOfText,
} from '../sqlite/fields/field-rows.js';
import {
  hasFieldTable,
  isSoundRow,
  SELECT_FIELD_ROW,
  type StoredFieldRow,
} from '../sqlite/fields/field-table.js';
import type { EventRow } from '../sqlite/rows/event-row.js';
import type { NameReader } from '../sqlite/rows/names.js';
import type { PrunedSequences } from '../sqlite/rows/pruned-sequences.js';
import { FIELD_BLOCKS, MetaTable, PRUNED_BLOCKS } from '../sqlite/tables/meta-table.js';
import { INDEX_BLOCK_EVENTS } from '../sqlite/tables/tables.js';

interface Fault {
  readonly sequence?: number;
  readonly message: string;
}

const NAMES = { [CORRELATION]: 'correlation id', [SOURCE]: 'source', [TYPE]: 'type' };

/** Holds the index by correlation id, source and type of one log against its events, block by block. */
export class FieldVerifier {
  readonly #names: NameReader;
  readonly #pruned: PrunedSequences;
  readonly #select: Statement<[number], StoredFieldRow> | undefined;
  readonly #rows = new FieldRows();
  /** Blocks below this should have rows, and blocks below `#gone` have no event left. */
  readonly #done: number;
  readonly #gone: number;
  /** By field: the values of the current block's events, by slot. */
  readonly #values = Array.from({ length: FIELDS }, () => new Uint32Array(INDEX_BLOCK_EVENTS));
  #events = 0;
  #hasDamage = false;

  constructor(database: Database, names: NameReader, pruned: PrunedSequences) {
    this.#names = names;
    this.#pruned = pruned;
    if (hasFieldTable(database)) {
      this.#select = database.prepare<[number], StoredFieldRow>(SELECT_FIELD_ROW).raw();
    }
    const { [FIELD_BLOCKS]: done = 0, [PRUNED_BLOCKS]: gone = 0 } = new MetaTable(database).all();
    this.#done = done;
    this.#gone = gone;
  }

  /** The number of blocks below `writtenBlocks` that have no rows yet. */
  left(writtenBlocks: number): number {
    return Math.max(0, writtenBlocks - Math.max(this.#done, this.#gone));
  }

  /** Takes an event of the current block. */
  note(row: EventRow): void {
    const slot = row[0] % INDEX_BLOCK_EVENTS;
    const correlationId = row[10];
    this.#events++;
    this.#values[TYPE]![slot] = valueOfText(this.#names.name(row[3]));
    this.#values[SOURCE]![slot] = valueOfText(this.#names.name(row[4]));
    this.#values[CORRELATION]![slot] =
      correlationId === null ? NO_VALUE : valueOfText(correlationId);
  }

  /** An event of the current block is damaged, which is told elsewhere. The block may lack rows because of it. */
  noteDamage(): void {
    this.#hasDamage = true;
  }

  /** Compares a complete block's rows with the events that were noted. */
  *verify(block: number): Generator<Fault> {
    const mayLackRows =
      block >= this.#done ||
      block < this.#gone ||
      this.#hasDamage ||
      // An event whose damage has left the block without rows may have been pruned since.
      this.#events < eventsOf(block);
    const stored = this.#stored(block);
    const present = stored.filter((row) => row !== undefined);
    if (present.length === 0 && mayLackRows) return;
    const areSound =
      present.length === ROWS_PER_BLOCK &&
      present.every((row, at) => isSoundRow(rowIdOf(block, 0, 0) + at, row));
    if (!areSound) {
      const what = 'the index by correlation id, source and type';
      const message = `${what} of block ${block} is damaged: readers use the events instead`;
      if (!mayLackRows || present.length === ROWS_PER_BLOCK) yield { message };
      return;
    }
    if (!this.#hasDamage) yield* this.#compare(block, present);
  }

  /** Begins the next block. */
  clear(): void {
    for (const values of this.#values) values.fill(NO_VALUE);
    this.#events = 0;
    this.#hasDamage = false;
  }

  #stored(block: number): (StoredFieldRow | undefined)[] {
    const first = rowIdOf(block, 0, 0);
    return Array.from({ length: ROWS_PER_BLOCK }, (_, at) => this.#select?.get(first + at));
  }

  *#compare(block: number, stored: readonly StoredFieldRow[]): Generator<Fault> {
    for (const [field, values] of this.#values.entries()) {
      const differing = new Set<number>();
      this.#rows.make(values, (part, row) => {
        const [postings] = stored[rowIdOf(0, field, part)]!;
        if (!row.equals(postings)) differing.add(part);
      });
      if (differing.size > 0) yield* this.#compareParts(block, field, differing, stored);
    }
  }

  /** Compares parts that are not as they would be written now: they may name pruned events. */
  *#compareParts(
    block: number,
    field: number,
    parts: ReadonlySet<number>,
    stored: readonly StoredFieldRow[],
  ): Generator<Fault> {
    const start = block * INDEX_BLOCK_EVENTS;
    const found = new Map<number, Set<number>>();
    for (const [slot, value] of this.#values[field]!.entries()) {
      if (value === NO_VALUE || !parts.has(partOf(value))) continue;
      const slots = found.get(value);
      if (slots === undefined) found.set(value, new Set([start + slot]));
      else slots.add(start + slot);
    }
    for (const [value, sequences] of found) {
      const indexed: number[] = [];
      const [row] = stored[rowIdOf(0, field, partOf(value))]!;
      if (!addSequences(row, value, start, indexed)) continue;
      yield* this.#differences(field, indexed, sequences);
    }
  }

  *#differences(field: number, indexed: readonly number[], found: Set<number>): Generator<Fault> {
    const name = NAMES[field as keyof typeof NAMES];
    for (const sequence of indexed) {
      if (found.delete(sequence) || this.#pruned.isPruned(sequence)) continue;
      yield { sequence, message: `the index has it under the ${name} of another event` };
    }
    for (const sequence of found) {
      yield { sequence, message: `the index does not have it under its ${name}` };
    }
  }
}

/** How many events a block has before any is pruned. There is no sequence 0. */
function eventsOf(block: number): number {
  return block === 0 ? INDEX_BLOCK_EVENTS - 1 : INDEX_BLOCK_EVENTS;
}
