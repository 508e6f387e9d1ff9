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

type Buckets = { readonly [A in Action]?: TokenBucket };

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
    const { rates } = principal;
    const isLimited =
      rates.publishPerSecond !== undefined || rates.subscribePerSecond !== undefined;
    const ofPrincipal = isLimited ? () => this.#bucketsOf(principal) : () => undefined;
    return new ConnectionRates(bucketsFor(this.#perConnection, this.#now), ofPrincipal, principal);
  }

  /** Principals that are remembered. */
  get size(): number {
    return this.#principals.size;
  }

  #bucketsOf({ id, rates }: Principal): Buckets {
    const known = this.#principals.get(id);
    this.#principals.delete(id);
    if (known === undefined && this.#principals.size >= this.#maxPrincipals) {
      for (const [oldest] of this.#principals) {
        this.#principals.delete(oldest);
        break;
      }
    }
    const isSame =
      known?.publish?.perSecond === rates.publishPerSecond &&
      known?.subscribe?.perSecond === rates.subscribePerSecond;
    const buckets = known !== undefined && isSame ? known : bucketsFor(rates, this.#now);
    this.#principals.set(id, buckets);
    return buckets;
  }
}

export class ConnectionRates {
  readonly #own: Buckets;
  /** Asked for each time: a principal that is forgotten meanwhile must not have two of them. */
  readonly #ofPrincipal: () => Buckets | undefined;
  readonly #principal: Principal;

  constructor(own: Buckets, ofPrincipal: () => Buckets | undefined, principal: Principal) {
    this.#own = own;
    this.#ofPrincipal = ofPrincipal;
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
    const own = this.#own[action];
    const shared = this.#ofPrincipal()?.[action];
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

function bucketsFor(rates: PrincipalRates, now: () => number): Buckets {
  const { publishPerSecond, subscribePerSecond } = rates;
  return {
    ...(publishPerSecond !== undefined && { publish: new TokenBucket(publishPerSecond, now) }),
    ...(subscribePerSecond !== undefined && {
      subscribe: new TokenBucket(subscribePerSecond, now),
    }),
  };
}
