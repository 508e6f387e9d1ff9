import type { Filter } from '../../../protocol/filter.js';
import type { Database, Statement } from '../driver/driver.js';
import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import {
  addSequences,
  CORRELATION,
  partOf,
  rowIdOf,
  SOURCE,
  TYPE,
  valueOfText,
} from './field-rows.js';
import { hasFieldTable, isSoundRow, SELECT_FIELD_ROW, type StoredFieldRow } from './field-table.js';

/** So few events are read sooner than another field is looked up. */
const FEW_EVENTS = 16;

/** The wanted values of one field, by the part in which they are. */
interface Wanted {
  readonly field: number;
  readonly parts: ReadonlyMap<number, ReadonlySet<number>>;
}

/** The part of a filter that the index knows. */
export type FieldQuery = readonly Wanted[];

/** `undefined` if the filter names none of the fields. */
export function fieldQuery(filter: Filter | undefined): FieldQuery | undefined {
  const query: Wanted[] = [];
  const add = (field: number, values: readonly string[] | undefined): void => {
    if (values !== undefined) query.push({ field, parts: byPart(values) });
  };
  // The field whose values have the fewest events comes first.
  add(CORRELATION, filter?.correlationIds);
  add(SOURCE, filter?.sources);
  add(TYPE, filter?.types);
  return query.length === 0 ? undefined : query;
}

function byPart(values: readonly string[]): Map<number, Set<number>> {
  const parts = new Map<number, Set<number>>();
  for (const text of values) {
    const value = valueOfText(text);
    const part = partOf(value);
    const wanted = parts.get(part);
    if (wanted === undefined) parts.set(part, new Set([value]));
    else wanted.add(value);
  }
  return parts;
}

/**
 * Finds the events of a block by correlation id, source and type, over one connection. It finds all that the filter
 * wants, and may find some that it does not. It misses none: where a row is missing or damaged, it says nothing.
 */
export class FieldSearch {
  readonly #database: Database;
  #select: Statement<[number], StoredFieldRow> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Call it at the start of each snapshot. */
  refresh(): void {
    if (this.#select !== undefined || !hasFieldTable(this.#database)) return;
    this.#select = this.#database.prepare<[number], StoredFieldRow>(SELECT_FIELD_ROW).raw();
  }

  /** Sequences of the block, ascending; `undefined` if the index does not narrow the block down. */
  sequences(block: number, query: FieldQuery): number[] | undefined {
    if (this.#select === undefined) return undefined;
    let found: number[] | undefined;
    for (const wanted of query) {
      const ofField = this.#ofField(this.#select, block, wanted);
      if (ofField === undefined) continue;
      found = found === undefined ? ofField : intersection(found, ofField);
      if (found.length <= FEW_EVENTS) break;
    }
    return found;
  }

  #ofField(
    select: Statement<[number], StoredFieldRow>,
    block: number,
    { field, parts }: Wanted,
  ): number[] | undefined {
    const found: number[] = [];
    let lists = 0;
    for (const [part, values] of parts) {
      const id = rowIdOf(block, field, part);
      const row = select.get(id);
      if (row === undefined || !isSoundRow(id, row)) return undefined;
      for (const value of values) {
        const before = found.length;
        if (!addSequences(row[0], value, block * INDEX_BLOCK_EVENTS, found)) return undefined;
        if (found.length > before) lists++;
      }
    }
    return lists > 1 ? found.sort((a, b) => a - b) : found;
  }
}

/** The numbers that both ascending lists have. */
export function intersection(some: readonly number[], others: readonly number[]): number[] {
  const both: number[] = [];
  let at = 0;
  for (const number of some) {
    while (at < others.length && others[at]! < number) at++;
    if (others[at] === number) both.push(number);
  }
  return both;
}
