/** A row with the memory that it takes, in bytes. */
interface Weighted {
  readonly weight: number;
}

/** Rows in order, in a circular array that grows up to a fixed number. Pure. */
export class RowQueue<R extends Weighted> {
  readonly #rows: (R | undefined)[] = [];
  readonly #capacity: number;
  #first = 0;
  #length = 0;
  #weight = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  /** The memory of the rows, in bytes. */
  get weight(): number {
    return this.#weight;
  }

  at(index: number): R | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    return this.#rows[(this.#first + index) % this.#capacity];
  }

  /** The caller keeps to the capacity. */
  push(row: R): void {
    this.#rows[(this.#first + this.#length) % this.#capacity] = row;
    this.#length++;
    this.#weight += row.weight;
  }

  shift(): R | undefined {
    const row = this.at(0);
    if (row === undefined) return undefined;
    this.#rows[this.#first] = undefined;
    this.#first = (this.#first + 1) % this.#capacity;
    this.#length--;
    this.#weight -= row.weight;
    return row;
  }
}
