/**
 * Lets subscriptions that are behind go on, between batches: from what is queued for them, or from the log. Those that have
 * no credit, or whose link has no room, are not here until they are woken.
 */
import { CATCH_UP_EVENTS_PER_TURN, LIVE_FEED_EVENTS_PER_TURN } from '../protocol/limits.js';
import { NOT_AT_HAND, type ShardLog } from '../store/shard-log.js';
import { CatchUp } from './catch-up.js';
import type { LinkSubscription, Routes } from './routes.js';
import { CATCHING_UP, QUEUED } from './shard-subscription.js';

export class Feeder {
  readonly #catchUp: CatchUp;
  /** Subscriptions that are behind and may be able to go on. */
  readonly #ready = new Set<LinkSubscription>();
  /** Those for whom the log is fetching what comes next. */
  readonly #awaiting = new Set<LinkSubscription>();
  /** Those whose place another node has shown them, and that this node has not delivered up to. */
  readonly #ahead = new Set<LinkSubscription>();
  readonly #ended: LinkSubscription[] = [];

  constructor(log: ShardLog, routes: Routes) {
    this.#catchUp = new CatchUp(log, routes);
  }

  get hasWork(): boolean {
    return this.#ready.size > 0;
  }

  /** The subscription may have become able to go on. */
  wake(subscription: LinkSubscription): void {
    if (subscription.mode === QUEUED || subscription.mode === CATCHING_UP)
      this.#ready.add(subscription);
  }

  /** The log may have at hand what it was asked for. */
  fetched(): void {
    for (const subscription of this.#awaiting) this.wake(subscription);
    this.#awaiting.clear();
  }

  /** Everything up to `head` was delivered. */
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

  /** Those that came to their end while they were fed. */
  takeEnded(): readonly LinkSubscription[] {
    return this.#ended.splice(0);
  }

  /**
   * Lets those who are behind go on, in turn, within a budget a turn, so that nobody who is live waits
   * for them. `head`: the last sequence delivered. Returns how many events were sent.
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
        const sent = feedQueued(subscription, budget, head);
        budget -= sent;
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

function feedQueued(subscription: LinkSubscription, budget: number, head: number): number {
  let sent = 0;
  const one = [subscription];
  while (sent < budget && subscription.hasCredit) {
    const event = subscription.peek();
    if (event === undefined) break;
    const { sequence, record } = event;
    if (!subscription.link.sendEvent(sequence, record, 0, record.length, one, 1)) break;
    subscription.shift();
    sent++;
  }
  if (subscription.queued === 0) subscription.goLive(head);
  return sent;
}
