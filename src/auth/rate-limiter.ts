import { performance } from 'node:perf_hooks';
import { BusError } from '../protocol/errors.js';
import { RATED_PRINCIPALS_MAX } from '../protocol/limits/auth.js';
import { ADMINISTRATIONS_PER_SECOND } from '../protocol/limits/gateway.js';
import { clientNetwork } from './client-network.js';
import type { Principal, PrincipalRates } from './principal.js';
import { TokenBucket } from './token-bucket.js';

/**
 * Limits how often clients may publish, subscribe and query: each connection, and each principal over all its
 * connections. Acts of administrators are always limited, for each principal. All plain HTTP requests of a principal
 * count as one connection, or each request would have its own rate. Clients without a token are distinguished by their
 * addresses. One for a gateway; one thread.
 */

export interface RateLimiterOptions {
  /** Rates of each connection; a rate that is left out is not limited. */
  readonly perConnection?: PrincipalRates;
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
  /** How many principals are remembered; beyond that, the one unseen longest is forgotten and starts afresh. */
  readonly maxPrincipals?: number;
}

type Action = 'publish' | 'subscribe' | 'query' | 'administer';

interface Rates extends PrincipalRates {
  readonly administrationsPerSecond?: number;
}

type Buckets = Map<Action, TokenBucket>;

export class RateLimiter {
  readonly #perConnection: PrincipalRates;
  readonly #now: () => number;
  readonly #maxPrincipals: number;
  /** The buckets of each principal, by `keyOf`; the principal seen last is the last. */
  readonly #principals = new Map<string, Buckets>();
  /** The same for plain HTTP requests. */
  readonly #requests = new Map<string, Buckets>();

  constructor(options: RateLimiterOptions = {}) {
    this.#perConnection = options.perConnection ?? {};
    this.#now = options.now ?? (() => performance.now());
    this.#maxPrincipals = options.maxPrincipals ?? RATED_PRINCIPALS_MAX;
  }

  /** The limits of one connection, to be kept as long as it is open. `before`: its limits with its previous token. */
  connection(principal: Principal, address = '', before?: ConnectionRates): ConnectionRates {
    const own: Buckets = new Map();
    const rates = this.#rates(principal, address, () => own);
    return before === undefined ? rates : rates.after(before);
  }

  /** The limits of plain HTTP requests; all requests of a principal count as one connection. */
  requests(principal: Principal, address: string): ConnectionRates {
    const who = keyOf(principal, address);
    return this.#rates(principal, address, () => this.#remembered(this.#requests, who));
  }

  #rates(principal: Principal, address: string, own: () => Buckets): ConnectionRates {
    const who = keyOf(principal, address);
    // The buckets are looked up for each call. If they were kept here and the limiter forgot the principal meanwhile,
    // it would then have two sets of buckets.
    const bucket = (rates: Rates, of: () => Buckets) => (action: Action) =>
      rateOf(rates, action) === undefined ? undefined : this.#bucket(of(), action, rates);
    const ofPrincipal = {
      ...principal.rates,
      administrationsPerSecond: ADMINISTRATIONS_PER_SECOND,
    };
    return new ConnectionRates(
      bucket(this.#perConnection, own),
      bucket(ofPrincipal, () => this.#remembered(this.#principals, who)),
      principal,
    );
  }

  /** How many principals are remembered. */
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
   * A subject may have two JWTs with different rates, and a key's rates may be changed. The bucket then stays and takes
   * the present rate, as a new bucket would be full each time.
   */
  #bucket(buckets: Buckets, action: Action, rates: Rates): TokenBucket | undefined {
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

  /**
   * The limits of the same connection with a new token: the connection keeps its own buckets, so it does not get again
   * what it has used up.
   */
  after(before: ConnectionRates): ConnectionRates {
    return new ConnectionRates(before.#own, this.#shared, this.#principal);
  }

  /** @throws BusError `RATE_LIMITED` with `details` `{ retryAfterMs, perSecond, limitOf }`; then nothing is taken */
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

  /** For an act of an administrator. @throws BusError as `publish` */
  administer(): void {
    this.#take('administer', 1);
  }

  /** Takes from both buckets or from neither, so that a refusal by one does not cost the other. */
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
    const what =
      action === 'publish' ? `${count} ${count === 1 ? 'event' : 'events'}` : NAMES[action];
    const whose = isOwn ? 'this connection' : JSON.stringify(this.#principal.name);
    return new BusError(
      'RATE_LIMITED',
      `${what} came too early: ${perSecond} per second is the limit of ${whose}; retry in ${retryAfterMs} ms`,
      { details: { retryAfterMs, perSecond, limitOf: isOwn ? 'connection' : 'principal' } },
    );
  }
}

const NAMES = { subscribe: 'subscribe', query: 'query', administer: 'act' };

function rateOf(rates: Rates, action: Action): number | undefined {
  switch (action) {
    case 'publish':
      return rates.publishPerSecond;
    case 'subscribe':
      return rates.subscribePerSecond;
    case 'query':
      return rates.queryPerSecond;
    case 'administer':
      return rates.administrationsPerSecond;
  }
}

/** The key of the clients that share a rate. */
export function keyOf({ id, isAnonymous }: Principal, address: string): string {
  return isAnonymous ? `${id}@${clientNetwork(address)}` : id;
}
