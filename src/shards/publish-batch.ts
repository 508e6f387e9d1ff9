/**
 * One batch of publishes on its way through the shard: drained from the links' rings, appended, committed,
 * acknowledged. It remembers where each event lies in ring memory, which stays claimed until `release`, so that nothing
 * is copied between a publisher's ring and a subscriber's.
 */
import {
  ACK_DUPLICATE,
  ACK_DUPLICATE_WRITTEN,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  ACK_WRITTEN,
} from '../link/link-records.js';
import type { ErrorData } from '../protocol/errors.js';
import { COMMIT_BATCH_BYTES } from '../protocol/limits/shards.js';
import { SHARED_DEDUPE_MARGIN_MS } from '../protocol/limits/store.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SUPPLIED_TIMESTAMP,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../record/event-record.js';
import { NameCache, recordNames } from '../record/name-cache.js';
import type { CommittedBatch, RingPosition, ShardLog } from '../store/shard-log.js';
import { elapsedWithSleepMs } from '../threads/elapsed.js';
import { AckRuns } from './ack-runs.js';
import { RecordingClock } from './recording-clock.js';
import { REFUSED_FULL, REFUSED_OVERDUE, UNKNOWN_FOR_TOO_LONG } from './refusals.js';
import type { ShardEnd } from './shard-end.js';

/** Refuses publishes that have waited for a `block` subscription for as long as they may. */
export interface Refusing {
  /** The error with which a publish is refused; undefined lets it through. */
  refusalOf(topic: string, view: EventRecordView): ErrorData | undefined;
}

/** `$` */
const SYSTEM_TOPIC_CODE = 0x24;

export class PublishBatch {
  /** Parallel arrays of the events to deliver, in order: 0 to `length`. */
  readonly bytes: Buffer[] = [];
  readonly offsets: number[] = [];
  readonly topics: string[] = [];
  /**
   * 0 for an ephemeral event. For an appended one: its index in the batch, from 1 on, and its sequence once settled.
   */
  readonly sequences: number[] = [];
  length = 0;
  /** An event, or a repeat of a stored one, asked to survive power loss and is not flushed yet. */
  synced = false;
  /** Events appended to the log. */
  appended = 0;
  ephemeral = 0;
  duplicates = 0;
  /** Publishes that were refused because they would have waited for a `block` subscription longer than they may. */
  overdue = 0;

  readonly #log: ShardLog;
  readonly #clock: RecordingClock;
  readonly #view = new EventRecordView();
  readonly #names = new NameCache(recordNames);
  readonly #runs: AckRuns;
  readonly #positions: RingPosition[] = [];
  readonly #links: ShardEnd[] = [];
  #link!: ShardEnd;
  #firstSequence = 0;
  #refusing: Refusing | undefined;
  /**
   * Why the link's first publish is refused, if it is. The batch then takes only refused publishes, else only others.
   */
  #refusal: ErrorData | undefined;
  #isFirst = false;
  /** The batch holds a persisted publish of this link, or a repeat of one. */
  #hasPersisted = false;
  #handled = 0;
  #byteCount = 0;
  #recordedAt = 0;
  /** The producer's position in the link's ring when the clock was last read. */
  #timedPosition: number | undefined;

  constructor(log: ShardLog, clock = new RecordingClock(log.lastRecordedAt)) {
    this.#log = log;
    this.#clock = clock;
    this.#runs = new AckRuns(log.isShared);
  }

  /** Publishes in the batch, duplicates included. */
  get handled(): number {
    return this.#handled;
  }

  /** The last sequence in the log that the batch's acks name; known once the batch is settled. */
  get lastSequence(): number {
    return this.#runs.lastSequence;
  }

  get positions(): readonly RingPosition[] {
    return this.#positions;
  }

  /** Takes up to `limit` publishes from the links, round robin from `first` on. */
  drain(
    links: readonly ShardEnd[],
    first: number,
    limit: number,
    refusing: Refusing | undefined = undefined,
  ): void {
    this.#refusing = refusing;
    this.#recordedAt = this.#log.lastRecordedAt;
    this.#clock.now();
    this.#runs.firstNew = this.#log.head + 1;
    for (let i = 0; i < links.length && this.#handled < limit; i++) {
      const link = links[(first + i) % links.length]!;
      if (link.owesAcks || link.recovery !== undefined || link.publishRing.isEmpty()) continue;
      this.#drainLink(link, limit - this.#handled);
    }
  }

  /** True if repeats of stored events ask for a flush that was not made. */
  get owesFlush(): boolean {
    const { head, syncedHead } = this.#log;
    return this.#runs.owesFlush(head, syncedHead);
  }

