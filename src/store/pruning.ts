/** A retention rule: of the events that match, it removes the oldest beyond any of its limits. */
export interface RetentionRule {
  /** Default `*`. */
  readonly pattern?: string | undefined;
  /** By recorded time, ms. */
  readonly maxAgeMs?: number | undefined;
  readonly maxEvents?: number | undefined;
  /** Payloads, attributes and an approximate overhead per row: see `ROW_OVERHEAD_BYTES`. */
  readonly maxBytes?: number | undefined;
}

/** A requested removal. Each step of it is bounded; the caller asks for one after another. */
export interface PruneRequest {
  readonly pattern: string;
  /** Recorded before this, ms since 1970. */
  readonly beforeMs?: number | undefined;
  /** Removed in any case, oldest first: at least so many events, and events of at least so many bytes. */
  readonly excessEvents: number;
  readonly excessBytes: number;
  /** The step begins behind this sequence; 0 at first. */
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
