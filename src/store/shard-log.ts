import type { MessagePort } from 'node:worker_threads';
import type { BusError, ErrorData } from '../protocol/errors.js';
import type { ShardConsumers } from './consumer-states.js';
import type { ShardExpiry } from './expiry.js';
import type { Page, PageRequest } from './page.js';
import type {
  ArchiveGate,
  KeptFrom,
  PatternTotals,
  PruneRequest,
  PruneStep,
  RetentionRule,
} from './pruning.js';
import type { RecordedStep } from './recorded-step.js';
import type { ShardScheduled } from './scheduled.js';
import type { StoredRecord } from './stored-record.js';

/**
 * The log of one shard, as the shard's thread sees it. The thread calls it between batches and never at two places at
 * once.
 *
 * A log is its own or shared. A log of its own has one writer and commits before `commit` returns; the shard's thread
 * may block. A shared log has other writers too: the shard delivers from its tail, commits may come late, and the
 * thread lives on an event loop. docs/adr/0030 says why, and names the limits of the contract; `millrace/testing`
 * checks both kinds.
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
  /**
   * The head that was once committed here, where the log has less now: history went backwards, and the shard is given
   * up.
   */
  readonly wentBackwardsFrom: number | undefined;
  /** How that shows where a broker has another history by now, for messages. Default: by the heads alone. */
  readonly otherHistory?: string | undefined;
  /** The last sequence that was pruned from any topic; 0 if nothing was pruned. */
  readonly prunedThrough: number;
  /** Topics that the log no longer knows may have been pruned up to this sequence; 0 if it knows all topics. */
  readonly forgottenThrough: number;
  /** The number of events pruned so far. While it stands still, no more events have gone. */
  readonly prunedEvents: number;
  /** Bytes in the write-ahead log that are not in the file yet; 0 where there is no such thing. */
  readonly walBytes: number;
  /** About how many old events still lack an index that `maintain` makes, step by step; absent where there is none. */
  readonly unindexedEvents?: number;
  /** Payloads in files of their own; absent where there are none. */
  readonly payloadFiles?: PayloadFileTotals;
  /**
   * Mail of endpoints of other nodes, which main knows nothing of; it counts in the same word as main's. Leases of a
   * consumer's earlier thread may be in the hands of any of them. Absent where the log serves this node alone.
   */
  readonly guestMail?: MessagePort | undefined;

  /**
   * Adds one event to the open batch (opening it if needed) and returns its index in it: 0, 1, 2 … The record's header
   * carries its final timestamp. Nothing is visible before `commit`. `recordedAt` is the time at which the node
   * recorded the event; a shared log may move it, so that recorded time never runs backwards, or have a clock of its
   * own.
   *
   * The shard leaves the bytes as they are until the commit has succeeded or failed. The store may fail here without
   * the append throwing: `commit` then throws. Only a log with `judges` is given terms. `isAgain`: a dead thread of the
   * shard had read the event and may have stored it, longer ago than this call can know; only a shared log is given it.
   */
  append(
    bytes: Buffer,
    offset: number,
    recordedAt: number,
    terms?: AppendTerms,
    isAgain?: boolean,
  ): number;

  /**
   * The topic of the record appended last, which the log has read anyway. It means nothing once the batch has failed.
   */
  readonly appendedTopic: string;

  /**
   * Makes the open batch durable and visible, all of it or nothing; it may hold no event. `synced` says whether the
   * batch, and every batch before it, must survive power loss. Without an open batch, `synced` flushes the batches
   * before.
   *
   * The shard appends the next event when the batch is committed; a shared log may return a promise of that. When the
   * promise resolves, `head` has reached every sequence of the batch. A log of its own stores `positions` with the
   * batch; a shared log ignores them.
   *
   * Where there is no room, the log stores nothing and goes on. A log of its own throws `STORE_FULL`. A shared log,
   * which finds repeats only here, sets `CommittedBatch.refusal`. Repeats need no room, and `synced` holds for them.
   *
   * A commit of a shared log may wait while its broker is away, or reject: the shard's next thread then appends the batch
   * again. The log sends an event that was appended with `isAgain` no later than `SHARED_DEDUPE_MARGIN_MS` after the call:
   * afterwards the store may have forgotten that it has the event. It sends any other one only while the store is sure to
   * know what the log has sent itself, by a clock that goes on while the machine sleeps.
   * @throws BusError (or rejects with) any other failure: the shard's next thread opens the log again
   */
  commit(
    synced: boolean,
    positions: readonly RingPosition[],
  ): CommittedBatch | Promise<CommittedBatch>;

  /**
   * The sequence of the event that a record with a publisher's own id repeats, within the dedupe window; or 0 where
   * this thread knows of none. Two events are the same if they have one topic and one id, and one source where the id
   * is the source's own.
   *
   * A log of its own knows every event, also of the open batch. A shared log may not have heard of another node's
   * event; the commit then finds the repeat, and `CommittedBatch.isRepeat` says so.
   */
  findDuplicate(bytes: Buffer, offset: number): number;

  /**
   * How far back the dedupe window knows every id, ms: less than `dedupeWindowMs` where more ids came than it holds.
   */
  readonly dedupeReachMs: number;
  /**
   * A log of its own has the window that the settings ask for. A shared log has the store's window, the same for all
   * nodes. A bus refuses a store whose window is shorter than `SHARED_DEDUPE_WINDOW_MS_MIN` or than the settings ask
   * for.
   */
  readonly dedupeWindowMs: number;

  /**
   * Shows committed events in sequence order and returns how many. Stops early when `visit` returns false. A shared log
   * that has events there, but not at hand, returns `NOT_AT_HAND` and shows none; it fetches them and then calls
   * `LogFollower.onFetch`. The log keeps fetched events within a bound of bytes, and may drop them before anybody has
   * read them; the next read for them returns `NOT_AT_HAND` again.
   * @throws BusError `STORE_CORRUPT` naming the event whose checksum fails; the log itself goes on
   */
  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number;

  /** A shared log has this, and has one follower. The shard calls it before the first read. */
  follow?(follower: LogFollower): void;

  /**
   * Shows the topics numbered above `after`, at most `limit` of them, and returns the number to go on after, or 0 at
   * the end. A topic keeps its number, so a scan in several steps shows every topic that existed throughout it once.
   * `visit` must not keep the object that it is shown.
   */
  scanTopics(after: number, limit: number, visit: (topic: TopicTotals) => void): number;
  /** @throws BusError `STORE_CORRUPT` where its oldest event cannot be read; the log itself goes on */
  topic(name: string): TopicSummary | undefined;
  hasTopic(name: string): boolean;
  /**
   * Capability: the sequence of the last committed event of a topic, also where that event is pruned; 0 for a topic that
   * had none, as far as the log remembers. The shard judges by it what publishers expect (`expect`), and takes groups. A
   * log of its own has it; a shared log, to which other nodes append meanwhile, has not.
   */
  lastSequenceOf?(topic: string): number;
  /**
   * Capability of a shared log: the store judges the terms of events when it stores them, and refuses those that it does not
   * store (`CommittedBatch.refusalOf`). It looks for repeats first: an event that repeats a stored one is a repeat on any
   * terms. Without it, publishers that ask for `expect` or `atomic` are refused.
   */
  readonly judges?: JudgedTerms;

  /**
   * Does one bounded step of the background work that is due (index blocks, checkpoints). True if more is due. A shared
   * log that has lost its tail, or cannot fetch, calls `LogFollower.onAdvance` and throws here and from `read`: the bus
   * then replaces its thread.
   */
  maintain(): boolean;

  /**
   * Any plain value, as it is when the log opens. The thread that follows this one, if it dies, has it as
   * `predecessor`.
   */
  readonly forSuccessor?: unknown;

  /**
   * A log of its own has these, and a shared log has none. The successor of a dead thread learns from them what was
   * committed. A shared log compares every event by its id instead, the bus's own ids too, as the successor appends
   * again what its predecessor had read.
   */
  readonly ringPositions?: RingPositions;
  /** Capability: the log removes events by rules and on request. */
  readonly pruning?: ShardPruning;
  /** Capability: the log keeps the state of durable consumers. */
  readonly consumers?: ShardConsumers;
  /**
   * Capability: the log keeps publishes that wait for their time, and schedules. Without it, publishers that ask for a
   * delay are refused.
   */
  readonly scheduled?: ShardScheduled;
  /**
   * Capability: the log finds the events that have expired, and removes them. Without it they are hidden from readers
   * all the same, and stay until something else removes them.
   */
  readonly expiry?: ShardExpiry;
  /**
   * Capability: pages of the log, which the shard's thread makes at once. A log has it whose `OpenStore` has no
   * `history`. A shared log that has to fetch events cannot have it, so its store has `history`.
   */
  readonly pages?: ShardPages;

  /** The shard's thread waits for a log of its own, and for a shared log 2 s at most. */
  close(): void | Promise<void>;
}

