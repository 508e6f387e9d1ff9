import type { Event, TopicInfo } from 'millrace/client';

/** How far a search through history has come: by the sequences of its topics, or by time where a time bounds it. Pure. */

/** The first and the last sequence of the topics in one shard. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

export interface TimeRange {
  readonly since?: Date | string | undefined;
  readonly until?: Date | string | undefined;
  readonly now: number;
}

export function spansOf(topics: readonly TopicInfo[]): ReadonlyMap<number, Span> {
  const spans = new Map<number, Span>();
  for (const { shard, firstSequence, lastSequence } of topics) {
    const { first, last } = spans.get(shard) ?? { first: firstSequence, last: lastSequence };
    const span = { first: Math.min(first, firstSequence), last: Math.max(last, lastSequence) };
    spans.set(shard, span);
  }
  return spans;
}

export class Progress {
  readonly #spans: ReadonlyMap<number, Span>;
  readonly #isByTime: boolean;
  readonly #until: number;
  readonly #reached = new Map<number, number>();
  #since: number | undefined;
  #time: number | undefined;

  constructor(spans: ReadonlyMap<number, Span>, { since, until, now }: TimeRange) {
    this.#spans = spans;
    this.#isByTime = since !== undefined || until !== undefined;
    this.#since = since === undefined ? undefined : new Date(since).getTime();
    this.#until = until === undefined ? now : Math.min(now, new Date(until).getTime());
  }

  pass({ shard, sequence, timestamp }: Event): void {
    if (sequence !== undefined) this.#reached.set(shard, sequence);
    if (!this.#isByTime) return;
    this.#time = Date.parse(timestamp);
    this.#since ??= this.#time;
  }

  /** 0 to 1. */
  get value(): number {
    const { done, all } = this.#isByTime ? this.#byTime() : this.#bySequence();
    return all <= 0 ? 0 : Math.max(0, Math.min(1, done / all));
  }

  #byTime(): { done: number; all: number } {
    const since = this.#since ?? this.#until;
    return { done: (this.#time ?? since) - since, all: this.#until - since };
  }

  #bySequence(): { done: number; all: number } {
    let done = 0;
    let all = 0;
    for (const [shard, { first, last }] of this.#spans) {
      all += last - first + 1;
      done += (this.#reached.get(shard) ?? first - 1) - first + 1;
    }
    return { done, all };
  }
}
