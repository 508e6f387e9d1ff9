import type { TopicEntry } from './topic-entry.js';
import { TopicHeap } from './topic-heap.js';

/**
 * For each retention rule that keeps a number of events per topic: the topics that have come to hold more. A topic is
 * entered when its number of events rises above the rule's, and leaves when it falls to it; the rule takes out those
 * that have to wait. So a look at what is to be done costs what is to be done, however many topics there are.
 *
 * They lie in the order in which their events begin, so that a rule comes to events that are neighbours in the file.
 */
export class CrowdedTopics {
  /** By rule; infinite for a rule that has no such number. */
  readonly #keep: readonly number[];
  readonly #crowded: readonly TopicHeap[];

  /** @param keep by rule, how many events of each topic it keeps; `undefined`: any number */
  constructor(keep: readonly (number | undefined)[]) {
    this.#keep = keep.map((events) => events ?? Number.POSITIVE_INFINITY);
    this.#crowded = keep.map(() => new TopicHeap());
  }

  /** The rule's topics, to be taken out, looked at, and put back under a sequence up to which they have no event. */
  of(rule: number): TopicHeap {
    return this.#crowded[rule]!;
  }

  /** The topic had `before` events, and now has another number. */
  note(entry: TopicEntry, before: number): void {
    const { events } = entry;
    for (const rule of entry.rules) {
      const keep = this.#keep[rule] ?? Number.POSITIVE_INFINITY;
      if (events > keep === before > keep) continue;
      if (events > keep) this.#crowded[rule]!.add(entry, beginningOf(entry));
      else this.#crowded[rule]!.delete(entry);
    }
  }
}

/** The topic has no event before this sequence. */
export function beginningOf({ firstSequence, goneThrough }: TopicEntry): number {
  return firstSequence === 0 ? goneThrough + 1 : firstSequence;
}
