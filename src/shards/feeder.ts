/**
 * Lets consumers that are behind go on, between batches: from what is queued for them, or from the log. Those that have
 * no credit, or whose link has no room, are not here until they are woken.
 */
import { CATCH_UP_EVENTS_PER_TURN, LIVE_FEED_EVENTS_PER_TURN } from '../protocol/limits.js';
import { NOT_AT_HAND, type ShardLog } from '../store/shard-log.js';
import { CatchUp } from './catch-up.js';
import { CATCHING_UP, QUEUED } from './consumer.js';
import type { LinkConsumer, Routes } from './routes.js';

export class Feeder {
  readonly #catchUp: CatchUp;
  /** Consumers that are behind and may be able to go on. */
  readonly #ready = new Set<LinkConsumer>();
  /** Those for whom the log is fetching what comes next. */
  readonly #awaiting = new Set<LinkConsumer>();
  readonly #ended: LinkConsumer[] = [];

  constructor(log: ShardLog, routes: Routes) {
    this.#catchUp = new CatchUp(log, routes);
  }

  get hasWork(): boolean {
    return this.#ready.size > 0;
  }

  /** The consumer may have become able to go on. */
  wake(consumer: LinkConsumer): void {
    if (consumer.mode === QUEUED || consumer.mode === CATCHING_UP) this.#ready.add(consumer);
  }

  /** The log may have at hand what it was asked for. */
  advance(): void {
    for (const consumer of this.#awaiting) this.wake(consumer);
    this.#awaiting.clear();
  }

  forget(consumer: LinkConsumer): void {
    this.#ready.delete(consumer);
    this.#awaiting.delete(consumer);
  }

  /** Those that came to their end while they were fed. */
  takeEnded(): readonly LinkConsumer[] {
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
    for (const consumer of [...this.#ready]) {
      if (budget <= 0 || pages <= 0) break;
      this.#ready.delete(consumer);
      if (consumer.ended) continue;
      if (consumer.mode === QUEUED) {
        const sent = feedQueued(consumer, budget, head);
        budget -= sent;
        fed += sent;
      } else if (consumer.mode === CATCHING_UP) {
        const { read, sent } = this.#catchUp.step(consumer, head, pages);
        pages -= Math.max(1, read);
        fed += sent;
        if (read === NOT_AT_HAND) {
          this.#awaiting.add(consumer);
          continue;
        }
      }
      if (consumer.ended) {
        this.#ended.push(consumer);
        continue;
      }
      const isBehind = consumer.mode === QUEUED || consumer.mode === CATCHING_UP;
      if (!isBehind || !consumer.hasCredit) continue;
      if (consumer.link.isBlocked || !consumer.link.mayHaveRoom)
        consumer.link.waiting.add(consumer);
      else this.#ready.add(consumer);
    }
    return fed;
  }
}

function feedQueued(consumer: LinkConsumer, budget: number, head: number): number {
  let sent = 0;
  const one = [consumer];
  while (sent < budget && consumer.hasCredit) {
    const event = consumer.peek();
    if (event === undefined) break;
    const { sequence, record } = event;
    if (!consumer.link.sendEvent(sequence, record, 0, record.length, one, 1)) break;
    consumer.shift();
    sent++;
  }
  if (consumer.queued === 0) consumer.goLive(head);
  return sent;
}
