import type { TopicEntry } from '../index/topic-entry.js';

interface Held {
  readonly entry: TopicEntry;
  readonly sequence: number;
}

/**
 * Topics whose oldest event may not go yet, in the order of those events: a binary heap. A topic that is held is looked
 * at again only when its event may go, and not at every step.
 */
export class HeldTopics {
  readonly #heap: Held[] = [];
  readonly #entries = new Set<TopicEntry>();

  get size(): number {
    return this.#heap.length;
  }

  /** Holds the topic until the event `sequence` may go. A topic that is held already stays so until its earlier event. */
  add(entry: TopicEntry, sequence: number): void {
    if (this.#entries.has(entry)) return;
    this.#entries.add(entry);
    const heap = this.#heap;
    const held = { entry, sequence };
    let at = heap.push(held) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.sequence <= sequence) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = held;
  }

  /** Takes out a topic whose event is not behind `through`; `undefined` if there is none. */
  takeThrough(through: number): TopicEntry | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.sequence > through) return undefined;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) this.#sink(last);
    this.#entries.delete(first.entry);
    return first.entry;
  }

  /** Puts an entry at the root, and lets it sink to its place. */
  #sink(held: Held): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.sequence < heap[child]!.sequence) child++;
      if (heap[child]!.sequence >= held.sequence) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = held;
  }
}
