import type { Authenticator, Principal } from '../auth/principal.js';
import { BusError } from '../protocol/errors.js';
import type { Audit } from './audit.js';
import { asRefusal, bearerToken } from './authentication.js';
import { AddressRates } from './budget/address-rates.js';

/**
 * Authenticates the tokens that clients show at any door. Failed sign-ins are counted and reported to the audit. While
 * an address exceeds its rate of invalid tokens, further tokens from it are refused unchecked, so that nobody can make
 * the server check signatures as fast as they can send. A gateway has one; one thread uses it.
 */
export class SignIns {
  readonly #authenticator: Authenticator;
  readonly #audit: Audit;
  readonly #failures: AddressRates;

  /** `maxFailedPerSecond`: the invalid tokens that one address may show in a second; 0: no limit. */
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

  /**
   * The principal of a token or, where no token is required, of a client without one.
   *
   * @throws BusError `UNAUTHENTICATED`, `AUTH_UNAVAILABLE`, `RATE_LIMITED`
   */
  async authenticate(token: string | undefined, address: string): Promise<Principal> {
    try {
      if (token !== undefined) this.#checkRate(address);
      return await this.#authenticator.authenticate(token);
    } catch (error) {
      throw this.failed(asRefusal(error), address, token === undefined ? 'missing' : 'shown');
    }
  }

  /**
   * The same principal by a new token, which a connection shows before its present token expires.
   *
   * @throws BusError `FORBIDDEN` for the token of another principal, and all that `authenticate` throws
   */
  async renew({ id }: Principal, token: string, address: string): Promise<Principal> {
    const principal = await this.authenticate(token, address);
    if (principal.id === id) return principal;
    const message = 'the token is that of another principal, which needs a connection of its own';
    throw this.failed(new BusError('FORBIDDEN', message), address, 'shown');
  }

  /** Counts and reports a failed sign-in, and returns the same error. `token`: whether the client showed one. */
  failed(error: BusError, address: string, token: 'shown' | 'missing'): BusError {
    const isShown = token === 'shown';
    this.#audit.signInFailed(address, isShown, error);
    // A token that was refused unchecked, or could not be judged, is not proven invalid and does not count.
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
