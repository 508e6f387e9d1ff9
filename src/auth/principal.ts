import type { Event } from '../protocol/event.js';

/**
 * Who is asking, and what they may do. The doors (WebSocket, HTTP) ask a `Principal` before they do anything for a
 * client; what it does not grant is refused with `FORBIDDEN`. Any thread.
 */
export interface Principal {
  /** Who this is over all its connections: limits are kept by it. Unlike the name, no two share one. */
  readonly id: string;
  /** For logs, limits and a forced source: a key's name, a JWT's subject, `anonymous`. */
  readonly name: string;
  readonly isAnonymous: boolean;
  /** When the connection must end, ms since 1970. */
  readonly expiresAt?: number;
  /**
   * Whether its key was revoked or changed. A door looks once more when it has registered the connection: the
   * listeners of `onRevoked` were told before, if this happened while it was being opened.
   */
  readonly isRevoked: boolean;
  /** The `source` that every event of this principal gets, whatever it says. */
  readonly forcedSource?: string;
  /** Limits of this principal over all its connections; what is left out has no limit of its own. */
  readonly rates: PrincipalRates;
  /** The patterns that may be read: what is listed for this principal is listed by them. */
  readonly readable: readonly string[];
  mayPublish(topic: string): boolean;
  /** Whether this topic's events may be read. */
  maySubscribe(topic: string): boolean;
  /**
   * The first of these patterns that reaches beyond what may be read, or `undefined` if none does. An empty list reaches
   * nowhere: who means everything has to ask for `*`.
   */
  beyondSubscribe(patterns: readonly string[]): string | undefined;
  /** Whether everything that the pattern matches may be administered; `*` is the whole bus. */
  mayAdminister(pattern: string): boolean;
  /** The event as this principal may see it: the same object, or a copy in which values are masked. */
  redact(event: Event): Event;
  /** Whether `redact` may change anything; where not, events are shared with other connections as they are. */
  readonly redacts: boolean;
}

export interface PrincipalRates {
  readonly publishPerSecond?: number;
  readonly subscribePerSecond?: number;
  /** Queries and lists. */
  readonly queryPerSecond?: number;
}

/** Turns what a client shows into a principal. */
export interface Authenticator {
  /** Whether a client without a token is refused. */
  readonly isRequired: boolean;
  /**
   * `token`: an API key or a JWT; `undefined` where the client has shown none.
   *
   * @throws BusError `UNAUTHENTICATED`: no token where one is required, an unknown or revoked key, a JWT that does not
   * verify or has expired. `AUTH_UNAVAILABLE`: it cannot be judged now, and may be shown again later. The message never
   * holds the token.
   */
  authenticate(token: string | undefined): Promise<Principal>;
  /**
   * Calls `listener` with a principal whose key was revoked or changed: its connections must end. It is the very object
   * that `authenticate` gave for this key, the same one for all connections that showed it.
   */
  onRevoked(listener: (principal: Principal) => void): void;
  close(): void;
}
