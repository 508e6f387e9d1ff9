/** Tells main at intervals what has become of consumers. Only the shard's loop touches this. */
import type { ConsumerNews, DeadEntry } from '../../../link/consumer-shapes.js';
import { BusError } from '../../../protocol/errors.js';
import { CONSUMER_NEWS_MS } from '../../../protocol/limits/consumers.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { DeadEntries } from './dead-entries.js';
import { blockedOf, type DeskView } from './questions.js';

export class NewsDesk {
  readonly #desk: DeskView;
  readonly #entries: DeadEntries;
  readonly #onNews: (news: readonly ConsumerNews[]) => void;
  /** When it looks again; `Infinity`: when something happens. */
  #at = Number.POSITIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(
    desk: DeskView,
    entries: DeadEntries,
    onNews: (news: readonly ConsumerNews[]) => void,
  ) {
    this.#desk = desk;
    this.#entries = entries;
    this.#onNews = onNews;
  }

  /** Monotonic ms. */
  get nextDue(): number {
    return this.#at;
  }

  /** Something has happened to a consumer. */
  touch(now: number): void {
    if (this.#at !== Number.POSITIVE_INFINITY) return;
    this.#at = Math.max(now, this.#lookedAt + CONSUMER_NEWS_MS);
  }

  /** Looks at the consumers if it is time, and tells what is new. */
  step(consumers: readonly DeskConsumer[], now: number): void {
    if (now < this.#at) return;
    this.#lookedAt = now;
    this.#at = Number.POSITIVE_INFINITY;
    const news: ConsumerNews[] = [];
    for (const consumer of consumers) {
      const one = this.#of(consumer, now);
      if (one !== undefined) news.push(one);
      if (consumer.tidings.isWatching) this.#at = now + CONSUMER_NEWS_MS;
    }
    if (news.length > 0) this.#onNews(news);
  }

  #of(consumer: DeskConsumer, now: number): ConsumerNews | undefined {
    const { id, tidings } = consumer;
    const blocked = tidings.blocked(now, blockedOf(this.#desk, consumer));
    if (!tidings.hasAny && blocked === undefined) return undefined;
    const { deadCount, gaps } = tidings;
    const dead = tidings.dead.map((sequence) => this.#entryOf(consumer, sequence));
    tidings.clear();
    return {
      id,
      deadCount,
      dead: dead.filter((entry) => entry !== undefined),
      gaps,
      ...(blocked === undefined ? {} : { blocked }),
      lettersDue: this.#desk.store.lettersDueCount(id) > 0,
    };
  }

  #entryOf(consumer: DeskConsumer, sequence: number): DeadEntry | undefined {
    try {
      return this.#entries.one(consumer, sequence);
    } catch (error) {
      // A damaged row is told to those who ask for it.
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      return undefined;
    }
  }
}
