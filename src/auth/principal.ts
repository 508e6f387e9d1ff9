import type { Event } from '../protocol/event.js';

/**
 * A client's identity and permissions. The doors (WebSocket, HTTP) ask the `Principal` before they do anything for a
 * client, and refuse with `FORBIDDEN` anything it does not grant. Any thread.
 */
export interface Principal {
  /** Identifies the principal over all its connections, for limits. Unlike the name, it is unique. */
  readonly id: string;
  /** For logs, limits and a forced source: a key's name, a JWT's subject, `anonymous`. */
  readonly name: string;
  readonly isAnonymous: boolean;
  /** When the principal's connections must end, in ms since 1970; absent: never. */
  readonly expiresAt?: number;
  /**
   * Whether its key was revoked or changed. A door checks this again once it has registered the connection, as the
   * listeners of `onRevoked` may have been called while the connection was being opened.
   */
  readonly isRevoked: boolean;
  /** The `source` that every event of this principal gets, in place of its own. */
  readonly forcedSource?: string;
  /** Limits of this principal over all its connections; a rate that is left out is not limited. */
  readonly rates: PrincipalRates;
  /** The patterns that may be read; lists of topics and subscribers show only these. */
  readonly readable: readonly string[];
  /** All that it may do, as patterns. */
  readonly access: Access;
  mayPublish(topic: string): boolean;
  /** Whether this topic's events may be read. */
  maySubscribe(topic: string): boolean;
  /**
   * The first of these patterns that matches topics that may not be read, or `undefined` if none does. An empty list
   * matches nothing; a client that wants everything has to ask for `*`.
   */
  beyondSubscribe(patterns: readonly string[]): string | undefined;
  /** Whether events of the consumer of this name may be taken and settled; whoever administers the whole bus may. */
  mayConsume(name: string): boolean;
  /** Whether everything that the pattern matches may be administered; `*` is the whole bus. */
  mayAdminister(pattern: string): boolean;
  /** The event as this principal may see it: the same object, or a copy with masked values. */
  redact(event: Event): Event;
  /** Whether `redact` may mask anything; if not, events are shared with other connections. */
  readonly redacts: boolean;
}

/** The patterns of a principal's grants. */
export interface Access {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Of names of consumers. */
  readonly consume: readonly string[];
  readonly admin: readonly string[];
}

export interface PrincipalRates {
  readonly publishPerSecond?: number;
  readonly subscribePerSecond?: number;
  /** Queries and lists. */
  readonly queryPerSecond?: number;
}

/** Turns a client's token into a principal. */
export interface Authenticator {
  /** Whether a client without a token is refused. */
  readonly isRequired: boolean;
  /**
   * @param token an API key or a JWT; `undefined` if the client has sent none
   *
   * @throws BusError `UNAUTHENTICATED`: no token where one is required, an unknown or revoked key, a JWT that does not
   * verify or has expired. `AUTH_UNAVAILABLE`: the token cannot be checked now, and may be sent again later. The
   * message never holds the token.
   */
  authenticate(token: string | undefined): Promise<Principal>;
  /**
   * Calls `listener` with each principal whose key was revoked or changed: its connections must end. All connections
   * with this key got this same object from `authenticate`.
   */
  onRevoked(listener: (principal: Principal) => void): void;
  close(): void;
}
