import type { TopicSummary, TopicTotals } from '../shard-log.js';

/** The topics of a shared log, numbered from 1 in the order in which the book learned of them. */
export class TopicBook {
  readonly #numbers = new Map<string, number>();
  readonly #topics: TopicSummary[] = [];

  constructor(topics: readonly TopicSummary[] = []) {
    for (const topic of topics) this.set(topic);
  }

  get all(): readonly TopicSummary[] {
    return this.#topics;
  }

  /** Counts an event, unless the topic's summary came from the broker and has it already. */
  note(name: string, sequence: number, recordedAt: number): void {
    const known = this.get(name);
    if (known !== undefined && known.lastSequence >= sequence) return;
    const { events = 0, prunedThrough = 0 } = known ?? {};
    const isFirst = known === undefined || events === 0;
    this.set({
      name,
      events: events + 1,
      prunedThrough,
      firstSequence: isFirst ? sequence : known.firstSequence,
      lastSequence: sequence,
      firstAt: isFirst ? recordedAt : known.firstAt,
      lastAt: recordedAt,
    });
  }

  /** Takes a topic as the broker knows it. */
  set(topic: TopicSummary): void {
    const number = this.#numbers.get(topic.name) ?? this.#topics.length + 1;
    this.#numbers.set(topic.name, number);
    this.#topics[number - 1] = topic;
  }

  /**
   * All events up to `through` have gone, of which the book has noted those up to `heard`. Returns the topics of which only the
   * broker knows how many events they have left, and which is the first. Until it says so they may have lost events up to
   * `through`.
   */
  prune(through: number, heard: number): string[] {
    const changed: string[] = [];
    for (const topic of this.#topics) {
      const { name, firstSequence, lastSequence, events } = topic;
      // Events that the book never noted may have been of any topic.
      const isAny = through > heard;
      if (!isAny && (events === 0 || firstSequence > through)) continue;
      const isEmpty = lastSequence <= through;
      const prunedThrough = isEmpty && !isAny ? lastSequence : through;
      this.set({ ...topic, prunedThrough, events: isEmpty ? 0 : events });
      if (!isEmpty || isAny) changed.push(name);
    }
    return changed;
  }

  get(name: string): TopicSummary | undefined {
    const number = this.#numbers.get(name);
    return number === undefined ? undefined : this.#topics[number - 1];
  }

  /** See `ShardLog.scanTopics`. */
  scan(after: number, limit: number, visit: (topic: TopicTotals) => void): number {
    const end = Math.min(after + limit, this.#topics.length);
    for (const topic of this.#topics.slice(after, end)) visit(topic);
    return end < this.#topics.length ? end : 0;
  }
}
