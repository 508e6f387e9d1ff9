/**
 * The subscriptions of a shard: each is on its link, in the routes, and with those who feed it or wait for it, from its
 * beginning to its end. Only the shard's loop touches this.
 */
import { type ShardControl, ShardCounter } from '../link/shard-control.js';
import type { BlockWatch } from './block-watch.js';
import type { Feeder } from './feeder.js';
import type { LinkSubscription, Routes } from './routes.js';
import type { ShardEnd } from './shard-end.js';

export class Subscriptions {
  readonly #routes: Routes;
  readonly #blocking: BlockWatch;
  readonly #feeder: Feeder;
  readonly #control: ShardControl;
  readonly #unreportedDrops = new Set<LinkSubscription>();

  constructor(routes: Routes, blocking: BlockWatch, feeder: Feeder, control: ShardControl) {
    this.#routes = routes;
    this.#blocking = blocking;
    this.#feeder = feeder;
    this.#control = control;
    control.counters[ShardCounter.subscriptions] = 0;
  }

  add(subscription: LinkSubscription): void {
    subscription.link.subscriptions.set(subscription.number, subscription);
    this.#routes.add(subscription, subscription.filter.topics);
    this.#control.counters[ShardCounter.subscriptions]! += 1;
    this.#blocking.add(subscription);
    this.#feeder.wake(subscription);
  }

  end(subscription: LinkSubscription): void {
    subscription.link.subscriptions.delete(subscription.number);
    this.#forget(subscription);
  }

  endAll({ subscriptions }: ShardEnd): void {
    for (const subscription of subscriptions.values()) this.#forget(subscription);
    subscriptions.clear();
  }

  noteDropped(subscription: LinkSubscription): void {
    this.#unreportedDrops.add(subscription);
  }

  /** Tells subscribers how many events they lost. A link whose ring is full is told later. */
  notifyDropped(): void {
    for (const subscription of this.#unreportedDrops) {
      if (subscription.link.isBlocked) continue;
      this.#unreportedDrops.delete(subscription);
      this.#control.counters[ShardCounter.dropped]! += subscription.notifyDropped();
    }
  }

  #forget(subscription: LinkSubscription): void {
    subscription.ended = true;
    this.#control.counters[ShardCounter.subscriptions]! -= 1;
    this.#routes.remove(subscription, subscription.filter.topics);
    this.#feeder.forget(subscription);
    this.#blocking.delete(subscription);
    this.#unreportedDrops.delete(subscription);
    subscription.link.waiting.delete(subscription);
  }
}
