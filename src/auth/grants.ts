import type { PrincipalRates } from './principal.js';

/** The types of grants, and of a fault in grants, files or options. Any thread. */

/** Topics that may be read, and the parts of their payloads that are masked. A pattern alone masks nothing. */
export type SubscribeGrant =
  | string
  | { readonly pattern: string; readonly redact: readonly string[] };

/** The permissions of a principal; anything not granted is denied. Patterns may name claims: `user.{sub}.*`. */
export interface Grants {
  /** Patterns that may be published to. */
  readonly publish?: readonly string[];
  /** Patterns that may be read: subscribed to, queried, streamed, listed. */
  readonly subscribe?: readonly SubscribeGrant[];
  /** Patterns that may be administered; `*` is the whole bus. */
  readonly admin?: readonly string[];
  /** The `source` that every event gets, in place of its own. */
  readonly source?: string;
  /** Paths that are masked in the payloads of every topic. */
  readonly redact?: readonly string[];
  readonly rates?: PrincipalRates;
}

/** One fault of a file or an option. */
export interface Fault {
  /** Where the fault is, such as `keys[3].subscribe[0]`; empty for the whole value. */
  readonly path: string;
  readonly message: string;
}
