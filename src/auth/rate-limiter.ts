import { performance } from 'node:perf_hooks';
import { BusError } from '../protocol/errors.js';
import { RATED_PRINCIPALS_MAX } from '../protocol/limits.js';
import { clientNetwork } from './client-network.js';
import type { Principal, PrincipalRates } from './principal.js';
import { TokenBucket } from './token-bucket.js';

/**
 * How often clients may publish, subscribe and query: each connection by itself, and each principal over all its
 * connections. Plain HTTP requests of a principal count as one connection together, or each would have a rate of its own.
 * Those without a token are told apart by their addresses. One for a gateway; one thread.
 */

export interface RateLimiterOptions {
  /** Of each connection; what is left out has no limit. */
  readonly perConnection?: PrincipalRates;
  /** Milliseconds of a clock that does not jump. */
  readonly now?: () => number;
  /** Principals remembered; beyond, the one unseen longest starts afresh. */
  readonly maxPrincipals?: number;
}

type Action = 'publish' | 'subscribe' | 'query';

type Buckets = Map<Action, TokenBucket>;

export class RateLimiter {
  readonly #perConnection: PrincipalRates;
  readonly #now: () => number;
  readonly #maxPrincipals: number;
  /** By who it is; the one seen last is the last. */
  readonly #principals = new Map<string, Buckets>();
  /** The same of plain HTTP requests. */
  readonly #requests = new Map<string, Buckets>();

  constructor(options: RateLimiterOptions = {}) {
    this.#perConnection = options.perConnection ?? {};
    this.#now = options.now ?? (() => performance.now());
    this.#maxPrincipals = options.maxPrincipals ?? RATED_PRINCIPALS_MAX;
  }

  /** The limits of one connection, to be kept as long as it is open. `before`: those it had with its last token. */
  connection(principal: Principal, address = '', before?: ConnectionRates): ConnectionRates {
    const own: Buckets = new Map();
    const rates = this.#rates(principal, address, () => own);
    return before === undefined ? rates : rates.after(before);
  }

  /** The limits of plain HTTP requests: all that a principal makes are one connection. */
  requests(principal: Principal, address: string): ConnectionRates {
    const who = keyOf(principal, address);
    return this.#rates(principal, address, () => this.#remembered(this.#requests, who));
  }

  #rates(principal: Principal, address: string, own: () => Buckets): ConnectionRates {
    const who = keyOf(principal, address);
    // Looked for each time: a principal that is forgotten meanwhile must not have two of them.
    const bucket = (rates: PrincipalRates, of: () => Buckets) => (action: Action) =>
      rateOf(rates, action) === undefined ? undefined : this.#bucket(of(), action, rates);
    return new ConnectionRates(
      bucket(this.#perConnection, own),
      bucket(principal.rates, () => this.#remembered(this.#principals, who)),
      principal,
    );
  }

  /** Principals that are remembered. */
  get size(): number {
    return this.#principals.size;
  }

  #remembered(all: Map<string, Buckets>, who: string): Buckets {
    const known = all.get(who);
    all.delete(who);
    if (known === undefined && all.size >= this.#maxPrincipals) {
      for (const [oldest] of all) {
        all.delete(oldest);
        break;
      }
    }
    const buckets: Buckets = known ?? new Map();
    all.set(who, buckets);
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

  /** Of the same connection: what it has used up it does not get again. */
  after(before: ConnectionRates): ConnectionRates {
    return new ConnectionRates(before.#own, this.#shared, this.#principal);
  }

  /** @throws BusError `RATE_LIMITED` with `details` `{ retryAfterMs, perSecond, limitOf }`; nothing is taken then */
  publish(events: number): void {
    this.#take('publish', events);
  }

  /** For a query or a list. @throws BusError as `publish` */
  query(): void {
    this.#take('query', 1);
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
  switch (action) {
    case 'publish':
      return rates.publishPerSecond;
    case 'subscribe':
      return rates.subscribePerSecond;
    case 'query':
      return rates.queryPerSecond;
  }
}

/** Who shares a rate. */
export function keyOf({ id, isAnonymous }: Principal, address: string): string {
  return isAnonymous ? `${id}@${clientNetwork(address)}` : id;
}
