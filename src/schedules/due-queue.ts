/**
 * Names in the order of their due times: a binary heap that knows each name's place. Names that are due at one time come in
 * the order of their texts. No clock, no I/O.
 */

interface Entry {
  readonly name: string;
  readonly dueAt: number;
  place: number;
}

export class DueQueue {
  readonly #heap: Entry[] = [];
  readonly #byName = new Map<string, Entry>();

  /** The name that is due first, `undefined` if none is. */
  get first(): { readonly name: string; readonly dueAt: number } | undefined {
    return this.#heap[0];
  }

  /** @param dueAt `Infinity`: it is not due any more */
  set(name: string, dueAt: number): void {
    const known = this.#byName.get(name);
    if (known?.dueAt === dueAt) return;
    if (known !== undefined) this.#remove(known);
    if (dueAt === Number.POSITIVE_INFINITY) return;
    const entry = { name, dueAt, place: this.#heap.length };
    this.#byName.set(name, entry);
    this.#heap.push(entry);
    this.#rise(entry);
  }

  delete(name: string): void {
    const known = this.#byName.get(name);
    if (known !== undefined) this.#remove(known);
  }

  #remove(entry: Entry): void {
    this.#byName.delete(entry.name);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#put(last, entry.place);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(entry: Entry): void {
    while (entry.place > 0) {
      const above = this.#heap[(entry.place - 1) >> 1]!;
      if (!isBefore(entry, above)) return;
      this.#swap(entry, above);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = 2 * entry.place + 1;
      let below = this.#heap[left];
      if (below === undefined) return;
      const right = this.#heap[left + 1];
      if (right !== undefined && isBefore(right, below)) below = right;
      if (!isBefore(below, entry)) return;
      this.#swap(entry, below);
    }
  }

  #swap(one: Entry, other: Entry): void {
    const { place } = one;
    this.#put(one, other.place);
    this.#put(other, place);
  }

  #put(entry: Entry, place: number): void {
    this.#heap[place] = entry;
    entry.place = place;
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.dueAt < other.dueAt || (one.dueAt === other.dueAt && one.name < other.name);
}
