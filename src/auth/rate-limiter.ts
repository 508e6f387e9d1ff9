import { performance } from 'node:perf_hooks';
import { BusError } from '../protocol/errors.js';
import { RATED_PRINCIPALS_MAX } from '../protocol/limits.js';
import type { Principal, PrincipalRates } from './principal.js';
import { TokenBucket } from './token-bucket.js';

/**
 * How often clients may publish and subscribe: each connection by itself, and each principal over all its connections.
 * One for a gateway; one thread.
 */

export interface RateLimiterOptions {
  /** Of each connection; what is left out has no limit. */
  readonly perConnection?: PrincipalRates;
  /** Milliseconds of a clock that does not jump. */
  readonly now?: () => number;
  /** Principals remembered; beyond, the one unseen longest starts afresh. */
  readonly maxPrincipals?: number;
}

type Action = 'publish' | 'subscribe';

type Buckets = Map<Action, TokenBucket>;

export class RateLimiter {
  readonly #perConnection: PrincipalRates;
  readonly #now: () => number;
  readonly #maxPrincipals: number;
  /** By the principal's id; the one seen last is the last. */
  readonly #principals = new Map<string, Buckets>();

  constructor(options: RateLimiterOptions = {}) {
    this.#perConnection = options.perConnection ?? {};
    this.#now = options.now ?? (() => performance.now());
    this.#maxPrincipals = options.maxPrincipals ?? RATED_PRINCIPALS_MAX;
  }

  /** The limits of one connection, to be kept as long as it is open; a plain HTTP request is one as well. */
  connection(principal: Principal): ConnectionRates {
    const own: Buckets = new Map();
    return new ConnectionRates(
      (action) => this.#bucket(own, action, this.#perConnection),
      // Looked for each time: a principal that is forgotten meanwhile must not have two of them.
      (action) => {
        if (rateOf(principal.rates, action) === undefined) return undefined;
        return this.#bucket(this.#bucketsOf(principal), action, principal.rates);
      },
      principal,
    );
  }

  /** Principals that are remembered. */
  get size(): number {
    return this.#principals.size;
  }

  #bucketsOf({ id }: Principal): Buckets {
    const known = this.#principals.get(id);
    this.#principals.delete(id);
    if (known === undefined && this.#principals.size >= this.#maxPrincipals) {
      for (const [oldest] of this.#principals) {
        this.#principals.delete(oldest);
        break;
      }
    }
    const buckets: Buckets = known ?? new Map();
    this.#principals.set(id, buckets);
    return buckets;
  }

  /**
   * A subject may have two JWTs with different rates, and a key may get other ones: the bucket stays and takes the rate
   * that is asked with, or changing over would fill it each time.
   */
  #bucket(buckets: Buckets, action: Action, rates: PrincipalRates): TokenBucket | undefined {
    const rate = rateOf(rates, action);
    if (rate === undefined) return undefined;
    let bucket = buckets.get(action);
    if (bucket === undefined) buckets.set(action, (bucket = new TokenBucket(rate, this.#now)));
    else if (bucket.perSecond !== rate) bucket.changeRate(rate);
    return bucket;
  }
}

type FindBucket = (action: Action) => TokenBucket | undefined;

export class ConnectionRates {
  readonly #own: FindBucket;
  readonly #shared: FindBucket;
  readonly #principal: Principal;

  constructor(own: FindBucket, shared: FindBucket, principal: Principal) {
    this.#own = own;
    this.#shared = shared;
    this.#principal = principal;
  }

  /** @throws BusError `RATE_LIMITED` with `details` `{ retryAfterMs, perSecond, limitOf }`; nothing is taken then */
  publish(events: number): void {
    this.#take('publish', events);
  }

  /** For `subscribe` and `update`. @throws BusError as `publish` */
  subscribe(): void {
    this.#take('subscribe', 1);
  }

  /** Both have room, or neither gives: what one refuses must not cost the other. */
  #take(action: Action, count: number): void {
    const own = this.#own(action);
    const shared = this.#shared(action);
    const ownWaitMs = own?.waitMs(count) ?? 0;
    const sharedWaitMs = shared?.waitMs(count) ?? 0;
    if (ownWaitMs === 0 && sharedWaitMs === 0) {
      own?.take(count);
      shared?.take(count);
      return;
    }
    const isOwn = ownWaitMs >= sharedWaitMs;
    const { perSecond } = (isOwn ? own : shared)!;
    throw this.#refusal(action, count, Math.max(ownWaitMs, sharedWaitMs), perSecond, isOwn);
  }

  #refusal(action: Action, count: number, retryAfterMs: number, perSecond: number, isOwn: boolean) {
    const what = action === 'publish' ? `${count} ${count === 1 ? 'event' : 'events'}` : action;
    const whose = isOwn ? 'this connection' : JSON.stringify(this.#principal.name);
    return new BusError(
      'RATE_LIMITED',
      `${what} came too early: ${perSecond} per second is the limit of ${whose}; retry in ${retryAfterMs} ms`,
      { details: { retryAfterMs, perSecond, limitOf: isOwn ? 'connection' : 'principal' } },
    );
  }
}

function rateOf(rates: PrincipalRates, action: Action): number | undefined {
  return action === 'publish' ? rates.publishPerSecond : rates.subscribePerSecond;
}
