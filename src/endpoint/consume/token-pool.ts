/**
 * The tokens of one member of a consumer, in the endpoint that the member belongs to. A token permits one shard to lease
 * one event to the member, without asking first.
 *
 * A token is in one of three places: free in this pool, lent to a shard, or spent on an event that the member has in
 * hand. It is spent when the lease arrives, and free again when the event is settled. Shards tell two facts, both on the
 * edge only: `ready` (events wait there and no token lies there) and `dry` (no event waits there any more). These, leases
 * and returned tokens reach the pool in the order in which the shard sent them.
 *
 * - Free tokens go to the ready shards, in turn. Without a ready shard they go where the fewest lie, so that an idle
 *   member has tokens in every shard, and a lone event waits for none.
 * - Where a ready shard has none and none is free, half of those are recalled that lie idle in a dry shard.
 *
 * The pool does no I/O and knows no time.
 */

/** The way to the shards. Records to one shard arrive in the order in which they were sent. */
export interface TokenRoad {
  /** Lends `count` tokens to `shard`; `count` is at least 1. */
  grant(shard: number, count: number): void;
  /** Asks `shard` for up to `count` tokens that lie idle there. The shard answers once, with a `returned`. */
  recall(shard: number, count: number): void;
}

interface Lending {
  readonly shard: number;
  /** Tokens that were granted and neither spent nor returned, as far as the pool knows. */
  lent: number;
  /** Tokens that the shard was asked for and has not answered for. */
  recalled: number;
  isReady: boolean;
}

export class TokenPool {
  readonly #lendings: Lending[];
  readonly #road: TokenRoad;
  #window: number;
  #free: number;
  /** Free, lent and spent ones. More than the window for a while after the window has shrunk. */
  #total: number;
  /** Whose turn it is among the shards. */
  #next = 0;

  /**
   * @param window Events that the member may have in hand at once: at least 1.
   * @param first Which of the shards is lent to first, where there are fewer tokens than shards.
   */
  constructor(shards: readonly number[], window: number, road: TokenRoad, first = 0) {
    this.#lendings = shards.map((shard) => ({ shard, lent: 0, recalled: 0, isReady: false }));
    this.#road = road;
    this.#window = window;
    this.#free = window;
    this.#total = window;
    this.#next = shards.length === 0 ? 0 : first % shards.length;
    this.#lend();
  }

  /** Tokens that are spent on events in hand. */
  get spent(): number {
    return this.#lendings.reduce((rest, { lent }) => rest - lent, this.#total - this.#free);
  }

  /** True if none lies in a shard, or is on its way to or from one. */
  get isCollected(): boolean {
    return this.#lendings.every(({ lent }) => lent === 0);
  }

  /** The shards in which events wait, for all that they have said, each with the tokens that lie there. */
  get waiting(): readonly { readonly shard: number; readonly lent: number }[] {
    return this.#lendings.filter(({ isReady }) => isReady);
  }

  ready(shard: number): void {
    this.#of(shard).isReady = true;
    this.#lend();
  }

  dry(shard: number): void {
    this.#of(shard).isReady = false;
    this.#lend();
  }

  /** A lease from `shard` has arrived. */
  leased(shard: number): void {
    const lending = this.#of(shard);
    lending.lent -= 1;
    if (lending.lent === 0 && lending.isReady) {
      this.#lend();
    }
  }

  /** `count` events in hand were settled, or their leases were lost and their handlers have ended. */
  settled(count = 1): void {
    this.#takeBack(count);
    this.#lend();
  }

  /** The shard's answer to one `recall`, where `count` may be 0; or a token whose event was gone before it was leased. */
  returned(shard: number, count: number): void {
    const lending = this.#of(shard);
    lending.lent -= count;
    lending.recalled = 0;
    this.#takeBack(count);
    this.#lend();
  }

  /** The shard's thread was replaced: tokens that lay there are gone with it, and it knows of none. */
  relinked(shard: number): void {
    const lending = this.#of(shard);
    const { lent } = lending;
    lending.lent = 0;
    lending.recalled = 0;
    lending.isReady = false;
    this.#takeBack(lent);
    this.#lend();
  }

