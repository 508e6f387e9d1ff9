const FIRST = 1024;

/** A list of numbers that grows. What was never set is `empty`. */
export class Column {
  length = 0;
  #values;
  #empty;

  /** @param Type a class of typed arrays */
  constructor(Type, empty = 0) {
    this.#empty = empty;
    this.#values = new Type(FIRST).fill(empty);
  }

  get(index) {
    return index < this.length ? this.#values[index] : this.#empty;
  }

  set(index, value) {
    if (index >= this.#values.length) {
      const values = new this.#values.constructor(Math.max(index + 1, this.#values.length * 2));
      if (this.#empty !== 0) values.fill(this.#empty);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[index] = value;
    if (index >= this.length) this.length = index + 1;
  }
}

/** Numbers for names. */
export class Names {
  #numbers = new Map();
  #names = [];

  numberOf(name) {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#names.length);
    return this.#names.push(name) - 1;
  }

  find(name) {
    return this.#numbers.get(name);
  }

  of(number) {
    return this.#names[number];
  }
}
