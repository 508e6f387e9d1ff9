/**
 * The `block` subscriptions of a shard. Publishers wait until each of them has room. A subscription that takes nothing
 * for as long as a publish may wait is overdue: its handler may itself wait for the very publish that it holds up.
 * Publishes that it would get are then refused until it takes an event again; all others go on. Only the shard's loop
 * touches this.
 */
import type { ErrorData } from '../protocol/errors.js';
import type { EventRecordView } from '../record/event-record.js';
import type { LinkSubscription, Routes } from './routes.js';

export class BlockWatch {
  readonly #shard: number;
  readonly #routes: Routes;
  readonly #waitMs: number;
  readonly #subscriptions = new Set<LinkSubscription>();
  /** When publishes began to wait for a subscription, ms. */
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

  /** How many publishes, at most `max`, every subscription has room for; overdue subscriptions do not count. */
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

  /** True while a subscription is overdue, so that publishes may have to be refused. */
  get refuses(): boolean {
    return this.#overdue.size > 0;
  }

  /** The error with which a publish is refused; undefined if it is not refused. */
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