  /** The shard was given up: nothing is lent to it any more. */
  gone(shard: number): void {
    const lending = this.#of(shard);
    this.#lendings.splice(this.#lendings.indexOf(lending), 1);
    this.#next = 0;
    this.#takeBack(lending.lent);
    this.#lend();
  }

  /** Changes how many events the member may have in hand. Tokens over the new window go as they come back. */
  resize(window: number): void {
    const added = Math.max(0, window - this.#total);
    this.#window = window;
    this.#total += added;
    this.#takeBack(added + this.#takeFree());
    this.#lend();
  }

  /** Ends all lending: nothing is granted any more, and what lies idle is recalled. */
  stop(): void {
    this.resize(0);
  }

  #of(shard: number): Lending {
    const lending = this.#lendings.find((one) => one.shard === shard);
    if (lending === undefined) {
      throw new RangeError(`no tokens are lent to shard ${shard}`);
    }
    return lending;
  }

  #takeFree(): number {
    const free = this.#free;
    this.#free = 0;
    return free;
  }

  /** Tokens that are in no other place any more become free, or cease to exist where there are too many. */
  #takeBack(count: number): void {
    const kept = Math.max(0, Math.min(count, count - (this.#total - this.#window)));
    this.#total -= count - kept;
    this.#free += kept;
  }

  #lend(): void {
    const ready = this.#lendings.filter((lending) => lending.isReady);
    if (this.#free > 0 && this.#lendings.length > 0) {
      ready.length > 0 ? this.#shareOut(ready) : this.#spread();
    }
    this.#recallWhatLiesIdle(ready.filter(({ lent }) => lent === 0).length);
  }

  /** Gives each of `lendings` an equal share; those whose turn it is get what is over. */
  #shareOut(lendings: readonly Lending[]): void {
    const free = this.#takeFree();
    const share = Math.floor(free / lendings.length);
    const over = free % lendings.length;
    for (let index = 0; index < lendings.length; index += 1) {
      const place = (index + this.#next) % lendings.length;
      this.#grant(lendings[place] as Lending, share + (index < over ? 1 : 0));
    }
    this.#next = (this.#next + over) % this.#lendings.length;
  }

  /** Fills the shards with the fewest tokens up to the same level. */
  #spread(): void {
    const granted = this.#lendings.map(() => 0);
    for (let free = this.#takeFree(); free > 0; free -= 1) {
      const least = this.#leastLent(granted);
      granted[least] = (granted[least] as number) + 1;
      this.#next = (least + 1) % granted.length;
    }
    this.#lendings.forEach((lending, index) => {
      this.#grant(lending, granted[index] as number);
    });
  }

  #leastLent(granted: readonly number[]): number {
    let least = this.#next;
    let level = Number.POSITIVE_INFINITY;
    for (let index = 0; index < granted.length; index += 1) {
      const place = (index + this.#next) % granted.length;
      const lent = (this.#lendings[place] as Lending).lent + (granted[place] as number);
      if (lent < level) {
        least = place;
        level = lent;
      }
    }
    return least;
  }

  #grant(lending: Lending, count: number): void {
    if (count > 0) {
      lending.lent += count;
      this.#road.grant(lending.shard, count);
    }
  }

  /** Recalls for `needy` shards, and what is over the window, from the dry shards where most lies. */
  #recallWhatLiesIdle(needy: number): void {
    const surplus = Math.max(0, this.#total - this.#window);
    let wanted = needy + surplus - this.#lendings.reduce((sum, { recalled }) => sum + recalled, 0);
    const idle = this.#lendings
      .filter(
        (lending) =>
          lending.lent > 0 && lending.recalled === 0 && (surplus > 0 || !lending.isReady),
      )
      .sort((a, b) => b.lent - a.lent);
    for (const lending of idle) {
      if (wanted <= 0) {
        return;
      }
      const count = surplus > 0 ? Math.min(lending.lent, wanted) : Math.ceil(lending.lent / 2);
      lending.recalled = count;
      wanted -= count;
      this.#road.recall(lending.shard, count);
    }
  }
}
