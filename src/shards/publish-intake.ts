/**
 * Takes publishes from the links' rings into a batch: each is refused, recognised as a repeat, kept for later, or
 * appended to the log. Only the shard's loop touches this.
 */
import { PUBLISH } from '../link/link-records.js';
import { ACCEPTED, GROUP, GroupView, LEASE_ENDED, TermsView } from '../link/publish-records.js';
import { COMMIT_BATCH_BYTES } from '../protocol/limits/shards.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SUPPLIED_TIMESTAMP,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../record/event-record.js';
import { NameCache, recordNames } from '../record/name-cache.js';
import type { AppendTerms, ShardLog } from '../store/shard-log.js';
import type { BatchContents } from './batch-contents.js';
import { stampExpiry } from './expiry-stamp.js';
import type { GroupSettling } from './group-settling.js';
import { LaterPublishes } from './later/later-publishes.js';
import { WaitingPublishes } from './later/waiting-publishes.js';
import { LinkAcks } from './link-acks.js';
import { OverdueRule, type Refusing } from './overdue-rule.js';
import { NEW_GROUP, PublishJudge, REFUSED_GROUP, WAITING_GROUP } from './publish-judge.js';
import { RecordedTime } from './recorded-time.js';
import type { RecordingClock } from './recording-clock.js';
import { REFUSED_OVERDUE } from './refusals.js';
import type { ShardEnd } from './shard-end.js';
import { isTakenAgain, mayBeForgotten, noteTaken } from './taken-again.js';
import { LEASE_ENDED_ERROR } from './verdicts.js';

/** `$` */
const SYSTEM_TOPIC_CODE = 0x24;

export class PublishIntake {
  /** Set while the shard has durable consumers; without it every lease has ended. */
  settling: GroupSettling | undefined;

  readonly #batch: BatchContents;
  readonly #log: ShardLog;
  readonly #later: LaterPublishes;
  readonly #waiting: WaitingPublishes;
  readonly #judge: PublishJudge;
  readonly #overdue: OverdueRule;
  readonly #acks: LinkAcks;
  readonly #time: RecordedTime;
  readonly #clock: RecordingClock;
  readonly #view = new EventRecordView();
  readonly #terms = new TermsView();
  readonly #group = new GroupView();
  readonly #names = new NameCache(recordNames);
  #link!: ShardEnd;
  #limit = 0;

  constructor(batch: BatchContents, log: ShardLog, clock: RecordingClock) {
    this.#batch = batch;
    this.#log = log;
    this.#acks = new LinkAcks(batch, log);
    this.#time = new RecordedTime(log, clock);
    this.#clock = clock;
    this.#later = new LaterPublishes(log, clock);
    this.#waiting = new WaitingPublishes(this.#later, this.#acks);
    this.#judge = new PublishJudge(log, batch, this.#later);
    this.#overdue = new OverdueRule(log, this.#names);
  }

  /** Takes up to `limit` publishes from the links, round robin from `first` on. */
  drain(
    links: readonly ShardEnd[],
    first: number,
    limit: number,
    refusing: Refusing | undefined,
  ): void {
    const batch = this.#batch;
    this.#overdue.refusing = refusing;
    this.#limit = limit;
    this.#time.beginBatch();
    batch.runs.firstNew = this.#log.head + 1;
    for (let i = 0; i < links.length && batch.handled < limit; i++) {
      const link = links[(first + i) % links.length]!;
      if (!link.mayPublish || link.publishRing.isEmpty()) continue;
      this.#drainLink(link, limit - batch.handled);
    }
  }

  /** The batch is released, or its events were taken out of it. */
  forgetBatch(): void {
    this.#judge.forgetBatch();
  }

