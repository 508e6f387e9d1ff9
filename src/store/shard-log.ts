/**
 * The log of one shard, as the shard sees it. SQLite implements it, in a file and in memory. One thread owns a log and is
 * the only one that appends to it: sequences are known as soon as an event is appended, and the shard delivers what it appended.
 */

/** How far an endpoint's publish ring has been consumed; stored in the transaction that stores its events. */
export interface RingPosition {
  /** The endpoint's id, unique within the epoch of the open bus. */
  readonly endpoint: string;
  /** The ring's consumer position after the last record of this batch, counted since the ring was made: it does not wrap. */
  readonly position: number;
  /** The sequence given to the endpoint's first persisted record of this batch; the rest follow without holes. */
  readonly firstSequence: number;
}

/**
 * One stored event in the layout of `src/record/event-record.ts`. The object is used again for the next event; its
 * bytes stay as they are until the next read.
 */
export interface StoredRecord {
  readonly sequence: number;
  /** When the bus recorded it, ms since 1970; never runs backwards within a log. */
  readonly recordedAt: number;
  readonly bytes: Buffer;
  readonly offset: number;
  readonly length: number;
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

/** What a log knows of a topic without looking. */
export interface TopicGlance {
  readonly name: string;
  readonly events: number;
  /** Everything on this topic up to this sequence may have been pruned; 0 if nothing was. */
  readonly prunedThrough: number;
}

export interface TopicSummary extends TopicGlance {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface ShardLog {
  /** The last committed sequence; 0 when empty. */
  readonly head: number;
  /** The last sequence that is known to survive power loss; up to the head. */
  readonly syncedHead: number;
  /** Recorded time of the last appended event; 0 when empty. */
  readonly lastRecordedAt: number;
  /** The last sequence that was pruned from any topic; 0 if none was. */
  readonly prunedThrough: number;
  /** Topics that the log no longer knows may have been pruned up to this sequence; 0 if it knows all. */
  readonly forgottenThrough: number;
  /** Bytes in the write-ahead log that are not in the file yet; 0 where there is no such thing. */
  readonly walBytes: number;
  /** Events pruned so far; while it stands still, no more have gone. */
  readonly prunedEvents: number;

  /**
   * Adds one event to the open batch (opening it if needed) and returns its sequence. The record's header must carry
   * its final timestamp. Nothing is visible before `commit`.
   *
   * The bytes must stay as they are until the commit or roll-back. A store that fails here says so in `commit`: an
   * append never throws on its account, and goes on giving the sequences that the batch would have had.
   */
  append(bytes: Buffer, offset: number, recordedAt: number): number;

  /** The topic of the record appended last, which the log has read anyway. Meaningless once the batch has failed. */
  readonly appendedTopic: string;

  /**
   * Makes the open batch durable and visible; `synced` says whether it must survive power loss, and with it all that was
   * committed before. Without an open batch, `synced` does that alone.
   * @throws BusError `STORE_FULL` (the batch is rolled back, the log goes on) or anything else (the log must be
   * reopened; whether the batch is in it, its head will tell).
   */
  commit(synced: boolean, positions: readonly RingPosition[]): void | Promise<void>;

  /** Throws the open batch away. Its sequences will be given again: they were never shown. */
  rollback(): void;

  /** Positions stored by the last commits, to resume rings after a crash of the shard's thread. */
  ringPositions(): RingPosition[];
  /** Drops the stored positions: the rings of an earlier process are gone. */
  clearRingPositions(): void;

  /**
   * The sequence of the event that a record with a publisher's own id repeats, within the dedupe window and the open batch
   * too; or 0. The same are two of one topic and id; and of one source, where the id is the source's own.
   */
  findDuplicate(bytes: Buffer, offset: number): number;

  /**
   * As `findDuplicate`, in the window that the last committed batch had, whatever has left it by then or since. Until the
   * first batch of this log.
   */
  findAtLastCommit(bytes: Buffer, offset: number): number;

  /** How far back the dedupe window knows every id, ms: less than its time where more came than it holds. */
  readonly dedupeReachMs: number;
  readonly dedupeWindowMs: number;

  /**
   * Reads committed events in sequence order; returns how many were read. Stops early when `visit` returns false.
   * @throws BusError `STORE_CORRUPT` naming the event whose checksum fails; the log itself goes on
   */
  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number;

  /**
   * Shows the topics numbered above `after`, at most `limit` of them, and returns the number to go on after, or 0 if that
   * was all. A topic keeps its number, so who goes on sees every topic that there was all the time, once. `visit` must
   * not keep what it is shown.
   */
  scanTopics(after: number, limit: number, visit: (topic: TopicGlance) => void): number;
  /** @throws BusError `STORE_CORRUPT` where its oldest event cannot be read; the log itself goes on */
  topic(name: string): TopicSummary | undefined;
  hasTopic(name: string): boolean;

  /** One small step of retention (bounded rows); true if there is more to do. Outside a batch only. */
  pruneStep(now: number): boolean;

  /** Background work that is due (index blocks, checkpoints), one bounded step. True if more is due. */
  maintain(): boolean;

  close(): void;
}
