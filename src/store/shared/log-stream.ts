import type { BusError, ErrorData } from '../../protocol/errors.js';
import type { AppendRefusal, AppendTerms, JudgedTerms, TopicSummary } from '../shard-log.js';

/** An event that a broker has stored. */
export interface StreamEntry {
  readonly sequence: number;
  /** ms since 1970; never runs backwards within a stream. */
  readonly recordedAt: number;
  /** A sealed record, in memory that nobody changes. */
  readonly bytes: Uint8Array;
}

/** An event to be stored. */
export interface NewEntry {
  /** The node's proposal, ms since 1970: the broker may store a later time, or its own. */
  readonly recordedAt: number;
  /** A sealed record: see `seal`. Repeats are found by its identity (`identityOf`). */
  readonly bytes: Uint8Array;
  /** On which terms it is stored. `undefined`: on none. */
  readonly terms: AppendTerms | undefined;
  /** See `ShardLog.append`. Default: false. */
  readonly isAgain?: boolean;
}

export interface StreamState {
  readonly head: number;
  readonly lastRecordedAt: number;
  /** Of every topic that the stream has, or had as far as the broker remembers. */
  readonly topics: readonly TopicSummary[];
  readonly dedupeWindowMs: number;
  /** The broker has removed all events up to this sequence; 0: none. */
  readonly prunedThrough: number;
  /** Topics that the broker does not remember may have had events up to this sequence. Default: it remembers all. */
  readonly forgottenThrough?: number;
  /** Any events up to this sequence may have gone, though others are left. Default: `prunedThrough`. */
  readonly lostThrough?: number;
  /**
   * How it shows that the broker has another history than when the store was opened, in words that follow "the history has
   * ended: ": the shard is given up. The other members mean nothing then. Default: it has the same one.
   */
  readonly otherHistory?: string;
}

/** What stays of a stream: the newest events within all limits. */
export interface TrimLimits {
  readonly maxAgeMs?: number;
  readonly maxEvents?: number;
  readonly maxBytes?: number;
}

/** The outcome of a batch, by index. */
export interface AppendedEntries {
  /** The sequence of the event, or of the stored one that it repeats; 0 where it was refused. */
  readonly sequences: readonly number[];
  readonly repeats: readonly boolean[];
  /** Those that were refused for themselves; of a group, its first event. Default: none. */
  readonly refused?: ReadonlyMap<number, AppendRefusal>;
  /** `STORE_FULL`: there was no room for any new event. */
  readonly refusal?: ErrorData;
  /** See `CommittedBatch.isOnlyWritten`. */
  readonly isOnlyWritten?: boolean;
}

/** Called between turns of the event loop, and never from within a method of the stream. */
export interface StreamFollower {
  /**
   * The next entries of the stream, in order: all that the broker still has behind `after`. Default: the first one
   * follows the one before without a hole, or with one that `onPruned` has told of.
   */
  onEntries(entries: readonly StreamEntry[], after?: number): void;
  /** The broker has removed all entries up to a sequence. */
  onPruned(prunedThrough: number): void;
  /**
   * Somebody has removed single events up to a sequence, of topics that nobody knows; others are left. Readers that come
   * behind them are told of a gap.
   */
  onLost(through: number): void;
  /** The broker has removed events of these topics that newer ones have replaced. */
  onReplaced(topics: readonly string[]): void;
  /** The stream cannot go on: history went backwards, it was deleted, or its settings do not fit any more. */
  onFailure(error: BusError): void;
}

/**
 * One shard's stream on a broker, as `SharedShardLog` uses it in the shard's thread. It reconnects by itself: while the
 * broker is away calls wait, and entries come again from the last one that the follower was shown.
 */
export interface LogStream {
  /** Names the setting with the servers, and them, in messages. */
  readonly place?: string;
  /** Which terms of events the broker can judge. */
  readonly judges: JudgedTerms;

  /**
   * Looks at the stream and begins to follow it behind the head that it returns. Called once, before all others. It waits
   * for a replica that is behind `headLeast`, and for a broker that is away if `isFirst` is false.
   * @throws BusError `STORE_FAILED`, `OPTION_INVALID`: the message names the setting and the cure
   */
  join(headLeast: number, isFirst: boolean, follower: StreamFollower): Promise<StreamState>;

  /**
   * Stores a batch, one at a time. It resolves when the batch has the durability that the store promises. Repeats are
   * found by identity, also those of earlier calls whose answers were lost. `isLasting` is false where no event of the batch
   * asks for more than `written`.
   * @throws BusError any failure after which it is not known what was stored: the batch is then appended again
   */
  append(events: readonly NewEntry[], isLasting: boolean): Promise<AppendedEntries>;

  /**
   * The entries after `after`, up to `until`, as many as fit one answer; if the broker has none of them any more, none, or
   * the first one behind them.
   */
  fetch(after: number, until: number): Promise<readonly StreamEntry[]>;

  /**
   * The stream calls `onPruned` before a fetch resolves that lacks removed events. Default: what lacks at the beginning of a
   * fetch has been removed with all before it.
   */
  readonly tellsPruned?: boolean;

  /** Topics as they are by now, of which the broker has removed events; those that it does not know are left out. */
  topics(names: readonly string[]): Promise<readonly TopicSummary[]>;

  /**
   * Removes the oldest events beyond any of the limits, in one bounded step; true if there may be more to do. Absent
   * where the bus cannot have the broker remove events.
   */
  trim?(limits: TrimLimits): Promise<boolean>;

  /** Gives up what waits, and lets go of connections and timers, within 2 s. */
  close(): Promise<void>;
}