  /**
   * The log refused the batch: its persisted publishes are refused. Repeats of events stored before are not; the caller
   * has already flushed those that ask for it.
   */
  refuse(error: ErrorData): void {
    for (const link of this.#links) link.refusePublishes(REFUSED_FULL);
    this.#runs.refuse(error);
    this.#keepEphemeral();
  }

  /**
   * The log has stored the batch; a shared log may instead have refused all of it but repeats. Stored events of a
   * shared log are delivered from the log's tail, not from here.
   */
  settle(committed: CommittedBatch): void {
    const { sequences } = this;
    const runs = this.#runs;
    if (committed.refusal !== undefined) {
      for (const link of this.#links) link.refusePublishes(REFUSED_FULL);
    }
    runs.settle(committed);
    this.appended -= runs.repeats;
    this.duplicates += runs.duplicates;
    if (this.#log.isShared) return;
    for (let i = 0; i < this.length; i++) {
      const index = sequences[i]! - 1;
      if (index >= 0) sequences[i] = committed.sequenceOf(index);
    }
  }

  /**
   * Acknowledges the ephemeral publishes before anything is stored. On a shared log every ephemeral publish in a batch
   * precedes the persisted ones of its link: persisted events are delivered from the log's tail, so a batch that took
   * an ephemeral publish after a persisted one would change their order.
   */
  acknowledgeEphemeral(): void {
    this.#runs.acknowledgeEphemeral();
  }

  /** Forgets the events to deliver, once they are delivered. */
  clearDeliveries(): void {
    // Shortened, not refilled: the arrays must not keep large buffers alive.
    this.bytes.length = 0;
    this.offsets.length = 0;
    this.topics.length = 0;
    this.sequences.length = 0;
    this.length = 0;
  }

  acknowledge(): void {
    this.#runs.acknowledge();
  }

  /** Gives the ring memory back and empties the batch. */
  release(): void {
    for (const link of this.#links) link.releasePublishes();
    this.#links.length = 0;
    this.#runs.clear();
    this.#positions.length = 0;
    this.clearDeliveries();
    this.appended = 0;
    this.ephemeral = 0;
    this.duplicates = 0;
    this.overdue = 0;
    this.synced = false;
    this.#handled = 0;
    this.#byteCount = 0;
  }

  #drainLink(link: ShardEnd, limit: number): void {
    this.#link = link;
    this.#firstSequence = 0;
    this.#hasPersisted = false;
    this.#isFirst = true;
    this.#refusal = undefined;
    this.#timedPosition = undefined;
    const ring = link.publishRing;
    if (link.publishes.read(this.#onPublish, limit, link.publishesUntil) === 0) return;
    this.#links.push(link);
    this.#runs.end(link);
    if (this.#log.isShared) this.#noteTaken(link);
    // At most once: a successor of this thread never delivers ephemeral events before the mark.
    ring.mark = ring.position;
    // Nothing of this link was appended, so this thread, or a successor, refuses everything up to the mark.
    if (this.#refusal !== undefined) link.refusePublishes(REFUSED_OVERDUE);
    const { skipEphemeralUntil } = link;
    if (skipEphemeralUntil !== undefined && ((ring.position - skipEphemeralUntil) | 0) >= 0) {
      link.skipEphemeralUntil = undefined;
    }
    if (this.#firstSequence === 0) return;
    this.#positions.push({
      endpoint: link.endpoint,
      position: ring.totalPosition,
      firstSequence: this.#firstSequence,
      settled: 0,
    });
  }

  readonly #onPublish = (
    _type: number,
    bytes: Buffer,
    offset: number,
    length: number,
  ): boolean | undefined => {
    if (this.#byteCount > 0 && this.#byteCount + length > COMMIT_BATCH_BYTES) return false;
    const view = this.#view.wrap(bytes, offset);
    const { flags } = view;
    const isEphemeral = (flags & EVENT_FLAG_PERSIST) === 0;
    if (isEphemeral && this.#hasPersisted && this.#log.isShared) return false;
    if (this.#refusing !== undefined && !this.#goesWithFirst(view)) return false;
    this.#byteCount += length;
    this.#handled++;
    if (this.#refusal !== undefined) {
      this.overdue++;
      this.#runs.add(this.#link, ACK_REFUSED, 0, false, this.#refusal);
      return undefined;
    }
    // The clock is read again when the ring has grown: an event that is published while others are taken must not be
    // recorded earlier than it was published.
    const { seenPosition } = this.#link.publishRing;
    if (seenPosition !== this.#timedPosition) {
      this.#timedPosition = seenPosition;
      this.#recordedAt = Math.max(this.#clock.nowForNext(), this.#recordedAt);
    }
    if ((flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) === 0) view.timestamp = this.#recordedAt;
    if (isEphemeral) this.#takeEphemeral(view);
    else this.#takePersisted(view, flags);
    return undefined;
  };

  /**
   * A batch never holds both refused and stored publishes of one link: the ring position stored with it would claim
   * that all of them are stored.
   */
  #goesWithFirst(view: EventRecordView): boolean {
    const { topic } = this.#names.of(view.bytes, view.offset);
    let refusal = this.#refusing!.refusalOf(topic, view);
    // A repeat is not delivered, so it waits for no subscription; and a stored event must not be reported as refused.
    if (refusal !== undefined && this.#isRepeat(view)) refusal = undefined;
    if (this.#isFirst) {
      this.#isFirst = false;
      this.#refusal = refusal;
    }
    return (refusal === undefined) === (this.#refusal === undefined);
  }

  #isRepeat(view: EventRecordView): boolean {
    const isSupplied = (view.flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
    const isStored = isSupplied && (view.flags & EVENT_FLAG_PERSIST) !== 0;
    return isStored && this.#log.findDuplicate(view.bytes, view.offset) !== 0;
  }

  #takeEphemeral(view: EventRecordView): void {
    const link = this.#link;
    this.#runs.add(link, ACK_EPHEMERAL, 0);
    const { topic } = this.#names.of(view.bytes, view.offset);
    // The bus's own events do not count as publishes.
    if (topic.charCodeAt(0) !== SYSTEM_TOPIC_CODE) this.ephemeral++;
    const { skipEphemeralUntil } = link;
    if (skipEphemeralUntil !== undefined) {
      if (((link.publishRing.position - skipEphemeralUntil) | 0) < 0) return;
      link.skipEphemeralUntil = undefined;
    }
    this.#push(view, topic, 0);
  }

  #takePersisted(view: EventRecordView, flags: number): void {
    this.#hasPersisted = true;
    if ((flags & EVENT_FLAG_SUPPLIED_ID) !== 0) {
      const first = this.#log.findDuplicate(view.bytes, view.offset);
      if (first !== 0) {
        this.#takeDuplicate(first, (flags & EVENT_FLAG_SYNCED) !== 0);
        return;
      }
    }
    const isAgain = this.#link.takesAgainUntil !== undefined && this.#isTakenAgain();
    if (isAgain && this.#mayBeForgotten) {
      this.#runs.add(this.#link, ACK_REFUSED, 0, false, UNKNOWN_FOR_TOO_LONG);
      return;
    }
    const index = this.#log.append(view.bytes, view.offset, this.#recordedAt);
    const synced = (flags & EVENT_FLAG_SYNCED) !== 0;
    if (synced) this.synced = true;
    if (this.#firstSequence === 0) this.#firstSequence = this.#runs.firstNew + index;
    this.appended++;
    const isOwnRepeat = isAgain && (flags & EVENT_FLAG_SUPPLIED_ID) === 0;
    this.#runs.add(this.#link, synced ? ACK_SYNCED : ACK_WRITTEN, index, isOwnRepeat);
    if (!this.#log.isShared) this.#push(view, this.#log.appendedTopic, index + 1);
  }

  /** A repeat may ask for a flush that the first publish did not ask for: the commit then flushes. */
  #takeDuplicate(first: number, synced: boolean): void {
    this.duplicates++;
    this.#runs.reach(first);
    const isFlushed = first <= this.#log.syncedHead;
    if (synced && !isFlushed) this.synced = true;
    const kind = synced || isFlushed ? ACK_DUPLICATE : ACK_DUPLICATE_WRITTEN;
    this.#runs.add(this.#link, kind, first);
  }

  /** True for a publish that a dead thread had read and that its log cannot say whether it stored. */
  #isTakenAgain(): boolean {
    const { publishRing, takesAgainUntil } = this.#link;
    return takesAgainUntil !== undefined && ((publishRing.position - takesAgainUntil) | 0) < 0;
  }

  /** True if an event that the dead thread appended may leave the dedupe window before it is appended again. */
  get #mayBeForgotten(): boolean {
    const ageMs = elapsedWithSleepMs() - this.#link.publishRing.markedAt;
    return ageMs + SHARED_DEDUPE_MARGIN_MS > this.#log.dedupeReachMs;
  }

  /**
   * Notes when the batch was read first. A batch with publishes that a dead thread had read keeps that thread's time.
   */
  #noteTaken(link: ShardEnd): void {
    const { takesAgainUntil, publishRing } = link;
    if (takesAgainUntil === undefined) publishRing.markedAt = elapsedWithSleepMs();
    else if (((publishRing.position - takesAgainUntil) | 0) >= 0) link.takesAgainUntil = undefined;
  }

  #keepEphemeral(): void {
    let kept = 0;
    for (let i = 0; i < this.length; i++) {
      if (this.sequences[i] !== 0) continue;
      this.bytes[kept] = this.bytes[i]!;
      this.offsets[kept] = this.offsets[i]!;
      this.topics[kept] = this.topics[i]!;
      this.sequences[kept++] = 0;
    }
    this.length = kept;
  }

  #push(view: EventRecordView, topic: string, sequence: number): void {
    const index = this.length++;
    this.bytes[index] = view.bytes;
    this.offsets[index] = view.offset;
    this.topics[index] = topic;
    this.sequences[index] = sequence;
  }
}