/** A shared log calls these methods between turns of the event loop, and never from within one of its own methods. */
export interface LogFollower {
  /** The head has moved on, by any node's events; or the log has failed, see `ShardLog.maintain`. */
  onAdvance(): void;
  /** The log has at hand now some events that `ShardLog.read` could not show. */
  onFetch(): void;
}

/** `ShardLog.read` returns this where the events are not at hand, and on their way. */
export const NOT_AT_HAND = -1;

/** The outcome of a batch, by the index that `append` gave. Valid until the next append. */
export interface CommittedBatch {
  /**
   * The sequence of the event, or of the stored event that it repeats. Sequences ascend with the index, but for
   * repeats.
   */
  sequenceOf(index: number): number;
  /** The log had stored the event's id before, and did not store the event again. */
  isRepeat(index: number): boolean;
  /**
   * A shared log that has no room sets this to `STORE_FULL`. It then refuses every event that repeats no stored one;
   * such an event has no sequence.
   */
  readonly refusal?: BusError;
  /**
   * The batch has only the durability `written`, though the store promised more when it was opened: its acks say so. Default:
   * false.
   */
  readonly isOnlyWritten?: boolean;
  /**
   * Why a shared log did not store this one event, or the group that begins with it, though it stored others of the batch:
   * what was expected is not so, or the store does not take the event. Undefined for an event that is stored. Default:
   * none is refused.
   */
  refusalOf?(index: number): AppendRefusal | undefined;
}

