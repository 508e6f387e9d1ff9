import type { Principal } from '../../auth/principal.js';
import { TokenBucket } from '../../auth/token-bucket.js';
import { BusError, type ErrorCode } from '../../protocol/errors.js';
import { RENEWALS_PER_SECOND, RENEWALS_WAITING_MAX } from '../../protocol/limits/websocket.js';
import type { SignIns } from '../sign-ins.js';

/**
 * Judges the new tokens that a connection shows while it is open. They are judged one after the other, in the order in
 * which they came, because one may take longer than the next, and the last valid one counts. Few tokens may wait, and
 * few are judged in a second. A connection has one; one thread uses it.
 */
export class Renewals {
  readonly #signIns: SignIns;
  readonly #address: string;
  readonly #rate = new TokenBucket(RENEWALS_PER_SECOND);
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(signIns: SignIns, address: string) {
    this.#signIns = signIns;
    this.#address = address;
  }

  /**
   * Judges a new token of the same principal.
   *
   * @throws BusError `RATE_LIMITED`, `LIMIT_EXCEEDED` where the token was not judged; and all that `SignIns.renew`
   * throws
   */
  async judge(principal: Principal, token: string): Promise<Principal> {
    this.#check();
    this.#waiting++;
    const judging = this.#last
      .then(() => this.#signIns.renew(principal, token, this.#address))
      .finally(() => {
        this.#waiting--;
      });
    this.#last = judging.catch(() => {});
    return judging;
  }

  #check(): void {
    if (this.#waiting >= RENEWALS_WAITING_MAX) {
      const message = `${RENEWALS_WAITING_MAX} tokens of this connection are being judged, which is the limit`;
      this.#refuse('LIMIT_EXCEEDED', message, { limit: RENEWALS_WAITING_MAX });
    }
    const retryAfterMs = this.#rate.take(1);
    if (retryAfterMs === 0) return;
    const message = `new tokens came too fast: ${RENEWALS_PER_SECOND} per second is the limit of this connection`;
    this.#refuse('RATE_LIMITED', `${message}; retry in ${retryAfterMs} ms`, {
      retryAfterMs,
      perSecond: RENEWALS_PER_SECOND,
    });
  }

  #refuse(code: ErrorCode, message: string, details: Readonly<Record<string, number>>): never {
    const error = new BusError(code, message, { details: { ...details, limitOf: 'connection' } });
    throw this.#signIns.failed(error, this.#address, 'shown');
  }
}
