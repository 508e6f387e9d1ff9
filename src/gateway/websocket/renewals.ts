import type { Principal } from '../../auth/principal.js';
import { TokenBucket } from '../../auth/token-bucket.js';
import { BusError, type ErrorCode } from '../../protocol/errors.js';
import { RENEWALS_PER_SECOND, RENEWALS_WAITING_MAX } from '../../protocol/limits.js';
import type { SignIns } from '../sign-ins.js';

/**
 * The new tokens that a connection shows while it lives: judged one after the other, in the order in which they came,
 * because one may take longer than the next, and what counts is the last one that holds. A few may wait, and only a few
 * are judged in a second. Of one connection; one thread.
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
   * Who it is by the new token.
   *
   * @throws BusError `RATE_LIMITED`, `LIMIT_EXCEEDED`: it was not judged; and what `SignIns.renew` throws
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
      const message = `${RENEWALS_WAITING_MAX} tokens of this connection are judged already, which is the limit`;
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
