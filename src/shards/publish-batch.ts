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
  ACK_WAITING,
  ACK_WAITING_DUPLICATE,
  ACK_WAITING_DUPLICATE_WRITTEN,
  ACK_WAITING_WRITTEN,
  ACK_WRITTEN,
  PUBLISH,
} from '../link/link-records.js';
import {
  ACCEPTED,
  GROUP,
  GroupView,
  LEASE_ENDED,
  REPEATS_WAITING,
  TermsView,
  TOO_MANY_WAITING,
  WAITS,
} from '../link/publish-records.js';
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
import { BatchEvents } from './batch-events.js';
import type { GroupSettling } from './group-settling.js';
import { LaterPublishes } from './later/later-publishes.js';
import { OverdueRule, type Refusing } from './overdue-rule.js';
import { NEW_GROUP, PublishJudge, REFUSED_GROUP, WAITING_GROUP } from './publish-judge.js';
import { RecordingClock } from './recording-clock.js';
import { REFUSED_FULL, REFUSED_OVERDUE, UNKNOWN_FOR_TOO_LONG } from './refusals.js';
import type { ShardEnd } from './shard-end.js';
import { LEASE_ENDED_ERROR } from './verdicts.js';

/** `$` */
const SYSTEM_TOPIC_CODE = 0x24;

export class PublishBatch extends BatchEvents {
  /** An event, or a repeat of a stored one, asked to survive power loss and is not flushed yet. */
  synced = false;
  /** Events appended to the log. */
  appended = 0;
  ephemeral = 0;
  duplicates = 0;
  /** Publishes that were refused because they would have waited for a `block` subscription longer than they may. */
  overdue = 0;
  /** Publishes that were refused by their terms. */
  conflicts = 0;
  /** Set while the shard has durable consumers; without it every lease has ended. */
  settling: GroupSettling | undefined;

  readonly #log: ShardLog;
  readonly #clock: RecordingClock;
  readonly #later: LaterPublishes;
  readonly #judge: PublishJudge;
  readonly #overdue: OverdueRule;
  readonly #view = new EventRecordView();
  readonly #terms = new TermsView();
  readonly #group = new GroupView();
  readonly #names = new NameCache(recordNames);
  readonly #runs: AckRuns;
  readonly #positions: RingPosition[] = [];
  readonly #links: ShardEnd[] = [];
  #link!: ShardEnd;
  #firstSequence = 0;
  /** The batch holds a persisted publish of this link, or a repeat of one. */
  #hasPersisted = false;
  /** The batch holds a publish of this link that was refused by its terms, or that waits: its ring position is stored. */
  #hasJudged = false;
  #limit = 0;
  #handled = 0;
  #byteCount = 0;
  #recordedAt = 0;
  /** The producer's position in the link's ring when the clock was last read. */
  #timedPosition: number | undefined;

  constructor(log: ShardLog, clock = new RecordingClock(log.lastRecordedAt)) {
    super();
    this.#log = log;
    this.#clock = clock;
    this.#runs = new AckRuns(log.isShared);
    this.#later = new LaterPublishes(log, clock);
    this.#judge = new PublishJudge(log, this, this.#later);
    this.#overdue = new OverdueRule(log, this.#names);
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
    this.#overdue.refusing = refusing;
    this.#limit = limit;
    this.#recordedAt = this.#log.lastRecordedAt;
    this.#clock.now();
    this.#runs.firstNew = this.#log.head + 1;
    for (let i = 0; i < links.length && this.#handled < limit; i++) {
      const link = links[(first + i) % links.length]!;
      if (!link.mayPublish || link.publishRing.isEmpty()) continue;
      this.#drainLink(link, limit - this.#handled);
    }
  }

  /** True if the log has something of this batch to store. */
  get isToStore(): boolean {
    return this.synced || this.appended > 0 || this.#positions.length > 0;
  }

