import type { PrincipalRates } from './principal.js';

/** The types of grants, and of a fault in grants, files or options. Any thread. */

/** Topics that may be read, and the parts of their payloads that are masked. A pattern alone masks nothing. */
export type SubscribeGrant =
  | string
  | { readonly pattern: string; readonly redact: readonly string[] };

/** The permissions of a principal; anything not granted is denied. Patterns may name claims: `user.{sub}.*`. */
export interface Grants {
  /** Patterns that may be published to. Default: none. */
  readonly publish?: readonly string[];
  /** Patterns that may be read: subscribed to, queried, streamed, listed. Default: none. */
  readonly subscribe?: readonly SubscribeGrant[];
  /** Patterns of names of consumers whose events may be taken and settled. Default: none. */
  readonly consume?: readonly string[];
  /** Patterns that may be administered; `*` is the whole bus. Default: none. */
  readonly admin?: readonly string[];
  /** The `source` that every event gets, whatever it says. Default: events keep theirs. */
  readonly source?: string;
  /** Paths of payloads that are masked in every topic. Default: none. */
  readonly redact?: readonly string[];
  /** How much of each action a second, over all connections. Default: no limit. */
  readonly rates?: PrincipalRates;
}

/** One fault of a file or an option. */
export interface Fault {
  /** Where the fault is, such as `keys[3].subscribe[0]`; empty for the whole value. */
  readonly path: string;
  readonly message: string;
}
