/** What retention and `prune` may remove. An event goes when any one rule says so, and nothing else ever does. */
export interface RetentionRule {
  /** Default `*`. */
  readonly pattern?: string | undefined;
  /** By recorded time. */
  readonly maxAgeMs?: number | undefined;
  readonly maxEvents?: number | undefined;
  /** Payloads, attributes and what a row takes besides, about: see `ROW_OVERHEAD_BYTES`. */
  readonly maxBytes?: number | undefined;
}

/** One removal that somebody asked for; a step of it is bounded, and whoever asked takes one after the other. */
export interface PruneRequest {
  readonly pattern: string;
  /** Recorded before this, ms since 1970. */
  readonly beforeMs?: number | undefined;
  /** Removed in any case, oldest first: so many events, and as many as have so many bytes. */
  readonly excessEvents: number;
  readonly excessBytes: number;
  /** Go on behind this sequence; 0 at first. */
  readonly after: number;
}

export interface PruneStep {
  readonly events: number;
  readonly bytes: number;
  /** The next step's `after`; absent when there is nothing left to do. */
  readonly next?: number;
}

export interface PatternTotals {
  readonly events: number;
  readonly bytes: number;
}
