/**
 * Feeds subscriptions that are behind, between batches: from their queues, or from the log. A subscription that has no
 * credit, or whose link has no room, is not looked at until it is woken.
 */
import { CATCH_UP_EVENTS_PER_TURN, LIVE_FEED_EVENTS_PER_TURN } from '../protocol/limits/shards.js';
import { NOT_AT_HAND, type ShardLog } from '../store/shard-log.js';
import { CatchUp } from './catch-up.js';
import type { LinkSubscription, Routes } from './routes.js';
import { CATCHING_UP, QUEUED } from './shard-subscription.js';

export class Feeder {
  readonly #catchUp: CatchUp;
  /** Subscriptions that are behind and may have credit and room. */
  readonly #ready = new Set<LinkSubscription>();
  /** Subscriptions whose next events the log is fetching. */
  readonly #awaiting = new Set<LinkSubscription>();
  /** Subscriptions whose position, taken from another node, lies behind the last sequence that this node delivered. */
  readonly #ahead = new Set<LinkSubscription>();
  readonly #ended: LinkSubscription[] = [];
  readonly #now: () => number;

  /** `leftThrough` and `now` as of `CatchUp`. */
  constructor(log: ShardLog, routes: Routes, leftThrough: () => number, now: () => number) {
    this.#catchUp = new CatchUp(log, routes, leftThrough, now);
    this.#now = now;
  }

  get hasWork(): boolean {
    return this.#ready.size > 0;
  }

  /** Looks at the subscription in the next turn: it may have got credit or room. */
  wake(subscription: LinkSubscription): void {
    if (subscription.mode === QUEUED || subscription.mode === CATCHING_UP)
      this.#ready.add(subscription);
  }

  /** The log may now have the events at hand that it was asked for. */
  fetched(): void {
    for (const subscription of this.#awaiting) this.wake(subscription);
    this.#awaiting.clear();
  }

  /** This node has delivered everything up to `head`. */
  reach(head: number): void {
    for (const subscription of this.#ahead) {
      if (subscription.position > head) continue;
      this.#ahead.delete(subscription);
      this.wake(subscription);
    }
  }

  forget(subscription: LinkSubscription): void {
    this.#ahead.delete(subscription);
    this.#ready.delete(subscription);
    this.#awaiting.delete(subscription);
  }

  /** Takes out the subscriptions that ended while they were fed. */
  takeEnded(): readonly LinkSubscription[] {
    return this.#ended.splice(0);
  }

  /**
   * Feeds the woken subscriptions in turn, within a budget per turn, so that live subscriptions do not wait for them.
   * `head`: the last sequence delivered. Returns the number of events sent.
   */
  feed(head: number): number {
    let budget = LIVE_FEED_EVENTS_PER_TURN;
    let pages = CATCH_UP_EVENTS_PER_TURN;
    let fed = 0;
    for (const subscription of [...this.#ready]) {
      if (budget <= 0 || pages <= 0) break;
      this.#ready.delete(subscription);
      if (subscription.ended) continue;
      if (subscription.mode === QUEUED) {
        const { taken, sent } = feedQueued(subscription, budget, head, this.#now);
        budget -= taken;
        fed += sent;
      } else if (subscription.mode === CATCHING_UP) {
        if (subscription.position > head) {
          this.#ahead.add(subscription);
          continue;
        }
        const { read, sent } = this.#catchUp.step(subscription, head, pages);
        pages -= Math.max(1, read);
        fed += sent;
        if (read === NOT_AT_HAND) {
          this.#awaiting.add(subscription);
          continue;
        }
      }
      if (subscription.ended) {
        this.#ended.push(subscription);
        continue;
      }
      const isBehind = subscription.mode === QUEUED || subscription.mode === CATCHING_UP;
      if (!isBehind || !subscription.hasCredit) continue;
      if (subscription.link.isBlocked || !subscription.link.mayHaveRoom)
        subscription.link.waiting.add(subscription);
      else this.#ready.add(subscription);
    }
    return fed;
  }
}

/** Takes events out of the queue, and sends those that have not expired. */
function feedQueued(
  subscription: LinkSubscription,
  budget: number,
  head: number,
  now: () => number,
): { taken: number; sent: number } {
  let taken = 0;
  let sent = 0;
  const one = [subscription];
  while (taken < budget && subscription.hasCredit) {
    const event = subscription.peek();
    if (event === undefined) break;
    const { sequence, record, expiry } = event;
    const isExpired = expiry > 0 && expiry <= now();
    if (!isExpired) {
      if (!subscription.link.sendEvent(sequence, record, 0, record.length, one, 1)) break;
      sent++;
    }
    subscription.shift();
    taken++;
  }
  if (subscription.queued === 0) subscription.goLive(head);
  return { taken, sent };
}
