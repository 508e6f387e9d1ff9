import type { TopicSummary, TopicTotals } from '../../store/shard-log.js';

/** The topics of a log from which nothing is ever removed, numbered from 1 in the order of their first events. */
export class TopicBook {
  readonly #numbers = new Map<string, number>();
  readonly #topics: TopicSummary[] = [];

  constructor(topics: readonly TopicSummary[] = []) {
    for (const topic of topics) this.#set(topic);
  }

  get all(): readonly TopicSummary[] {
    return this.#topics;
  }

  note(name: string, sequence: number, recordedAt: number): void {
    const known = this.get(name);
    const { events, firstSequence, firstAt } = known ?? {
      events: 0,
      firstSequence: sequence,
      firstAt: recordedAt,
    };
    this.#set({
      name,
      events: events + 1,
      prunedThrough: 0,
      firstSequence,
      lastSequence: sequence,
      firstAt,
      lastAt: recordedAt,
    });
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

  #set(topic: TopicSummary): void {
    const number = this.#numbers.get(topic.name) ?? this.#topics.length + 1;
    this.#numbers.set(topic.name, number);
    this.#topics[number - 1] = topic;
  }
}
