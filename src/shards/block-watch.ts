/**
 * The `block` subscriptions of a shard. Publishers wait for them, but for none that takes nothing for so long as a publish may
 * wait: it may wait for the very publish that waits for it. From then on what it would get is refused, until it takes
 * an event again, and the shard goes on with the rest. Touched by the shard's loop alone.
 */
import type { ErrorData } from '../protocol/errors.js';
import type { EventRecordView } from '../record/event-record.js';
import type { LinkSubscription, Routes } from './routes.js';

export class BlockWatch {
  readonly #shard: number;
  readonly #routes: Routes;
  readonly #waitMs: number;
  readonly #subscriptions = new Set<LinkSubscription>();
  /** Since when publishes have waited for a subscription, ms. */
  readonly #heldSince = new Map<LinkSubscription, number>();
  readonly #overdue = new Set<LinkSubscription>();

  constructor(shard: number, routes: Routes, waitMs: number) {
    this.#shard = shard;
    this.#routes = routes;
    this.#waitMs = waitMs;
  }

  add(subscription: LinkSubscription): void {
    if (subscription.overflow === 'block') this.#subscriptions.add(subscription);
  }

  delete(subscription: LinkSubscription): void {
    this.#subscriptions.delete(subscription);
    this.#forgive(subscription);
  }

  /** Publishes, `max` at most, that every subscription has room for; those that are overdue are not asked. */
  limit(max: number, hasPublishes: () => boolean): number {
    let limit = max;
    for (const subscription of this.#subscriptions) {
      const { room } = subscription;
      if (room > 0) {
        this.#forgive(subscription);
        limit = Math.min(limit, room);
      } else if (!this.#isOverdue(subscription, hasPublishes)) limit = 0;
    }
    return limit;
  }

  /** There may be something to refuse. */
  get refuses(): boolean {
    return this.#overdue.size > 0;
  }

  /** Why a publish is refused; undefined if it is not. */
  refusalOf(topic: string, view: EventRecordView): ErrorData | undefined {
    const { subscriptions } = this.#routes.of(topic);
    for (const subscription of this.#overdue) {
      if (!subscriptions.has(subscription)) continue;
      if (subscription.predicate !== undefined && !subscription.predicate(view)) continue;
      const shard = this.#shard;
      const waitedMs = this.#waitMs;
      const named = subscription.name ?? `${subscription.link.endpoint}-${subscription.number}`;
      return {
        code: 'BACKPRESSURE',
        message: `shard ${shard}: the block subscription ${named} has taken nothing for ${waitedMs} ms`,
        details: { shard, waitedMs, subscription: named },
      };
    }
    return undefined;
  }

  #isOverdue(subscription: LinkSubscription, hasPublishes: () => boolean): boolean {
    if (this.#overdue.has(subscription)) return true;
    const since = this.#heldSince.get(subscription);
    if (since === undefined && !hasPublishes()) return false;
    const now = performance.now();
    if (since === undefined) this.#heldSince.set(subscription, now);
    if (now - (since ?? now) < this.#waitMs) return false;
    this.#heldSince.delete(subscription);
    this.#overdue.add(subscription);
    return true;
  }

  #forgive(subscription: LinkSubscription): void {
    this.#heldSince.delete(subscription);
    this.#overdue.delete(subscription);
  }
}
