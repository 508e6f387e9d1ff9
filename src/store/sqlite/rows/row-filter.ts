import { compilePredicate, type EventFields, type Filter } from '../../../protocol/filter.js';
import type { EventRow } from './event-row.js';
import type { NameReader } from './names.js';

/** Applies a filter, all of it but its topics, to one row after another. */
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

/** The fields of a row, each read when a predicate asks for it. */
class RowFields implements EventFields {
  /** The row's attributes are not JSON. The filter accepts such a row, so that its checksum reports the damage. */
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
