import type { Event } from '../protocol/event.js';

/**
 * The events that a log has stored behind its last known position. They come again from there, in the order of each remote
 * shard, and each of them is left out once.
 */
export class KnownEvents {
  readonly #counts = new Map<string, number>();
  size = 0;

  add(event: Event): void {
    const key = keyOf(event);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    this.size++;
  }

  /** Whether the event is one of them, which it then is no more. */
  take(event: Event): boolean {
    if (this.size === 0) return false;
    const key = keyOf(event);
    const count = this.#counts.get(key) ?? 0;
    if (count === 0) return false;
    if (count === 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
    this.size--;
    return true;
  }

  /** None of them comes any more. */
  clear(): void {
    this.#counts.clear();
    this.size = 0;
  }
}

/** A publisher may give an id again, on the same topic too, but not at the same time. */
function keyOf({ topic, id, type, timestamp }: Event): string {
  return JSON.stringify([topic, id, type, timestamp]);
}