  /** Appends an event that is on no ring, as its time has come. Its bytes stay as they are until the release. */
  takeDue(bytes: Buffer): void {
    const view = this.#view.wrap(bytes, 0);
    const { flags } = view;
    this.#recordedAt = Math.max(this.#clock.nowForNext(), this.#log.lastRecordedAt);
    if ((flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) === 0) view.timestamp = this.#recordedAt;
    const index = this.#log.append(bytes, 0, this.#recordedAt);
    if ((flags & EVENT_FLAG_SYNCED) !== 0) this.synced = true;
    this.appended++;
    this.#handled++;
    this.push(view, this.#log.appendedTopic, index + 1);
  }

  /** Counts work that stores no event, so that the batch is committed and finished as every other. */
  noteDone(): void {
    this.#handled++;
    this.synced = true;
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
    this.keepEphemeral();
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

  /** Forgets the events, once they are delivered. */
  override clearDeliveries(): void {
    super.clearDeliveries();
    this.#judge.forgetBatch();
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
    this.conflicts = 0;
    this.synced = false;
    this.#handled = 0;
    this.#byteCount = 0;
  }

  #drainLink(link: ShardEnd, limit: number): void {
    this.#link = link;
    this.#firstSequence = 0;
    this.#hasPersisted = false;
    this.#hasJudged = false;
    this.#overdue.beginLink();
    this.#timedPosition = undefined;
    const ring = link.publishRing;
    if (link.publishes.read(this.#onPublish, limit, link.gate.until) === 0) return;
    this.#links.push(link);
    this.#runs.end(link);
    if (this.#log.isShared) this.#noteTaken(link);
    // At most once: a successor of this thread never delivers ephemeral events before the mark.
    ring.mark = ring.position;
    // Nothing of this link was appended, so this thread, or a successor, refuses everything up to the mark.
    if (this.#overdue.refusal !== undefined) link.refusePublishes(REFUSED_OVERDUE);
    const { skipEphemeralUntil } = link;
    if (skipEphemeralUntil !== undefined && ((ring.position - skipEphemeralUntil) | 0) >= 0) {
      link.skipEphemeralUntil = undefined;
    }
    if (this.#firstSequence === 0 && !this.#hasJudged) return;
    this.#positions.push({
      endpoint: link.endpoint,
      position: ring.totalPosition,
      firstSequence: this.#firstSequence,
      settled: 0,
    });
  }

  readonly #onPublish = (
    type: number,
    bytes: Buffer,
    offset: number,
    length: number,
  ): boolean | undefined => {
    if (this.#byteCount > 0 && this.#byteCount + length > COMMIT_BATCH_BYTES) return false;
    // A group may have filled the batch, which the ring counts as one record.
    if (this.#handled >= this.#limit) return false;
    if (type === GROUP) return this.#onGroup(this.#group.wrap(bytes, offset, length), length);
    const terms = type === PUBLISH ? undefined : this.#terms.wrap(bytes, offset);
    const view = this.#view.wrap(bytes, terms === undefined ? offset : terms.eventOffset);
    const { flags } = view;
    const isEphemeral = (flags & EVENT_FLAG_PERSIST) === 0;
    if (isEphemeral && this.#hasPersisted && this.#log.isShared) return false;
    const overdue = this.#overdue;
    if (overdue.refusing !== undefined && !overdue.takes(view)) return false;
    this.#byteCount += length;
    this.#handled++;
    if (overdue.refusal !== undefined) {
      this.overdue++;
      this.#runs.add(this.#link, ACK_REFUSED, 0, false, overdue.refusal);
      return undefined;
    }
    this.#readClock();
    if ((flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) === 0) view.timestamp = this.#recordedAt;
    if (isEphemeral) this.#takeEphemeral(view);
    else this.#takePersisted(view, flags, terms);
    return undefined;
  };

  /** Takes a group whole, or leaves it for the next batch. One that no batch has room for gets a batch of its own. */
  #onGroup(group: GroupView, length: number): boolean | undefined {
    const { count } = group;
    if (this.#handled > 0 && this.#handled + count > this.#limit) return false;
    const overdue = this.#overdue;
    if (overdue.refusing !== undefined && !overdue.takesGroup(group)) return false;
    const { refusal } = overdue;
    const first = refusal === undefined ? this.#judge.ofGroup(group) : REFUSED_GROUP;
    const isLive = first !== REFUSED_GROUP && group.member !== 0;
    const settled = isLive
      ? (this.settling?.settleWithGroup(this.#link, group, first !== NEW_GROUP) ?? 'ended')
      : 'done';
    if (settled === 'later') {
      this.#link.isHeld = true;
      return false;
    }
    this.#byteCount += length;
    this.#handled += count;
    if (refusal !== undefined) {
      this.overdue += count;
      this.#runs.add(this.#link, ACK_REFUSED, 0, false, refusal, count);
      return undefined;
    }
    this.#readClock();
    if (first === REFUSED_GROUP) this.#refuseJudged(this.#judge.found, this.#judge.error!, count);
    else if (first === WAITING_GROUP)
      this.#takeWaitingRepeat(this.#judge.found, this.#isSynced(group), count);
    else if (first > NEW_GROUP) this.#takeDuplicate(first, this.#isSynced(group), count);
    else if (settled === 'ended') {
      group.judge(LEASE_ENDED);
      this.#refuseJudged(0, LEASE_ENDED_ERROR, count);
    } else this.#takeGroup(group);
    return undefined;
  }

  #takeGroup(group: GroupView): void {
    const { bytes, items } = group;
    const dueAt = this.#later.dueOf(this.#terms.wrap(bytes, items[0]!));
    if (dueAt !== undefined) {
      this.#takeWaitingGroup(group, dueAt);
      return;
    }
    for (const item of items) {
      const view = this.#view.wrap(bytes, this.#terms.wrap(bytes, item).eventOffset);
      const { flags } = view;
      if ((flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) === 0) view.timestamp = this.#recordedAt;
      this.#append(view, flags, false);
    }
  }

  #takeWaitingGroup(group: GroupView, dueAt: number): void {
    const { bytes, items } = group;
    group.judge(WAITS);
    this.#terms.wrap(bytes, items[0]!).judge(WAITS, dueAt);
    for (const item of items) {
      const view = this.#view.wrap(bytes, this.#terms.wrap(bytes, item).eventOffset);
      this.#later.put(view, dueAt, this.#recordedAt);
    }
    this.#ackWaiting(dueAt, this.#isSynced(group), items.length);
  }

  #ackWaiting(dueAt: number, synced: boolean, count: number): void {
    this.#hasJudged = true;
    if (synced) this.synced = true;
    const kind = synced ? ACK_WAITING : ACK_WAITING_WRITTEN;
    this.#runs.add(this.#link, kind, dueAt, false, undefined, count);
  }

  #takeWaitingRepeat(dueAt: number, synced: boolean, count: number): void {
    this.#hasJudged = true;
    this.duplicates += count;
    if (synced) this.synced = true;
    const kind = synced ? ACK_WAITING_DUPLICATE : ACK_WAITING_DUPLICATE_WRITTEN;
    this.#runs.add(this.#link, kind, dueAt, false, undefined, count);
  }

  #isSynced({ bytes, items }: GroupView): boolean {
    const { eventOffset } = this.#terms.wrap(bytes, items[0]!);
    return (this.#view.wrap(bytes, eventOffset).flags & EVENT_FLAG_SYNCED) !== 0;
  }

  /**
   * Reads the clock again when the ring has grown: an event that is published while others are taken must not be recorded
   * earlier than it was published.
   */
  #readClock(): void {
    const { seenPosition } = this.#link.publishRing;
    if (seenPosition === this.#timedPosition) return;
    this.#timedPosition = seenPosition;
    this.#recordedAt = Math.max(this.#clock.nowForNext(), this.#recordedAt);
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
    this.push(view, topic, 0);
  }

  #takePersisted(view: EventRecordView, flags: number, terms: TermsView | undefined): void {
    this.#hasPersisted = true;
    terms?.judge(ACCEPTED, 0);
    if ((flags & EVENT_FLAG_SUPPLIED_ID) !== 0) {
      const first = this.#log.findDuplicate(view.bytes, view.offset);
      if (first !== 0) {
        this.#takeDuplicate(first, (flags & EVENT_FLAG_SYNCED) !== 0, 1);
        return;
      }
      const waitsUntil = this.#later.repeated(view.bytes, view.offset);
      if (waitsUntil !== undefined) {
        terms?.judge(REPEATS_WAITING, waitsUntil);
        this.#takeWaitingRepeat(waitsUntil, (flags & EVENT_FLAG_SYNCED) !== 0, 1);
        return;
      }
    }
    const isAgain = this.#link.takesAgainUntil !== undefined && this.#isTakenAgain();
    if (isAgain && this.#mayBeForgotten) {
      this.#runs.add(this.#link, ACK_REFUSED, 0, false, UNKNOWN_FOR_TOO_LONG);
      return;
    }
    if (terms !== undefined && !this.#judge.accepts(view, terms)) {
      this.#refuseJudged(this.#judge.found, this.#judge.error!, 1);
      return;
    }
    const dueAt = terms === undefined ? undefined : this.#later.dueOf(terms);
    if (dueAt === undefined) this.#append(view, flags, isAgain);
    else this.#takeWaiting(view, terms!, dueAt);
  }

  #takeWaiting(view: EventRecordView, terms: TermsView, dueAt: number): void {
    const fault = this.#later.faultOf(1);
    if (fault !== undefined) {
      terms.judge(TOO_MANY_WAITING, 0);
      this.#refuseJudged(0, fault, 1);
      return;
    }
    terms.judge(WAITS, dueAt);
    this.#later.put(view, dueAt, this.#recordedAt);
    this.#ackWaiting(dueAt, (view.flags & EVENT_FLAG_SYNCED) !== 0, 1);
  }

  #append(view: EventRecordView, flags: number, isAgain: boolean): void {
    this.#hasPersisted = true;
    const index = this.#log.append(view.bytes, view.offset, this.#recordedAt);
    const synced = (flags & EVENT_FLAG_SYNCED) !== 0;
    if (synced) this.synced = true;
    if (this.#firstSequence === 0) this.#firstSequence = this.#runs.firstNew + index;
    this.appended++;
    const isOwnRepeat = isAgain && (flags & EVENT_FLAG_SUPPLIED_ID) === 0;
    this.#runs.add(this.#link, synced ? ACK_SYNCED : ACK_WRITTEN, index, isOwnRepeat);
    if (!this.#log.isShared) this.push(view, this.#log.appendedTopic, index + 1);
  }

  /** Refuses a publish or a group by its terms; `found` is the sequence that this rests on. */
  #refuseJudged(found: number, error: ErrorData, count: number): void {
    this.#hasJudged = true;
    this.conflicts += count;
    this.#runs.add(this.#link, ACK_REFUSED, found, false, error, count);
  }

  /** A repeat may ask for a flush that the first publish did not ask for: the commit then flushes. */
  #takeDuplicate(first: number, synced: boolean, count: number): void {
    const last = first + count - 1;
    this.duplicates += count;
    this.#runs.reach(last);
    const isFlushed = last <= this.#log.syncedHead;
    if (synced && !isFlushed) this.synced = true;
    const kind = synced || isFlushed ? ACK_DUPLICATE : ACK_DUPLICATE_WRITTEN;
    this.#runs.add(this.#link, kind, first, false, undefined, count);
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
}
