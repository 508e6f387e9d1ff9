import type { BusError } from '../protocol/errors.js';
import type { Page, PageRequest } from './page.js';
import type { PatternTotals, PruneRequest, PruneStep, RetentionRule } from './pruning.js';
import type { StoredRecord } from './stored-record.js';

/**
 * The log of one shard, as the shard's thread sees it. The thread calls it between batches and never at two places at once.
 *
 * A log is its own or shared. A log of its own has one writer and commits before `commit` returns; the shard's thread may
 * block. A shared log has other writers too: the shard delivers from its tail, commits may come late, and the thread lives on
 * an event loop. Why so, and what the contract cannot do yet, is in docs/adr/0030; `millrace/testing` checks both kinds.
 */
export interface ShardLog {
  /** Other nodes append to this log too, or its commits come late. */
  readonly isShared: boolean;

  /** The last committed sequence that is known here; 0 when empty. */
  readonly head: number;
  /** The last sequence that is known to survive power loss; up to the head. */
  readonly syncedHead: number;
  /** Recorded time of the last appended event; 0 when empty. */
  readonly lastRecordedAt: number;
  /** The head that was once committed here, where the log has less now: history went backwards, and the shard is given up. */
  readonly wentBackwardsFrom: number | undefined;
  /** The last sequence that was pruned from any topic; 0 if none was. */
  readonly prunedThrough: number;
  /** Topics that the log no longer knows may have been pruned up to this sequence; 0 if it knows all. */
  readonly forgottenThrough: number;
  /** Events pruned so far; while it stands still, no more have gone. */
  readonly prunedEvents: number;
  /** Bytes in the write-ahead log that are not in the file yet; 0 where there is no such thing. */
  readonly walBytes: number;

  /**
   * Adds one event to the open batch (opening it if needed) and returns its index in it: 0, 1, 2 … The record's header must
   * carry its final timestamp. Nothing is visible before `commit`. `recordedAt` is when the node recorded it; a shared log may
   * move it, so that recorded time never runs backwards, or have a clock of its own.
   *
   * The bytes must stay as they are until the commit has succeeded or failed. A store that fails here says so in `commit`: an
   * append never throws on its account.
   */
  append(bytes: Buffer, offset: number, recordedAt: number): number;

  /** The topic of the record appended last, which the log has read anyway. Meaningless once the batch has failed. */
  readonly appendedTopic: string;

  /**
   * Makes the open batch durable and visible, all of it or nothing; `synced` says whether it must survive power loss, and with
   * it all that was committed before. Without an open batch, `synced` does that alone.
   *
   * The next append follows when the batch is committed; a shared log may return a promise of that. When it resolves, `head`
   * has reached every sequence of the batch. `positions` are stored with the batch by a log of its own, and mean nothing to
   * a shared one.
   * Where there is no room, nothing is stored and the log goes on: a log of its own throws `STORE_FULL`; a shared log, which
   * finds repeats only here, says so in `CommittedBatch.refusal`. Repeats need no room, and `synced` holds for them.
   * @throws BusError (or rejects with) anything else: the log must be reopened, and tells then whether the batch is in it
   */
  commit(
    synced: boolean,
    positions: readonly RingPosition[],
  ): CommittedBatch | Promise<CommittedBatch>;

  /**
   * The sequence of the event that a record with a publisher's own id repeats, within the dedupe window; or 0 where this thread
   * knows of none. Two events are the same that have one topic and one id; and one source, where the id is the source's own.
   *
   * A log of its own knows all, those of the open batch too. A shared log may not have heard of another node's event: what it
   * then stores a second time it must find when it commits, and say so in `CommittedBatch.isRepeat`.
   */
  findDuplicate(bytes: Buffer, offset: number): number;

  /** How far back the dedupe window knows every id, ms: less than its time where more came than it holds. */
  readonly dedupeReachMs: number;
  /**
   * A log of its own has the window that it is asked for. A shared one has the store's, the same for all nodes: at least
   * `SHARED_DEDUPE_WINDOW_MS_MIN`, and not less than it is asked for, or the bus refuses it.
   */
  readonly dedupeWindowMs: number;

  /**
   * Shows committed events in sequence order and returns how many. Stops early when `visit` returns false. A shared log that has
   * events there, but not at hand, returns `NOT_AT_HAND` and shows none; it fetches them and then calls
   * `LogFollower.onFetch`. What it has fetched it keeps within a bound of bytes, and may let go of before it was read: whoever
   * comes for that is told `NOT_AT_HAND` again.
   * @throws BusError `STORE_CORRUPT` naming the event whose checksum fails; the log itself goes on
   */
  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number;

  /** Of a shared log, which has one follower. */
  follow?(follower: LogFollower): void;

  /**
   * Shows the topics numbered above `after`, at most `limit` of them, and returns the number to go on after, or 0 if that
   * was all. A topic keeps its number, so who goes on sees every topic that there was all the time, once. `visit` must
   * not keep what it is shown.
   */
  scanTopics(after: number, limit: number, visit: (topic: TopicTotals) => void): number;
  /** @throws BusError `STORE_CORRUPT` where its oldest event cannot be read; the log itself goes on */
  topic(name: string): TopicSummary | undefined;
  hasTopic(name: string): boolean;

