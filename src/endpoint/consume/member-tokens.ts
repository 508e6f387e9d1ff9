/**
 * How many events the shards may lease to a member: as many as it handles at once, and as many ahead as its handlers are
 * quick. It decides how many tokens there are, and `TokenPool` where they lie. Used by the endpoint's thread alone.
 */
import type { Hand } from '../../handout/consume/hand.js';
import { CONTROL_TOKENS, TOKENS_RECORD_LENGTH } from '../../link/consumer-records.js';
import { writeTokens } from '../../link/consumer-writers.js';
import { PREFETCH_MS } from '../../protocol/limits/consumers.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { BusDelivery } from './delivery.js';
import { Pace } from './pace.js';
import { TokenPool, type TokenRoad } from './token-pool.js';

/** The member, as its tokens see it. */
export interface TokenHolder {
  readonly number: number;
  readonly hand: Hand<BusDelivery>;
  /** How many events may have begun at once. */
  readonly concurrency: number;
  handBack(delivery: BusDelivery): void;
  /** Has the member flush at the end of this turn. */
  touch(): void;
}

export class MemberTokens implements TokenRoad {
  readonly #holder: TokenHolder;
  readonly #ends: readonly EndpointEnd[];
  readonly #prefetches: boolean;
  readonly #pool: TokenPool;
  readonly #pace = new Pace();
  /** Tokens that events have left, and handlers that have ended, since the last flush. */
  #freed = 0;
  #handled = 0;
  #paceTimer: NodeJS.Timeout | undefined;
  #isStopping = false;
  #isSuspended = false;

  /**
   * Lends tokens to the shards that were not given up.
   * @param ends of every shard
   * @param prefetches whether events are leased ahead of the handlers
   * @param first which of the shards is lent to first
   */
  constructor(
    holder: TokenHolder,
    ends: readonly EndpointEnd[],
    prefetches: boolean,
    first: number,
  ) {
    this.#holder = holder;
    this.#ends = ends;
    this.#prefetches = prefetches;
    const shards = ends.filter(({ failure }) => failure === undefined).map(({ shard }) => shard);
    this.#pool = new TokenPool(shards, holder.concurrency, this, first);
  }

  /** True if none lies in a shard: no event is on its way. */
  get isCollected(): boolean {
    return this.#pool.isCollected;
  }

  /** The shards in which events wait, for all that they have said, each with the tokens that lie there. */
  get waiting(): TokenPool['waiting'] {
    return this.#pool.waiting;
  }

  /** False if an event that comes now is to be handed back. */
  get isTaking(): boolean {
    return !this.#isStopping && !this.#isSuspended && !this.#holder.hand.isAlone;
  }

  /** Lends as many tokens as the member may have events in hand. */
  lend(): void {
    this.#pool.resize(this.isTaking ? this.#holder.concurrency + this.#pace.ahead : 0);
  }

  /** Calls in the tokens that lie in shards, until `resume`; hands back the events that wait. */
  suspend(): void {
    if (this.#isSuspended) return;
    this.#isSuspended = true;
    this.#handBackWaiting();
    this.lend();
  }

  resume(): void {
    if (!this.#isSuspended) return;
    this.#isSuspended = false;
    this.lend();
  }

  /** Calls in the tokens that lie in shards, for good. */
  stop(): void {
    this.#isStopping = true;
    this.#pool.stop();
  }

  /** Lends none any more, and tells the shards nothing: the member leaves them. */
  end(): void {
    this.#isStopping = true;
    clearTimeout(this.#paceTimer);
  }

  /** An event that goes out alone has come: hands back what waits, and wants nothing else until it is over. */
  makeRoomForOne(): void {
    this.#handBackWaiting();
    this.#pool.resize(0);
  }

  /** An event begins; `now` is monotonic ms. */
  begin(now: number): void {
    this.#pace.begin(now);
  }

  /** The handler of an event has ended. */
  handled(): void {
    this.#handled++;
  }

  /**
   * An event has left the hand; `wasAlone`: the hand held one that goes out alone.
   * @returns how many have since their tokens were lent again
   */
  freed(wasAlone: boolean): number {
    const freed = ++this.#freed;
    if (wasAlone && !this.#holder.hand.isAlone && !this.#isStopping) this.lend();
    return freed;
  }

  /** Lends the tokens of what has left the hand, after what was settled is sent. */
  lendFreed(): void {
    const freed = this.#freed;
    this.#freed = 0;
    if (freed > 0) this.#pool.settled(freed);
  }

  /** The end of a turn. */
  flush(): void {
    this.lendFreed();
    this.#keepPace();
  }

  // For the shards' records.

  leased(shard: number): void {
    this.#pool.leased(shard);
  }

  ready(shard: number): void {
    this.#pool.ready(shard);
  }

  dry(shard: number): void {
    this.#pool.dry(shard);
  }

  returned(shard: number, count: number): void {
    this.#pool.returned(shard, count);
  }

  /** These shards have no event for the tokens that lie in them: the tokens go to shards that have. */
  moveOn(shards: ReadonlySet<number>): void {
    for (const { shard } of this.#pool.waiting) if (shards.has(shard)) this.#pool.dry(shard);
  }

  /** The shard's next thread knows the member, and of no token. */
  relinked(shard: number): void {
    this.#pool.relinked(shard);
  }

  /** The shard was given up. */
  gone(shard: number): void {
    this.#pool.gone(shard);
  }

  // For the pool.

  grant(shard: number, count: number): void {
    const { number: member, concurrency } = this.#holder;
    this.#ends[shard]!.send(CONTROL_TOKENS, TOKENS_RECORD_LENGTH, (bytes, offset, generation) =>
      writeTokens(bytes, offset, { generation, member }, count, concurrency),
    );
  }

  recall(shard: number, count: number): void {
    this.grant(shard, -count);
  }

  #handBackWaiting(): void {
    for (const delivery of this.#holder.hand.latest()) this.#holder.handBack(delivery);
  }

  /** Leases ahead as far as the handlers are quick, and hands back what they turn out to be too slow for. */
  #keepPace(): void {
    const { hand } = this.#holder;
    if (!this.#prefetches || this.#isStopping) return;
    const before = this.#pace.ahead;
    const ahead = this.#pace.note(this.#handled, elapsedMs(), hand.begun > 0);
    this.#handled = 0;
    if (ahead !== before && !hand.isAlone) {
      if (ahead < before) for (const late of hand.latest(ahead)) this.#holder.handBack(late);
      this.lend();
    }
    if (ahead > 0 && hand.begun > 0) {
      this.#paceTimer ??= setTimeout(() => {
        this.#paceTimer = undefined;
        this.#holder.touch();
      }, PREFETCH_MS).unref();
    }
  }
}
