/**
 * Doubly-linked lists of slots: small numbers that stand for entries of typed arrays. A list costs no object for each
 * entry, and an entry leaves from any place in O(1). Single-threaded.
 */

const NONE = -1;
const CAPACITY_MIN = 64;

/** The links of all lists of one kind. A slot is in at most one of the lists that share them. */
export class Links {
  next = new Int32Array(CAPACITY_MIN);
  prev = new Int32Array(CAPACITY_MIN);

  grow(capacity: number): void {
    if (capacity <= this.next.length) return;
    this.next = grown(this.next, capacity);
    this.prev = grown(this.prev, capacity);
  }
}

export class SlotList {
  readonly #links: Links;
  first = NONE;
  last = NONE;
  length = 0;

  constructor(links: Links) {
    this.#links = links;
  }

  append(slot: number): void {
    this.insertBehind(slot, this.last);
  }

  /** Puts the slot behind another one of this list, or at the beginning if that is -1. */
  insertBehind(slot: number, before: number): void {
    const { next, prev } = this.#links;
    const after = before < 0 ? this.first : next[before]!;
    next[slot] = after;
    prev[slot] = before;
    if (before < 0) this.first = slot;
    else next[before] = slot;
    if (after < 0) this.last = slot;
    else prev[after] = slot;
    this.length++;
  }

  /** The slot has to be in this list. */
  remove(slot: number): void {
    const { next, prev } = this.#links;
    const after = next[slot]!;
    const before = prev[slot]!;
    if (before < 0) this.first = after;
    else next[before] = after;
    if (after < 0) this.last = before;
    else prev[after] = before;
    this.length--;
  }

  /** The slot behind one of this list, or -1. */
  after(slot: number): number {
    return this.#links.next[slot]!;
  }

  /** The slot before one of this list, or -1. */
  before(slot: number): number {
    return this.#links.prev[slot]!;
  }

  clear(): void {
    this.first = NONE;
    this.last = NONE;
    this.length = 0;
  }
}

/** A copy of a typed array with more room. */
export function grown<A extends Int32Array | Float64Array | Uint16Array | Uint8Array>(
  array: A,
  capacity: number,
): A {
  const Kind = array.constructor as new (length: number) => A;
  const larger = new Kind(capacity);
  larger.set(array);
  return larger;
}