/** On which terms a shared log stores an event. */
export interface AppendTerms {
  /** The sequence that the last event of its topic has to have, 0 for none; `undefined`: any. */
  readonly expected: number | undefined;
  /**
   * Events of one batch with the same number are a group, and are appended one after the other: all of them are stored, with
   * sequences that follow one another, or none. A group is a repeat if it is stored so already, as a whole; if
   * only a part of it is, or not in this way, it is refused. `undefined`: the event stands alone.
   */
  readonly group: number | undefined;
}

/** Which terms the store of a shared log can judge. */
export interface JudgedTerms {
  readonly expect: boolean;
  readonly groups: boolean;
}

export interface AppendRefusal {
  /** The sequence that the refusal rests on; 0 if it rests on none. */
  readonly found: number;
  readonly error: ErrorData;
}

/**
 * How far the shard has consumed an endpoint's publish ring, and its settlements. The log stores it in the transaction
 * of the ring's events and of the consumers' state.
 */
export interface RingPosition {
  /** The endpoint's id, unique within the epoch of the open bus. */
  readonly endpoint: string;
  /**
   * The ring's consumer position after the last record of this batch, counted since the ring was made: it does not
   * wrap. 0 if the batch holds no publish of the endpoint: its stored position and first sequence stay.
   */
  readonly position: number;
  /** The sequence given to the endpoint's first persisted record of this batch; the rest follow without holes. */
  readonly firstSequence: number;
  /**
   * The number of the endpoint's last settlement of a consumer's event in this batch; 0 if it holds none: the stored
   * number stays. Always 0 if the log has no `consumers`.
   */
  readonly settled: number;
}

/**
 * A log of its own keeps these for the successor of a dead thread. Its sequences follow one another from `head + 1` on.
 */
