import { TOKEN_RENEWAL_LEAD_MS_MIN } from '../protocol/limits/client.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';

/**
 * Says when a connection should show a new token: after four fifths of the token's remaining life, and again after four
 * fifths of what is then left, until the server accepts one. So a token of an hour is renewed twelve minutes before its
 * end, with time for further tries. If none succeeds, the server ends the connection, and the next one begins with a
 * new token.
 */
export class TokenRenewal {
  readonly #onDue: () => void;
  #expiresAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** The server has accepted a token. `expiresAt` is RFC 3339; `undefined` if the token does not expire. */
  taken(expiresAt: string | undefined): void {
    this.#expiresAt = expiresAt === undefined ? 0 : Date.parse(expiresAt);
    this.plan();
  }

  /** Plans the next renewal, also after one that failed. */
  plan(): void {
    clearTimeout(this.#timer);
    const leftMs = this.#expiresAt - Date.now();
    if (!(leftMs >= TOKEN_RENEWAL_LEAD_MS_MIN)) return;
    this.#timer = setTimeout(this.#onDue, Math.min(leftMs * SHARE, TIMER_MS_MAX));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#expiresAt = 0;
  }
}

const SHARE = 0.8;
