import type { Principal } from '../auth/principal.js';
import { BusError } from '../protocol/errors.js';
import { REQUESTS_PER_CONNECTION_MAX } from '../protocol/limits/websocket.js';

/**
 * Authentication by the first frame of a connection. A token has to come within a time limit, before any other frame.
 * Frames that follow it while the token is being judged are held, and handed on after it was accepted.
 */
export interface AuthenticationOwner<F> {
  /** Rejects with a `BusError`. */
  judge(token: string): Promise<Principal>;
  onAuthenticated(principal: Principal): void;
  /** `isJudged`: the client had shown a token. */
  onRefused(error: BusError, isJudged: boolean): void;
  /** Hands on a frame that was held, after `onAuthenticated`. */
  onHeld(frame: F): void;
}

export class PendingAuthentication<F> {
  readonly #owner: AuthenticationOwner<F>;
  readonly #deadline: NodeJS.Timeout;
  #held: F[] = [];
  #isJudging = false;
  #isOver = false;

  constructor(timeoutMs: number, owner: AuthenticationOwner<F>) {
    this.#owner = owner;
    this.#deadline = setTimeout(() => this.#refuse(this.#tooLate(timeoutMs)), timeoutMs);
  }

  /** The token is being judged; the connection need not read further frames until then. */
  get isJudging(): boolean {
    return this.#isJudging;
  }

  judge(token: string): void {
    this.#isJudging = true;
    this.#owner.judge(token).then(
      (principal) => this.#accept(principal),
      (error: BusError) => this.#refuse(error),
    );
  }

  /** Takes a frame that came before the client was authenticated: holds it, or refuses the client. */
  hold(frame: F): void {
    if (!this.#isJudging) {
      const message = 'the first frame has to be authenticate, with a token';
      this.#refuse(new BusError('UNAUTHENTICATED', message));
    } else if (this.#held.length < REQUESTS_PER_CONNECTION_MAX) this.#held.push(frame);
    else
      this.#refuse(new BusError('LIMIT_EXCEEDED', 'too many frames before the answer to a token'));
  }

  /** Stops the deadline and forgets the held frames: the connection has ended. */
  dispose(): void {
    this.#isOver = true;
    this.#held = [];
    clearTimeout(this.#deadline);
  }

  /**
   * A token that is still being judged may be valid: its issuer is slow, so the client is not told `UNAUTHENTICATED`.
   */
  #tooLate(timeoutMs: number): BusError {
    return this.#isJudging
      ? new BusError('AUTH_UNAVAILABLE', `the token could not be judged within ${timeoutMs} ms`)
      : new BusError('UNAUTHENTICATED', `no token came within ${timeoutMs} ms`);
  }

  #accept(principal: Principal): void {
    if (this.#isOver) return;
    const held = this.#held;
    this.dispose();
    this.#owner.onAuthenticated(principal);
    for (const frame of held) this.#owner.onHeld(frame);
  }

  #refuse(error: BusError): void {
    if (this.#isOver) return;
    this.dispose();
    this.#owner.onRefused(error, this.#isJudging);
  }
}

/**
 * A failure of the gateway's own does not prove the token invalid; its details must not reach an unauthenticated
 * client.
 */
export function asRefusal(error: unknown): BusError {
  if (error instanceof BusError) return error;
  return new BusError('AUTH_UNAVAILABLE', 'the token could not be checked', { cause: error });
}

/**
 * The token of an `Authorization` header; undefined where there is no header.
 *
 * @throws BusError `UNAUTHENTICATED` where the header is not "Bearer" and a token
 */
export function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const token = /^bearer +([\w\-.~+/]+=*) *$/i.exec(header)?.[1];
  if (token !== undefined) return token;
  throw new BusError('UNAUTHENTICATED', 'the Authorization header is not "Bearer" and a token');
}

/**
 * A token expires at a time of the wall clock, which may be set meanwhile: so the clock is read at least this often.
 */
const CLOCK_CHECK_MS = 60_000;

/** Calls `onExpired` at `expiresAt` (epoch ms; undefined: never). Returns a function that stops the watch. */
export function watchExpiry(expiresAt: number | undefined, onExpired: () => void): () => void {
  if (expiresAt === undefined) return () => {};
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = expiresAt - Date.now();
    if (left <= 0) onExpired();
    else timer = setTimeout(wait, Math.min(left, CLOCK_CHECK_MS)).unref();
  };
  timer = setTimeout(wait, 0).unref();
  return () => clearTimeout(timer);
}
