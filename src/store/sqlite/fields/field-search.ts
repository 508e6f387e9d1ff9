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
import type { RecentValues } from './recent-values.js';

/** So few events are read sooner than another field is looked up. */
const FEW_EVENTS = 16;

/** The wanted values of one field, and the same by the part in which they are. */
interface Wanted {
  readonly field: number;
  readonly values: ReadonlySet<number>;
  readonly parts: ReadonlyMap<number, ReadonlySet<number>>;
}

/** The part of a filter that the index knows. */
export type FieldQuery = readonly Wanted[];

/** `undefined` if the filter names none of the fields. */
export function fieldQuery(filter: Filter | undefined): FieldQuery | undefined {
  const query: Wanted[] = [];
  const add = (field: number, values: readonly string[] | undefined): void => {
    if (values === undefined) return;
    const wanted = new Set(values.map(valueOfText));
    query.push({ field, values: wanted, parts: byPart(wanted) });
  };
  // The field whose values have the fewest events comes first.
  add(CORRELATION, filter?.correlationIds);
  add(SOURCE, filter?.sources);
  add(TYPE, filter?.types);
  return query.length === 0 ? undefined : query;
}

function byPart(values: ReadonlySet<number>): Map<number, Set<number>> {
  const parts = new Map<number, Set<number>>();
  for (const value of values) {
    const part = partOf(value);
    const wanted = parts.get(part);
    if (wanted === undefined) parts.set(part, new Set([value]));
    else wanted.add(value);
  }
  return parts;
}

/**
 * Finds the events of a block by correlation id, source and type, over one connection. It finds all that the filter
 * wants, and may find some that it does not. It misses none: where a row is missing or damaged, it says nothing. Events
 * behind the index are found in memory, where the log's thread shares that.
 */
export class FieldSearch {
  readonly #database: Database;
  readonly #recent: RecentValues | undefined;
  #select: Statement<[number], StoredFieldRow> | undefined;

  constructor(database: Database, recent: RecentValues | undefined) {
    this.#database = database;
    this.#recent = recent;
  }

  /** Call it at the start of each snapshot. */
  refresh(): void {
    if (this.#select !== undefined || !hasFieldTable(this.#database)) return;
    this.#select = this.#database.prepare<[number], StoredFieldRow>(SELECT_FIELD_ROW).raw();
  }

  /** Sequences in `(after, until]`, a range within the block, ascending; `undefined` if it cannot be narrowed down. */
  sequences(block: number, after: number, until: number, query: FieldQuery): number[] | undefined {
    const found = this.#ofBlock(block, query);
    if (found === undefined) return this.#recent?.sequences(after, until, query);
    return found.filter((sequence) => sequence > after && sequence <= until);
  }

  #ofBlock(block: number, query: FieldQuery): number[] | undefined {
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
