import type { PrincipalRates } from './principal.js';

/** The shapes of grants, and of a fault in them or in whatever else is configured. Any thread. */

/** What may be read, and what of it is masked. A pattern alone masks nothing. */
export type SubscribeGrant =
  | string
  | { readonly pattern: string; readonly redact: readonly string[] };

/** What somebody may do; what is left out is denied. Patterns may name claims: `user.{sub}.*`. */
export interface Grants {
  /** Patterns that may be published to. */
  readonly publish?: readonly string[];
  /** Patterns that may be read: subscribed to, queried, streamed, listed. */
  readonly subscribe?: readonly SubscribeGrant[];
  /** Patterns that may be administered; `*` is the whole bus. */
  readonly admin?: readonly string[];
  /** The `source` that every event gets, whatever it says. */
  readonly source?: string;
  /** What is masked in every topic. */
  readonly redact?: readonly string[];
  readonly rates?: PrincipalRates;
}

/** One thing that is wrong with a file or an option. */
export interface Fault {
  /** `keys[3].subscribe[0]`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}