export interface RingPositions {
  /** The positions that the last commits stored, one for each endpoint. */
  stored(): RingPosition[];
  /** Drops all positions: the rings of an earlier process are gone. */
  clear(): void;
  /**
   * Does the same as `findDuplicate`, in the window that the last committed batch had, though ids may have left it
   * since. It holds until the first batch of this log.
   */
  findAtLastCommit(bytes: Buffer, offset: number): number;
}

export interface ShardPruning {
  /**
   * Does one small step of retention (bounded rows); true if there is more to do. Called outside a batch only. Without
   * `keptFrom`, rules that wait for consumers remove nothing. With a gate, what is not archived stays.
   */
  pruneStep(now: number, keptFrom?: KeptFrom, gate?: ArchiveGate): boolean;
  /** Counts the events of the topics that a pattern matches. */
  totals(pattern: string): PatternTotals;
  /**
   * Does one bounded step of a removal that somebody asked for. Called outside a batch only. With a gate, the removal
   * ends before the first event that is not archived.
   */
  prune(request: PruneRequest, gate?: ArchiveGate): PruneStep;
}

export interface ShardPages {
  page(request: PageRequest): Page;
  /** The last sequence recorded before a time in ms since 1970; 0 if there is none. Called outside a batch only. */
  positionAt(timeMs: number): number;
}

export interface ReadRequest {
  /** The read begins behind this sequence (exclusive). */
  readonly after: number;
  /** The read ends with this sequence (inclusive). Default: the head. */
  readonly until?: number;
  readonly limit: number;
  /** The read stops once it has shown this many bytes, and shows at least one event. */
  readonly limitBytes?: number;
}

/** The files of payloads, with those that wait to be removed. */
export interface PayloadFileTotals {
  readonly count: number;
  readonly bytes: number;
}

/** A topic's totals, which a log knows without reading events. */
export interface TopicTotals {
  readonly name: string;
  readonly events: number;
  /** The sequence of its last committed event, which may be pruned. */
  readonly lastSequence: number;
  /** Every event of this topic up to this sequence may have been pruned; 0 if nothing was pruned. */
  readonly prunedThrough: number;
}

export interface TopicSummary extends TopicTotals {
  readonly firstSequence: number;
  /** ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** The bus's options that concern every log; limits have their defaults in `src/protocol/limits`. */
export interface ShardLogSettings {
  readonly dedupeWindowMs: number;
  readonly dedupeIdsMax: number;
  /** This shard's share of the rules. */
  readonly retention: readonly RetentionRule[];
  readonly maxShardBytes?: number;
  /** Payloads of more bytes go to files; only for a store that says `payloadFiles`. Default: none does. */
  readonly claimCheckBytes?: number;
}

/** The argument of `openShardLog`. */
export interface ShardLogOpening {
  readonly shard: number;
  /** The value of `OpenStore.shardOptions`, cloned into this thread. */
  readonly options: unknown;
  readonly settings: ShardLogSettings;
  /** No thread of this bus had the log open before. */
  readonly isFirst: boolean;
  /** `ShardLog.forSuccessor` of the thread before; `undefined` for the first thread. */
  readonly predecessor: unknown;
  /**
   * The head that threads before this one have shown; 0 for the first thread. A shared log opens only when it knows as
   * much: it may have reached a replica that is behind. A log that will never reach it again says so in
   * `wentBackwardsFrom`.
   */
  readonly headLeast: number;
  /**
   * The time by which a thread that follows another counts the ages of publishers' ids, ms since 1970: what that one believed, as
   * the wall clock may have been set. Default: the wall clock's.
   */
  readonly now?: number | undefined;
  /** The last steps of recorded time in the threads before this one: no id is older by them. Default: none. */
  readonly steps?: readonly RecordedStep[];
}

/** The exports of the module behind `OpenStore.shardLog`. */
export interface ShardLogModule {
  /**
   * For a thread that follows another (`isFirst` is false) a shared log goes on trying while it cannot reach its
   * broker: the bus gives a shard up when a few of its threads have failed to start. For the first thread it fails
   * within a time of its own choice: `openBus` waits for it.
   * @throws BusError `STORE_CORRUPT`, `STORE_FAILED`, `STORE_FULL`, `OPTION_INVALID`
   */
  openShardLog(opening: ShardLogOpening): ShardLog | Promise<ShardLog>;
}