  /**
   * Background work that is due (index blocks, checkpoints), one bounded step. True if more is due. A shared log that has lost
   * its tail, or cannot fetch, calls `LogFollower.onAdvance` and throws here and from `read`: its thread is then replaced.
   */
  maintain(): boolean;

  /** Any plain value; given to `openShardLog` as `predecessor` in the thread that follows this one if it dies. */
  readonly forSuccessor?: unknown;

  /**
   * Of a log of its own, and of no other: a successor of a dead thread learns what was committed. A shared log dedupes every
   * event by its id, the bus's own ids too, as the successor appends again what was read before.
   */
  readonly ringPositions?: RingPositions;
  /** Capability: events are removed by rules and on request. */
  readonly pruning?: ShardPruning;
  /** Capability: pages for those who cannot look into the log themselves. A log has it whose `LogStore` has no `history`. */
  readonly pages?: ShardPages;

  close(): void | Promise<void>;
}

/** Told by a shared log, between turns of the event loop and never from within a method of the log. */
export interface LogFollower {
  /** The head has moved on, whoever appended; or the log has failed, see `ShardLog.maintain`. */
  onAdvance(): void;
  /** Events are at hand that `ShardLog.read` could not show. */
  onFetch(): void;
}

/** `ShardLog.read`: the events are not at hand, and on their way. */
export const NOT_AT_HAND = -1;

/** The outcome of a batch, by the index that `append` gave. Valid until the next append. */
export interface CommittedBatch {
  /** Of the event; of the one that it repeats, where it repeats one. Ascending but for repeats. */
  sequenceOf(index: number): number;
  /** The id was stored before, so that the event was not stored again. */
  isRepeat(index: number): boolean;
  /** `STORE_FULL`, of a shared log: there was no room. What does not repeat a stored event is refused, and has no sequence. */
  readonly refusal?: BusError;
}

/** How far an endpoint's publish ring has been consumed; stored in the transaction that stores its events. */
export interface RingPosition {
  /** The endpoint's id, unique within the epoch of the open bus. */
  readonly endpoint: string;
  /** The ring's consumer position after the last record of this batch, counted since the ring was made: it does not wrap. */
  readonly position: number;
  /** The sequence given to the endpoint's first persisted record of this batch; the rest follow without holes. */
  readonly firstSequence: number;
}

/** What a log of its own keeps for the successor of a dead thread. Its sequences follow one another from `head + 1` on. */
export interface RingPositions {
  /** As of the last commits. */
  stored(): RingPosition[];
  /** Drops them: the rings of an earlier process are gone. */
  clear(): void;
  /**
   * As `findDuplicate`, in the window that the last committed batch had, whatever has left it by then or since. Until the
   * first batch of this log.
   */
  findAtLastCommit(bytes: Buffer, offset: number): number;
}

export interface ShardPruning {
  /** One small step of retention (bounded rows); true if there is more to do. Outside a batch only. */
  pruneStep(now: number): boolean;
  /** Counts the events of the topics that a pattern matches. */
  totals(pattern: string): PatternTotals;
  /** One bounded step of a removal that somebody asked for. Outside a batch only. */
  prune(request: PruneRequest): PruneStep;
}

export interface ShardPages {
  page(request: PageRequest): Page;
  /** The last sequence recorded before a time in ms since 1970. Outside a batch only. */
  positionAt(timeMs: number): number;
}

export interface ReadRequest {
  /** Events after this sequence (exclusive). */
  readonly after: number;
  /** Up to this sequence (inclusive). Default: the head. */
  readonly until?: number;
  readonly limit: number;
  /** Stop once this many bytes were read. */
  readonly limitBytes?: number;
}

/** A topic's totals, which a log knows without looking. */
export interface TopicTotals {
  readonly name: string;
  readonly events: number;
  /** Everything on this topic up to this sequence may have been pruned; 0 if nothing was. */
  readonly prunedThrough: number;
}

export interface TopicSummary extends TopicTotals {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** The bus's options that concern every log; limits have their defaults in `src/protocol/limits.ts`. */
export interface ShardLogSettings {
  readonly dedupeWindowMs: number;
  readonly dedupeIdsMax: number;
  /** This shard's share of the rules. */
  readonly retention: readonly RetentionRule[];
  readonly maxShardBytes?: number;
}

/** The argument of `openShardLog`. */
export interface ShardLogOpening {
  readonly shard: number;
  /** As `OpenStore.shardOptions` gave them; they have crossed to another thread. */
  readonly options: unknown;
  readonly settings: ShardLogSettings;
  /** No thread of this bus had the log open before. */
  readonly isFirst: boolean;
  /** `forSuccessor` of the thread before; `undefined` for the first. */
  readonly predecessor: unknown;
  /**
   * The head that threads before this one have shown; 0 for the first. A shared log is not open before it knows as much, as
   * where it has reached a replica that is behind; a log that will never have it again says so in `wentBackwardsFrom`.
   */
  readonly headLeast: number;
}

/** The exports of the module behind `OpenStore.shardLog`. */
export interface ShardLogModule {
  /**
   * For a thread that follows another (`isFirst` is false) a shared log goes on trying while its broker is not to be reached: a
   * shard whose threads do not start is given up after a few.
   * @throws BusError `STORE_CORRUPT`, `STORE_FAILED`, `STORE_FULL`, `OPTION_INVALID`
   */
  openShardLog(opening: ShardLogOpening): ShardLog | Promise<ShardLog>;
}
