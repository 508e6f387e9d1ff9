import type { TopicEntry } from './topic-entry.js';

interface Item {
  readonly entry: TopicEntry;
  readonly sequence: number;
}

/** Topics that are there before those are dropped that need not stay. */
const DROPPED_FROM = 1024;

/**
 * Topics, each under a sequence, to be taken from the least sequence on: a binary heap. A topic that is deleted leaves
 * its item behind, which is dropped when its turn comes, or with all such items once they are the most.
 */
export class TopicHeap {
  #heap: Item[] = [];
  /** The items that count. */
  readonly #items = new Map<TopicEntry, Item>();
  readonly #mayGo: ((entry: TopicEntry) => boolean) | undefined;
  #dropsFrom = DROPPED_FROM;

  /**
   * `mayGo`: the topic need not stay. It is not asked when it changes, so whenever twice as many topics are there as were
   * left the last time, such topics are dropped. Default: all stay.
   */
  constructor(mayGo?: (entry: TopicEntry) => boolean) {
    this.#mayGo = mayGo;
  }

  /** The number of topics. */
  get size(): number {
    return this.#items.size;
  }

  has(entry: TopicEntry): boolean {
    return this.#items.has(entry);
  }

  /** Adds the topic under a sequence. A topic that is there already stays under the sequence that it has. */
  add(entry: TopicEntry, sequence: number): void {
    if (this.#items.has(entry)) return;
    if (this.#mayGo !== undefined && this.#items.size >= this.#dropsFrom) this.#drop(this.#mayGo);
    const item = { entry, sequence };
    this.#items.set(entry, item);
    this.#rise(item);
  }

  delete(entry: TopicEntry): void {
    if (!this.#items.delete(entry)) return;
    if (this.#heap.length > 2 * this.#items.size + 64) this.#rebuild();
  }

  /** Takes out the topic with the least sequence, if that is not above `through`; `undefined` if there is none. */
  take(through = Number.POSITIVE_INFINITY): Item | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.sequence > through) return undefined;
      const last = this.#heap.pop()!;
      if (this.#heap.length > 0) this.#sink(last);
      if (this.#items.get(first.entry) !== first) continue;
      this.#items.delete(first.entry);
      return first;
    }
  }

  #drop(mayGo: (entry: TopicEntry) => boolean): void {
    for (const entry of this.#items.keys()) if (mayGo(entry)) this.#items.delete(entry);
    this.#dropsFrom = Math.max(DROPPED_FROM, 2 * this.#items.size);
    this.#rebuild();
  }

  #rebuild(): void {
    const items = [...this.#items.values()];
    // An ascending array is a heap.
    this.#heap = items.sort((a, b) => a.sequence - b.sequence);
  }

  /** Puts an item at the end, and lets it rise to its place. */
  #rise(item: Item): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.sequence <= item.sequence) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  /** Puts an item at the root, and lets it sink to its place. */
  #sink(item: Item): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.sequence < heap[child]!.sequence) child++;
      if (heap[child]!.sequence >= item.sequence) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = item;
  }
}
