import type { AlertEvent } from '../protocol/alerts.js';
import type { ParsedFilter } from '../protocol/filter.js';
import type { TallyQuestion, TallyReport } from './watched-bus.js';

/**
 * Adds up what the shards count: how many events have matched each filter since it was first watched. It goes on where
 * a shard's thread is replaced, whose counts begin at 0 again.
 */

export interface Total {
  readonly events: number;
  readonly lastEvent: AlertEvent | undefined;
}

interface ShardBook {
  thread: number;
  position: number | null;
  /** The counts of the last report. */
  counts: ReadonlyMap<string, number>;
}

const NONE: Total = { events: 0, lastEvent: undefined };

export class TallyBook {
  readonly #shards = new Map<number, ShardBook>();
  #totals = new Map<string, Total>();
  #filters = new Map<string, ParsedFilter>();
  #version = 0;

  /** True if there are filters, or a shard still counts for filters that are gone. */
  get hasQuestion(): boolean {
    return (
      this.#filters.size > 0 || [...this.#shards.values()].some(({ counts }) => counts.size > 0)
    );
  }

  /** Counts for these filters from now on; those that were watched before keep their totals. */
  watch(filters: readonly ParsedFilter[]): void {
    const next = new Map(filters.map((filter) => [keyOf(filter), filter]));
    const keys = [...next.keys()];
    const isSame = next.size === this.#filters.size && keys.every((key) => this.#filters.has(key));
    if (isSame && this.#version > 0) return;
    this.#filters = next;
    this.#totals = new Map(keys.map((key) => [key, this.#totals.get(key) ?? NONE]));
    this.#version++;
  }

  total(filter: ParsedFilter): Total {
    return this.#totals.get(keyOf(filter)) ?? NONE;
  }

  /** The question for a shard, and the function that takes its report. */
  ask(shard: number): { question: TallyQuestion; take: (report: TallyReport) => void } {
    const keys = [...this.#filters.keys()];
    const filters = [...this.#filters.values()];
    const after = this.#shards.get(shard)?.position ?? null;
    const question = { version: this.#version, filters, after };
    return { question, take: (report) => this.#take(shard, keys, report) };
  }

  #take(shard: number, keys: readonly string[], report: TallyReport): void {
    const book = this.#shards.get(shard);
    const before = book?.thread === report.thread ? book.counts : new Map<string, number>();
    const counts = new Map<string, number>();
    for (const [at, key] of keys.entries()) {
      const { events, lastTopic, lastSequence } = report.tallies[at]!;
      counts.set(key, events);
      const more = events - (before.get(key) ?? 0);
      const total = this.#totals.get(key);
      if (total === undefined || more === 0 || lastTopic === undefined) continue;
      const place = lastSequence ? { sequence: lastSequence } : {};
      const lastEvent = { topic: lastTopic, shard, ...place };
      this.#totals.set(key, { events: total.events + more, lastEvent });
    }
    const { thread, position } = report;
    this.#shards.set(shard, { thread, position, counts });
  }
}

function keyOf(filter: ParsedFilter): string {
  return JSON.stringify(filter);
}
