/**
 * One batch of publishes on its way through the shard: drained from the links' rings, appended, committed,
 * acknowledged. It remembers where each event lies in ring memory, which stays claimed until `release`, so that nothing
 * is copied between a publisher's ring and a subscriber's.
 */
import type { ErrorData } from '../protocol/errors.js';
import {
  EVENT_FLAG_SUPPLIED_TIMESTAMP,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../record/event-record.js';
import type { CommittedBatch, ShardLog } from '../store/shard-log.js';
import { BatchContents } from './batch-contents.js';
import { stampExpiry } from './expiry-stamp.js';
import type { GroupSettling } from './group-settling.js';
import type { Refusing } from './overdue-rule.js';
import { PublishIntake } from './publish-intake.js';
import { RecordingClock } from './recording-clock.js';
import { REFUSED_FULL } from './refusals.js';
import type { ShardEnd } from './shard-end.js';

export class PublishBatch extends BatchContents {
  readonly #log: ShardLog;
  readonly #clock: RecordingClock;
  readonly #intake: PublishIntake;
  readonly #view = new EventRecordView();

  constructor(log: ShardLog, clock = new RecordingClock(log.lastRecordedAt)) {
    super(log.isShared);
    this.#log = log;
    this.#clock = clock;
    this.#intake = new PublishIntake(this, log, clock);
  }

  /** The last sequence in the log that the batch's acks name; known once the batch is settled. */
  get lastSequence(): number {
    return this.runs.lastSequence;
  }

  /** Set while the shard has durable consumers; without it every lease has ended. */
  set settling(settling: GroupSettling | undefined) {
    this.#intake.settling = settling;
  }

  /** Takes up to `limit` publishes from the links, round robin from `first` on. */
  drain(links: readonly ShardEnd[], first: number, limit: number, refusing?: Refusing): void {
    this.#intake.drain(links, first, limit, refusing);
  }

  /** True if the log has something of this batch to store. */
  get isToStore(): boolean {
    return this.synced || this.appended > 0 || this.positions.length > 0;
  }

  /** Appends an event that is on no ring, as its time has come. Its bytes stay as they are until the release. */
  takeDue(bytes: Buffer): void {
    const view = this.#view.wrap(bytes, 0);
    const { flags } = view;
    const recordedAt = Math.max(this.#clock.nowForNext(), this.#log.lastRecordedAt);
    if ((flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) === 0) view.timestamp = recordedAt;
    stampExpiry(view, this.#clock);
    const index = this.#log.append(bytes, 0, recordedAt);
    if ((flags & EVENT_FLAG_SYNCED) !== 0) this.synced = true;
    this.appended++;
    this.handled++;
    this.push(view, this.#log.appendedTopic, index + 1);
  }

  /** Counts work that stores no event, so that the batch is committed and finished as every other. */
  noteDone(): void {
    this.handled++;
    this.synced = true;
  }

  /** True if repeats of stored events ask for a flush that was not made. */
  get owesFlush(): boolean {
    const { head, syncedHead } = this.#log;
    return this.runs.owesFlush(head, syncedHead);
  }

  /**
   * The log refused the batch: its persisted publishes are refused. Repeats of events stored before are not; the caller
   * has already flushed those that ask for it.
   */
  refuse(error: ErrorData): void {
    for (const link of this.links) link.refusePublishes(REFUSED_FULL);
    this.runs.refuse(error);
    this.keepEphemeral();
  }

  /**
   * The log has stored the batch; a shared log may have refused some of it, or all of it but repeats. Stored events of a
   * shared log are delivered from the log's tail, not from here.
   */
  settle(committed: CommittedBatch): void {
    const { sequences } = this;
    const runs = this.runs;
    if (committed.refusal !== undefined) {
      for (const link of this.links) link.refusePublishes(REFUSED_FULL);
    }
    runs.settle(committed);
    this.appended -= runs.repeats + runs.refused;
    this.conflicts += runs.refused;
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
    this.runs.acknowledgeEphemeral();
  }

  /** Forgets the events, once they are delivered. */
  override clearDeliveries(): void {
    super.clearDeliveries();
    this.#intake.forgetBatch();
  }

  acknowledge(): void {
    this.runs.acknowledge();
  }
}
