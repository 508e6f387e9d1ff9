/**
 * The `block` consumers of a shard. Publishers wait for them, but for none that takes nothing for so long as a publish may
 * wait: it may wait for the very publish that waits for it. From then on what it would get is refused, until it takes
 * an event again, and the shard goes on with the rest. Touched by the shard's loop alone.
 */
import type { ErrorData } from '../protocol/errors.js';
import type { EventRecordView } from '../record/event-record.js';
import type { LinkConsumer, Routes } from './routes.js';

export class BlockWatch {
  readonly #shard: number;
  readonly #routes: Routes;
  readonly #waitMs: number;
  readonly #consumers = new Set<LinkConsumer>();
  /** Since when publishes have waited for a consumer, ms. */
  readonly #heldSince = new Map<LinkConsumer, number>();
  readonly #overdue = new Set<LinkConsumer>();

  constructor(shard: number, routes: Routes, waitMs: number) {
    this.#shard = shard;
    this.#routes = routes;
    this.#waitMs = waitMs;
  }

  add(consumer: LinkConsumer): void {
    if (consumer.overflow === 'block') this.#consumers.add(consumer);
  }

  delete(consumer: LinkConsumer): void {
    this.#consumers.delete(consumer);
    this.#forgive(consumer);
  }

  /** Publishes, `max` at most, that every consumer has room for; those that are overdue are not asked. */
  limit(max: number, hasPublishes: () => boolean): number {
    let limit = max;
    for (const consumer of this.#consumers) {
      const { room } = consumer;
      if (room > 0) {
        this.#forgive(consumer);
        limit = Math.min(limit, room);
      } else if (!this.#isOverdue(consumer, hasPublishes)) limit = 0;
    }
    return limit;
  }

  /** There may be something to refuse. */
  get refuses(): boolean {
    return this.#overdue.size > 0;
  }

  /** Why a publish is refused; undefined if it is not. */
  refusalOf(topic: string, view: EventRecordView): ErrorData | undefined {
    const { consumers } = this.#routes.of(topic);
    for (const consumer of this.#overdue) {
      if (!consumers.has(consumer)) continue;
      if (consumer.predicate !== undefined && !consumer.predicate(view)) continue;
      const shard = this.#shard;
      const waitedMs = this.#waitMs;
      const subscription = consumer.name ?? `${consumer.link.endpoint}-${consumer.subscription}`;
      return {
        code: 'BACKPRESSURE',
        message: `shard ${shard}: the block subscription ${subscription} has taken nothing for ${waitedMs} ms`,
        details: { shard, waitedMs, subscription },
      };
    }
    return undefined;
  }

  #isOverdue(consumer: LinkConsumer, hasPublishes: () => boolean): boolean {
    if (this.#overdue.has(consumer)) return true;
    const since = this.#heldSince.get(consumer);
    if (since === undefined && !hasPublishes()) return false;
    const now = performance.now();
    if (since === undefined) this.#heldSince.set(consumer, now);
    if (now - (since ?? now) < this.#waitMs) return false;
    this.#heldSince.delete(consumer);
    this.#overdue.add(consumer);
    return true;
  }

  #forgive(consumer: LinkConsumer): void {
    this.#heldSince.delete(consumer);
    this.#overdue.delete(consumer);
  }
}
