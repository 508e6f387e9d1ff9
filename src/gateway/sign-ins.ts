import type { Authenticator, Principal } from '../auth/principal.js';
import { BusError } from '../protocol/errors.js';
import type { Audit } from './audit.js';
import { asRefusal, bearerToken } from './authentication.js';
import { AddressRates } from './budget/address-rates.js';

/**
 * Who shows a token, at every door. Tokens that do not hold are counted and told; where an address has shown too many of
 * them, no further one from there is looked at for a moment, so that nobody can have signatures checked as fast as they
 * can send. One for a gateway; one thread.
 */
export class SignIns {
  readonly #authenticator: Authenticator;
  readonly #audit: Audit;
  readonly #failures: AddressRates;

  /** `maxFailedPerSecond`: of one address; 0: no limit. */
  constructor(authenticator: Authenticator, audit: Audit, maxFailedPerSecond: number) {
    this.#authenticator = authenticator;
    this.#audit = audit;
    this.#failures = new AddressRates(maxFailedPerSecond);
  }

  /** Whether a client without a token is refused. */
  get isRequired(): boolean {
    return this.#authenticator.isRequired;
  }

  /**
   * The token of an `Authorization` header; undefined where there is no header.
   *
   * @throws BusError `UNAUTHENTICATED`
   */
  tokenOf(header: string | undefined, address: string): string | undefined {
    try {
      return bearerToken(header);
    } catch (error) {
      throw this.failed(asRefusal(error), address, 'shown');
    }
  }

  /** @throws BusError `UNAUTHENTICATED`, `AUTH_UNAVAILABLE`, `RATE_LIMITED` */
  async authenticate(token: string | undefined, address: string): Promise<Principal> {
    try {
      if (token !== undefined) this.#checkRate(address);
      return await this.#authenticator.authenticate(token);
    } catch (error) {
      throw this.failed(asRefusal(error), address, token === undefined ? 'missing' : 'shown');
    }
  }

  /**
   * Who a connection is by a new token, before the one that let it in has ended.
   *
   * @throws BusError `FORBIDDEN` for the token of somebody else, and what `authenticate` throws
   */
  async renew({ id }: Principal, token: string, address: string): Promise<Principal> {
    const principal = await this.authenticate(token, address);
    if (principal.id === id) return principal;
    const message = 'the token is of somebody else: they need a connection of their own';
    throw this.failed(new BusError('FORBIDDEN', message), address, 'shown');
  }

  /** Counts and tells it, and answers the same error. `token`: whether one was shown. */
  failed(error: BusError, address: string, token: 'shown' | 'missing'): BusError {
    const isShown = token === 'shown';
    this.#audit.signInFailed(address, isShown, error);
    // What was not looked at, or could not be judged, says nothing against who has shown it.
    if (isShown && error.code === 'UNAUTHENTICATED') this.#failures.spend(address);
    return error;
  }

  /** Calls `listener` with a principal whose key or token was revoked or changed. */
  onRevoked(listener: (principal: Principal) => void): void {
    this.#authenticator.onRevoked(listener);
  }

  close(): void {
    this.#authenticator.close();
  }

  #checkRate(address: string): void {
    const retryAfterMs = this.#failures.waitMs(address);
    if (retryAfterMs === 0) return;
    const { perSecond } = this.#failures;
    const message =
      `${address} has shown too many tokens that do not hold: ${perSecond} per second is the limit; ` +
      `retry in ${retryAfterMs} ms`;
    throw new BusError('RATE_LIMITED', message, {
      details: { retryAfterMs, perSecond, limitOf: 'address' },
    });
  }
}