  #drainLink(link: ShardEnd, limit: number): void {
    const { runs, links } = this.#batch;
    this.#link = link;
    this.#acks.begin(link);
    this.#overdue.beginLink();
    this.#time.beginLink();
    const ring = link.publishRing;
    if (link.publishes.read(this.#onPublish, limit, link.gate.until) === 0) return;
    links.push(link);
    runs.end(link);
    if (this.#log.isShared) noteTaken(link);
    // At most once: a successor of this thread never delivers ephemeral events before the mark. Of what a dead thread had
    // read this one may have taken a part alone, so the mark never goes back.
    if (((ring.position - ring.mark) | 0) > 0) ring.mark = ring.position;
    // Nothing of this link was appended, so this thread, or a successor, refuses everything up to the mark.
    if (this.#overdue.refusal !== undefined) link.refusePublishes(REFUSED_OVERDUE);
    const { skipEphemeralUntil } = link;
    if (skipEphemeralUntil !== undefined && ((ring.position - skipEphemeralUntil) | 0) >= 0) {
      link.skipEphemeralUntil = undefined;
    }
    this.#acks.end();
  }

  readonly #onPublish = (
    type: number,
    bytes: Buffer,
    offset: number,
    length: number,
  ): boolean | undefined => {
    const batch = this.#batch;
    if (batch.byteCount > 0 && batch.byteCount + length > COMMIT_BATCH_BYTES) return false;
    // A group may have filled the batch, which the ring counts as one record.
    if (batch.handled >= this.#limit) return false;
    if (type === GROUP) return this.#onGroup(this.#group.wrap(bytes, offset, length), length);
    const terms = type === PUBLISH ? undefined : this.#terms.wrap(bytes, offset);
    const view = this.#view.wrap(bytes, terms === undefined ? offset : terms.eventOffset);
    const { flags } = view;
    const isEphemeral = (flags & EVENT_FLAG_PERSIST) === 0;
    if (isEphemeral && this.#acks.hasPersisted && this.#log.isShared) return false;
    const overdue = this.#overdue;
    if (overdue.refusing !== undefined && !overdue.takes(view)) return false;
    batch.byteCount += length;
    batch.handled++;
    if (overdue.refusal !== undefined) {
      this.#acks.overdue(overdue.refusal, 1);
      return undefined;
    }
    const recordedAt = this.#time.of(this.#link);
    if ((flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) === 0) view.timestamp = recordedAt;
    if (isEphemeral) this.#takeEphemeral(view);
    else this.#takePersisted(view, flags, terms, recordedAt);
    return undefined;
  };

  /** Takes a group whole, or leaves it for the next batch. One that no batch has room for gets a batch of its own. */
  #onGroup(group: GroupView, length: number): boolean | undefined {
    const batch = this.#batch;
    const { count } = group;
    if (batch.handled > 0 && batch.handled + count > this.#limit) return false;
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
    batch.byteCount += length;
    batch.handled += count;
    if (refusal !== undefined) this.#acks.overdue(refusal, count);
    else this.#takeGroup(group, first, settled === 'ended');
    return undefined;
  }

  /** Takes a group as it was judged: `first` is what `PublishJudge.ofGroup` returned. */
  #takeGroup(group: GroupView, first: number, hasEnded: boolean): void {
    const acks = this.#acks;
    const { count } = group;
    // Ephemeral events behind it wait for the next batch, as they are acknowledged before the others of theirs.
    acks.hasPersisted = true;
    const recordedAt = this.#time.of(this.#link);
    if (first === REFUSED_GROUP) acks.refused(this.#judge.found, this.#judge.error!, count);
    else if (first === WAITING_GROUP)
      acks.waitingDuplicate(this.#judge.found, this.#isSynced(group), count);
    else if (first > NEW_GROUP) acks.duplicate(first, this.#isSynced(group), count);
    else if (hasEnded) {
      group.judge(LEASE_ENDED);
      acks.refused(0, LEASE_ENDED_ERROR, count);
    } else this.#takeNewGroup(group, recordedAt);
  }

  #takeNewGroup(group: GroupView, recordedAt: number): void {
    const { bytes, items } = group;
    const dueAt = this.#later.dueOf(this.#terms.wrap(bytes, items[0]!));
    if (dueAt !== undefined) {
      this.#waiting.takeGroup(group, dueAt, recordedAt);
      return;
    }
    const isAgain = isTakenAgain(this.#link);
    if (isAgain && mayBeForgotten(this.#link, this.#log.dedupeReachMs)) {
      this.#acks.unknown(items.length);
      return;
    }
    const number = this.#batch.appended;
    let first = -1;
    for (const item of items) {
      const terms = this.#terms.wrap(bytes, item);
      const view = this.#view.wrap(bytes, terms.eventOffset);
      if ((view.flags & EVENT_FLAG_SUPPLIED_TIMESTAMP) === 0) view.timestamp = recordedAt;
      const index = this.#store(view, recordedAt, this.#termsOf(terms, number), isAgain);
      if (first < 0) first = index;
    }
    const isOwnRepeat = isAgain && !this.#hasSuppliedId(group);
    this.#acks.appended(first, this.#isSynced(group), isOwnRepeat, items.length);
  }

  /** What the store of a shared log has to judge; undefined if it is nothing. */
  #termsOf({ expected }: TermsView, group?: number): AppendTerms | undefined {
    if (this.#log.judges === undefined) return undefined;
    return expected === undefined && group === undefined ? undefined : { expected, group };
  }

  #hasSuppliedId({ bytes, items }: GroupView): boolean {
    const { eventOffset } = this.#terms.wrap(bytes, items[0]!);
    return (this.#view.wrap(bytes, eventOffset).flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
  }

  #isSynced({ bytes, items }: GroupView): boolean {
    const { eventOffset } = this.#terms.wrap(bytes, items[0]!);
    return (this.#view.wrap(bytes, eventOffset).flags & EVENT_FLAG_SYNCED) !== 0;
  }

  #takeEphemeral(view: EventRecordView): void {
    const link = this.#link;
    this.#acks.ephemeral();
    const { topic } = this.#names.of(view.bytes, view.offset);
    // The bus's own events do not count as publishes.
    if (topic.charCodeAt(0) !== SYSTEM_TOPIC_CODE) this.#batch.ephemeral++;
    const { skipEphemeralUntil } = link;
    if (skipEphemeralUntil !== undefined) {
      if (((link.publishRing.position - skipEphemeralUntil) | 0) < 0) return;
      link.skipEphemeralUntil = undefined;
    }
    stampExpiry(view, this.#clock);
    this.#batch.push(view, topic, 0);
  }

  #takePersisted(
    view: EventRecordView,
    flags: number,
    terms: TermsView | undefined,
    recordedAt: number,
  ): void {
    this.#acks.hasPersisted = true;
    terms?.judge(ACCEPTED, 0);
    if ((flags & EVENT_FLAG_SUPPLIED_ID) !== 0) {
      const first = this.#log.findDuplicate(view.bytes, view.offset);
      if (first !== 0) {
        this.#acks.duplicate(first, (flags & EVENT_FLAG_SYNCED) !== 0, 1);
        return;
      }
      if (this.#waiting.takeRepeat(view, terms)) return;
    }
    const isAgain = isTakenAgain(this.#link);
    if (isAgain && mayBeForgotten(this.#link, this.#log.dedupeReachMs)) {
      this.#acks.unknown(1);
      return;
    }
    if (terms !== undefined && !this.#judge.accepts(view, terms)) {
      this.#acks.refused(this.#judge.found, this.#judge.error!, 1);
      return;
    }
    const dueAt = terms === undefined ? undefined : this.#later.dueOf(terms);
    if (dueAt !== undefined) {
      this.#waiting.take(view, terms!, dueAt, recordedAt);
      return;
    }
    const judged = terms === undefined ? undefined : this.#termsOf(terms);
    const index = this.#store(view, recordedAt, judged, isAgain);
    const isOwnRepeat = isAgain && (flags & EVENT_FLAG_SUPPLIED_ID) === 0;
    this.#acks.appended(index, (flags & EVENT_FLAG_SYNCED) !== 0, isOwnRepeat, 1);
  }

  /** Appends an event. @returns its index among those that the batch appends */
  #store(
    view: EventRecordView,
    recordedAt: number,
    terms: AppendTerms | undefined,
    isAgain: boolean,
  ): number {
    this.#acks.hasPersisted = true;
    const log = this.#log;
    stampExpiry(view, this.#clock);
    const index = log.append(view.bytes, view.offset, recordedAt, terms, isAgain);
    if (!log.isShared) this.#batch.push(view, log.appendedTopic, index + 1);
    return index;
  }
}
