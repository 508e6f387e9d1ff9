import type { Database } from '../driver/driver.js';
import { storeError } from '../driver/store-errors.js';
import type { NameReader } from '../rows/names.js';
import { RecordBuffer } from '../rows/record-buffer.js';
import type { RowDecoder } from '../rows/row-decoder.js';
import { RowReader } from '../rows/row-reader.js';
import { NO_VALUE, valueOfText } from './field-rows.js';

const BUFFER_BYTES = 64 * 1024;
const NAMES_CACHED_MAX = 65_536;

/** Reads the correlation id, source and type of events from their rows, and checks each row against its checksum. */
export class CheckedValues {
  readonly #file: string;
  readonly #rows: RowReader;
  readonly #records: RecordBuffer;
  readonly #names: NameReader;
  /** Values of types and sources by the id of their name. */
  readonly #valuesOfNames = new Map<number, number>();

  constructor(database: Database, decoder: RowDecoder, names: NameReader) {
    this.#file = database.name;
    this.#rows = new RowReader(database);
    this.#records = new RecordBuffer(decoder, BUFFER_BYTES);
    this.#names = names;
  }

  /**
   * Visits the events in `(after, until]` that were not pruned.
   * @returns false at the first damage, which those are told who read there
   */
  read(
    after: number,
    until: number,
    visit: (sequence: number, correlation: number, source: number, type: number) => void,
  ): boolean {
    try {
      this.#rows.range(after, until, false, (row) => {
        this.#records.clear();
        this.#records.check(row);
        const correlation = row[10] === null ? NO_VALUE : valueOfText(row[10]);
        visit(row[0], correlation, this.#valueOfName(row[4]), this.#valueOfName(row[3]));
        return true;
      });
      return true;
    } catch (error) {
      if (storeError(error, this.#file, 'indexing').code !== 'STORE_CORRUPT') throw error;
      return false;
    }
  }

  #valueOfName(id: number): number {
    const known = this.#valuesOfNames.get(id);
    if (known !== undefined) return known;
    const value = valueOfText(this.#names.name(id));
    if (this.#valuesOfNames.size >= NAMES_CACHED_MAX) this.#valuesOfNames.clear();
    this.#valuesOfNames.set(id, value);
    return value;
  }
}
