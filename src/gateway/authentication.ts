import type { Principal } from '../auth/principal.js';
import { BusError } from '../protocol/errors.js';
import { REQUESTS_PER_CONNECTION_MAX } from '../protocol/limits.js';

/**
 * Who a connection is, where it says so in its first frame: within a time, and before anything else.
 * What follows that frame before the token is judged is held back, and taken up after.
 */
export interface AuthenticationOwner<F> {
  /** Rejects with a `BusError`. */
  judge(token: string): Promise<Principal>;
  onAuthenticated(principal: Principal): void;
  /** `isJudged`: by a token that was shown. */
  onRefused(error: BusError, isJudged: boolean): void;
  /** A frame that was held back. */
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

  /** The token is being judged: nothing more needs to be read. */
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

  /** A frame that came before the answer. */
  hold(frame: F): void {
    if (!this.#isJudging) {
      const message = 'the first frame has to be authenticate, with a token';
      this.#refuse(new BusError('UNAUTHENTICATED', message));
    } else if (this.#held.length < REQUESTS_PER_CONNECTION_MAX) this.#held.push(frame);
    else
      this.#refuse(new BusError('LIMIT_EXCEEDED', 'too many frames before the answer to a token'));
  }

  /** The connection is over. */
  dispose(): void {
    this.#isOver = true;
    this.#held = [];
    clearTimeout(this.#deadline);
  }

  /** A token that is still being judged, as its issuer takes long to answer, may hold. */
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

/** What is wrong with our own means says nothing against the token, and must not tell a stranger more than that. */
export function asRefusal(error: unknown): BusError {
  if (error instanceof BusError) return error;
  return new BusError('AUTH_UNAVAILABLE', 'the token could not be checked', { cause: error });
}

/** The token of an `Authorization` header; `undefined` where there is no header. */
export function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const token = /^bearer +([\w\-.~+/]+=*) *$/i.exec(header)?.[1];
  if (token !== undefined) return token;
  throw new BusError('UNAUTHENTICATED', 'the Authorization header is not "Bearer" and a token');
}

/** A token's end is a time of the wall clock, which may be set: so it is looked at as often as this, ms. */
const LOOK_EVERY_MS = 60_000;

/** Calls `onExpired` at that time, however far off, and answers what stops it. */
export function watchExpiry(expiresAt: number | undefined, onExpired: () => void): () => void {
  if (expiresAt === undefined) return () => {};
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = expiresAt - Date.now();
    if (left <= 0) onExpired();
    else timer = setTimeout(wait, Math.min(left, LOOK_EVERY_MS)).unref();
  };
  timer = setTimeout(wait, 0).unref();
  return () => clearTimeout(timer);
}
