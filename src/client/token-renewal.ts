import { TIMER_MS_MAX, TOKEN_RENEWAL_LEAD_MS_MIN } from '../protocol/limits.js';

/**
 * Says when a connection should show a new token: when four fifths of the time are over that the one it has still
 * holds, and again at four fifths of what is left, as long as none was taken. So a token of an hour is renewed twelve minutes
 * before its end, and where that fails there are tries enough. Without success the server ends the connection, and a new one
 * begins with a new token.
 */
export class TokenRenewal {
  readonly #onDue: () => void;
  #expiresAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** A token was taken. `expiresAt`: RFC 3339; undefined where it has no end. */
  taken(expiresAt: string | undefined): void {
    this.#expiresAt = expiresAt === undefined ? 0 : Date.parse(expiresAt);
    this.plan();
  }

  /** After a try that led to nothing: once more before the end. */
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
