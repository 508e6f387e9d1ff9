import type { OpenEvents } from './open-events.js';

/**
 * Which open event of a key is next. The open events of one key are a chain in the order in which they were read; only
 * the first of a chain may go out. A key takes memory only while it has an open event. Single-threaded.
 */
export class KeyChains {
  readonly #open: OpenEvents;
  /** The last slot of each key's chain. */
  readonly #last = new Map<string, number>();
  /** The key of each slot that is in a chain. */
  readonly #keys: (string | undefined)[] = [];

  constructor(open: OpenEvents) {
    this.#open = open;
  }

  keyOf(slot: number): string | undefined {
    return this.#keys[slot];
  }

  /** Whether it is in a chain, and the first of it. */
  isFirst(slot: number): boolean {
    return this.#keys[slot] !== undefined && this.#open.chain.prev[slot]! < 0;
  }

  hasBehind(slot: number): boolean {
    return this.#open.chain.next[slot]! >= 0;
  }

  /** How many slots of its chain are behind it. */
  countBehind(slot: number): number {
    const { next } = this.#open.chain;
    let count = 0;
    for (let behind = next[slot]!; behind >= 0; behind = next[behind]!) count++;
    return count;
  }

  /** Appends a slot, and returns whether it is the first of its chain. */
  append(slot: number, key: string): boolean {
    const { next, prev } = this.#open.chain;
    const before = this.#last.get(key) ?? -1;
    this.#last.set(key, slot);
    this.#keys[slot] = key;
    next[slot] = -1;
    prev[slot] = before;
    if (before < 0) return true;
    next[before] = slot;
    return false;
  }

  /** Takes a slot out, if it is in a chain, and returns the slot that has become the first of the chain, or -1. */
  remove(slot: number): number {
    const key = this.#keys[slot];
    if (key === undefined) return -1;
    this.#keys[slot] = undefined;
    const { next, prev } = this.#open.chain;
    const after = next[slot]!;
    const before = prev[slot]!;
    if (before >= 0) next[before] = after;
    if (after >= 0) prev[after] = before;
    else if (before >= 0) this.#last.set(key, before);
    else this.#last.delete(key);
    return before < 0 ? after : -1;
  }

  clear(): void {
    this.#last.clear();
    this.#keys.length = 0;
  }
}
