import { compilePredicate, type EventFields, type Filter } from '../../../protocol/filter.js';
import type { EventRow } from './event-row.js';
import type { NameReader } from './names.js';

/** Everything of a filter but its topics, asked of one row after the other. */
export class RowFilter {
  readonly #predicate: ((fields: EventFields) => boolean) | undefined;
  readonly #fields: RowFields;

  constructor(names: NameReader, filter: Filter | undefined) {
    this.#predicate = filter === undefined ? undefined : compilePredicate(filter);
    this.#fields = new RowFields(names);
  }

  accepts(row: EventRow): boolean {
    if (this.#predicate === undefined) return true;
    this.#fields.row = row;
    return this.#predicate(this.#fields) || this.#fields.isDamaged;
  }
}

/** A row, as far as a predicate asks for it. */
class RowFields implements EventFields {
  /** Its attributes are no JSON: let through to the checksum, which says so. */
  isDamaged = false;
  readonly #names: NameReader;
  #row: EventRow | undefined;

  constructor(names: NameReader) {
    this.#names = names;
  }

  set row(row: EventRow) {
    this.#row = row;
    this.isDamaged = false;
  }

  get type(): string {
    return this.#names.name(this.#row![3]);
  }

  get source(): string {
    return this.#names.name(this.#row![4]);
  }

  get correlationId(): string | undefined {
    return this.#row![10] ?? undefined;
  }

  get attributes(): Record<string, string> | undefined {
    const json = this.#row![12];
    if (json === null) return undefined;
    try {
      return JSON.parse(json);
    } catch {
      this.isDamaged = true;
      return undefined;
    }
  }
}
