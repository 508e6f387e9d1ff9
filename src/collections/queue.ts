/**
 * A first-in, first-out queue on a circular array that doubles when full and shrinks when mostly empty.
 * Single-threaded. All operations are O(1), amortised.
 */
const CAPACITY_MIN = 16;

export class Queue<T> {
  #items: (T | undefined)[] = new Array(CAPACITY_MIN);
  #mask = CAPACITY_MIN - 1;
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length > this.#mask) this.#resize((this.#mask + 1) * 2);
    this.#items[(this.#first + this.#length++) & this.#mask] = item;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first] = undefined;
    this.#first = (this.#first + 1) & this.#mask;
    this.#length--;
    if (this.#length === this.#mask >> 3 && this.#mask >= CAPACITY_MIN * 8) {
      this.#resize((this.#mask + 1) / 4);
    }
    return item;
  }

  peek(): T | undefined {
    return this.#items[this.#first];
  }

  clear(): void {
    this.#items = new Array(CAPACITY_MIN);
    this.#mask = CAPACITY_MIN - 1;
    this.#first = 0;
    this.#length = 0;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.#length; i++) yield this.#items[(this.#first + i) & this.#mask] as T;
  }

  #resize(capacity: number): void {
    const items: (T | undefined)[] = new Array(capacity);
    for (let i = 0; i < this.#length; i++) items[i] = this.#items[(this.#first + i) & this.#mask];
    this.#items = items;
    this.#mask = capacity - 1;
    this.#first = 0;
  }
}
