/** What waits in a subscription's queue in a shard, and the queue of the policy `conflate`. */

/** A copy of an event that waits to be sent, shared by all the queues that hold it. */
export interface QueuedEvent {
  readonly topic: string;
  /** 0 for an ephemeral event. */
  readonly sequence: number;
  readonly record: Buffer;
  /** When it expires, ms since 1970; 0: never. */
  readonly expiry: number;
  /** ms since 1970. */
  readonly queuedAt: number;
}

/** Keeps only the newest event of each topic; the oldest entry is first. */
export class ConflatedQueue {
  readonly #events = new Map<string, QueuedEvent>();

  get length(): number {
    return this.#events.size;
  }

  has(topic: string): boolean {
    return this.#events.has(topic);
  }

  /** Returns the event that this one replaces. */
  push(event: QueuedEvent): QueuedEvent | undefined {
    const replaced = this.#events.get(event.topic);
    if (replaced !== undefined) this.#events.delete(event.topic);
    this.#events.set(event.topic, event);
    return replaced;
  }

  peek(): QueuedEvent | undefined {
    return this.#events.values().next().value;
  }

  shift(): QueuedEvent | undefined {
    const first = this.peek();
    if (first !== undefined) this.#events.delete(first.topic);
    return first;
  }

  clear(): void {
    this.#events.clear();
  }

  [Symbol.iterator](): Iterator<QueuedEvent> {
    return this.#events.values();
  }
}
