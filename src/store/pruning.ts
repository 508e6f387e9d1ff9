/** A retention rule: of the events that match, it removes the oldest beyond any of its limits. */
export interface RetentionRule {
  /** The topics that the rule is for. Default `*`. */
  readonly pattern?: string | undefined;
  /** Events recorded longer ago than this go. Default: age removes nothing. */
  readonly maxAgeMs?: number | undefined;
  /** At most this many events stay. Default: number removes nothing. */
  readonly maxEvents?: number | undefined;
  /**
   * At most so many bytes stay: payloads, attributes and about what a row takes besides (`ROW_OVERHEAD_BYTES`).
   * Default: size removes nothing.
   */
  readonly maxBytes?: number | undefined;
  /** Of each topic by itself, at most this many events stay: the newest. Default: number removes nothing. */
  readonly keepPerTopic?: number | undefined;
  /**
   * Only events go that every one of these consumers is past, as the shard says with `KeptFrom`: beyond the limits above
   * or, if the rule has none, at once. Default: the rule waits for nobody.
   */
  readonly untilConsumedBy?: readonly string[] | undefined;
}

/** Says from which sequence on a rule that waits keeps its events. `rule` is the rule's place in the settings. */
export type KeptFrom = (rule: number) => number;

/** Lets only events go that an archive has. */
export interface ArchiveGate {
  /** Every event up to this sequence is archived. */
  readonly through: number;
  /** Called with a sequence that would go if it were archived. */
  want(sequence: number): void;
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
