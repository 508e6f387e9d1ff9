/**
 * Takes over a link that a dead thread served. Publishes that the dead thread had committed are acknowledged again, one
 * by one, and passed over; the endpoint skips the acks that it has seen. A batch that the dead thread had begun to
 * refuse is refused. Only after both are the other publishes taken, which are still in the ring, as if for the first
 * time. A shared log does not keep how far each ring was committed: there, all publishes that the dead thread had read
 * are taken again, and the log finds by their ids those that it has stored.
 */
import {
  ACK_DUPLICATE,
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
  REPEATS_WAITING,
  TermsView,
  WAITS,
} from '../link/publish-records.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../record/event-record.js';
import type { RingPosition, RingPositions, ShardLog } from '../store/shard-log.js';
import { storedId } from './publish-judge.js';
import {
  NOT_REFUSED,
  REFUSED_OVERDUE,
  refusalAfterRestart,
  unknownAfterRestart,
} from './refusals.js';
import type { Recovery, ShardEnd } from './shard-end.js';
import { refusalOfVerdict } from './verdicts.js';

export class LinkRecovery implements Recovery {
  readonly #link: ShardEnd;
  readonly #log: ShardLog;
  readonly #positions: RingPositions | undefined;
  readonly #until: number;
  /** From here to `#until` the dead thread refused what it had read, for this reason. */
  readonly #refusedFrom: number;
  readonly #refusal: number;
  readonly #view = new EventRecordView();
  readonly #stored = new EventRecordView();
  /** The sequence of the next record that the dead thread had stored. */
  #expected: number;
  readonly #terms = new TermsView();
  readonly #group = new GroupView();
  #kind = 0;
  #sequence = 0;
  #count = 1;
  /** Why the dead thread refused the record, if it judged it so. */
  #verdict: ErrorData | undefined;

  constructor(link: ShardEnd, log: ShardLog, stored: RingPosition | undefined) {
    this.#link = link;
    this.#log = log;
    this.#positions = log.ringPositions;
    const ring = link.publishRing;
    // Nothing is read yet: the ring stands where the dead thread released it last. That may be far behind the position
    // that the log stored last.
    const ahead = stored === undefined ? 0 : stored.position - ring.totalPosition;
    this.#refusedFrom = (ring.position + Math.max(0, ahead)) | 0;
    this.#refusal = ring.refusal;
    const isRefused = this.#refusal !== NOT_REFUSED;
    this.#until = isRefused ? furthest(this.#refusedFrom, ring.refusedUntil) : this.#refusedFrom;
    this.#expected = stored?.firstSequence ?? 0;
    link.skipEphemeralUntil = ring.mark;
    link.acksSinglyUntil = ring.mark;
    if (this.#positions === undefined) link.takesAgainUntil = ring.mark;
  }

  /** Goes as far as it can; false while the endpoint has still to send a large record's buffer again. */
  step(): boolean {
    const link = this.#link;
    const ring = link.publishRing;
    while (((this.#until - ring.position) | 0) > 0) {
      if (link.publishes.read(this.#classify, 1) === 0) return false;
      const { position } = ring;
      link.ack({
        kind: this.#kind,
        count: this.#count,
        position,
        sequence: this.#sequence,
        error: this.#kind === ACK_REFUSED ? (this.#verdict ?? this.#error) : undefined,
      });
    }
    link.releasePublishes();
    return true;
  }

  readonly #classify = (type: number, bytes: Buffer, offset: number, length: number): void => {
    this.#sequence = 0;
    this.#count = 1;
    this.#verdict = undefined;
    const isRefused = ((this.#link.publishRing.position - this.#refusedFrom) | 0) >= 0;
    if (type === GROUP) this.#classifyGroup(this.#group.wrap(bytes, offset, length), isRefused);
    else this.#classifyOne(type, bytes, offset, isRefused);
  };

  #classifyOne(type: number, bytes: Buffer, offset: number, isRefused: boolean): void {
    const terms = type === PUBLISH ? undefined : this.#terms.wrap(bytes, offset);
    const view = this.#view.wrap(bytes, terms === undefined ? offset : terms.eventOffset);
    const { flags } = view;
    if (terms !== undefined && this.#isOfWaiting(terms.verdict)) {
      if (isRefused) this.#kind = ACK_REFUSED;
      else this.#classifyWaiting(terms, flags);
      return;
    }
    if (terms !== undefined && this.#isJudged(terms.verdict, terms, isRefused)) return;
    if (isRefused) {
      this.#classifyRefused(view, flags);
      return;
    }
    this.#kind = ACK_EPHEMERAL;
    if ((flags & EVENT_FLAG_PERSIST) === 0) return;
    this.#classifyStored(view);
  }

  /** A group has one fate. What is said of its first event goes for all. */
  #classifyGroup(group: GroupView, isRefused: boolean): void {
    const { bytes, items, verdict, index } = group;
    this.#count = items.length;
    if (this.#isOfWaiting(verdict) && !isRefused) {
      const terms = this.#terms.wrap(bytes, items[0]!);
      this.#classifyWaiting(terms, this.#view.wrap(bytes, terms.eventOffset).flags);
      return;
    }
    if (this.#isOfWaiting(verdict)) {
      this.#kind = ACK_REFUSED;
      return;
    }
    const judged = this.#terms.wrap(bytes, items[verdict === ACCEPTED ? 0 : index]!);
    if (this.#isJudged(verdict, judged, isRefused, index)) return;
    const view = this.#view.wrap(bytes, this.#terms.wrap(bytes, items[0]!).eventOffset);
    if (isRefused && verdict !== ACCEPTED) this.#kind = ACK_REFUSED;
    else if (isRefused) this.#classifyRefused(view, view.flags);
    else this.#classifyStored(view);
  }

  #isOfWaiting(verdict: number): boolean {
    return verdict === WAITS || verdict === REPEATS_WAITING;
  }

  /** Of a record that lies before the stored position: it waits, or repeats one that waited then. */
  #classifyWaiting({ verdict, found }: TermsView, flags: number): void {
    const isSynced = (flags & EVENT_FLAG_SYNCED) !== 0;
    if (verdict === WAITS) this.#kind = isSynced ? ACK_WAITING : ACK_WAITING_WRITTEN;
    else this.#kind = isSynced ? ACK_WAITING_DUPLICATE : ACK_WAITING_DUPLICATE_WRITTEN;
    this.#sequence = found;
  }

  /**
   * True if the dead thread refused the record by its terms. A refusal because of an event of a batch that was itself
   * refused does not count.
   */
  #isJudged(verdict: number, terms: TermsView, isRefused: boolean, index?: number): boolean {
    if (verdict === ACCEPTED || (isRefused && this.#refusal === REFUSED_OVERDUE)) return false;
    const { found, expected = 0 } = terms;
    if (isRefused && found > this.#log.head) return false;
    const event = this.#view.wrap(terms.bytes, terms.eventOffset);
    const id = storedId(this.#log, found);
    this.#kind = ACK_REFUSED;
    this.#verdict = refusalOfVerdict(verdict, { event, expected, found, id, index });
    return true;
  }

  /** Of a record that lies before the stored position: its event was stored, or repeats a stored one. */
  #classifyStored(view: EventRecordView): void {
    const { flags } = view;
    if ((flags & EVENT_FLAG_SUPPLIED_ID) !== 0 && !this.#isStoredNext(view)) {
      this.#kind = ACK_DUPLICATE;
      this.#sequence = this.#find(view.bytes, view.offset);
      if (this.#sequence === 0) this.#classifyPlainRepeat(view);
      return;
    }
    this.#kind = (flags & EVENT_FLAG_SYNCED) === 0 ? ACK_WRITTEN : ACK_SYNCED;
    this.#sequence = this.#expected;
    this.#expected += this.#count;
  }

  /** A publish without terms may repeat one that waited then, and still may. */
  #classifyPlainRepeat(view: EventRecordView): void {
    const dueAt = this.#log.scheduled?.find(view.bytes, view.offset);
    if (dueAt === undefined) return;
    const isSynced = (view.flags & EVENT_FLAG_SYNCED) !== 0;
    this.#kind = isSynced ? ACK_WAITING_DUPLICATE : ACK_WAITING_DUPLICATE_WRITTEN;
    this.#sequence = dueAt;
  }

  get #error(): ErrorData {
    const isUnknown = this.#positions === undefined && this.#refusal !== REFUSED_OVERDUE;
    return isUnknown ? unknownAfterRestart(this.#refusal) : refusalAfterRestart(this.#refusal);
  }

  /**
   * A batch that was refused because the log was full: its ephemeral publishes and its repeats of stored events were
   * not refused, and all stored events are flushed by now. A batch that was refused because of a `block` subscription:
   * all of it was refused, and it held no repeats.
   */
  #classifyRefused(view: EventRecordView, flags: number): void {
    this.#kind = ACK_REFUSED;
    if (this.#refusal === REFUSED_OVERDUE) return;
    if ((flags & EVENT_FLAG_PERSIST) === 0) {
      this.#kind = ACK_EPHEMERAL;
      return;
    }
    const isSupplied = (flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
    this.#sequence = isSupplied ? this.#find(view.bytes, view.offset) : 0;
    if (this.#sequence !== 0) this.#kind = ACK_DUPLICATE;
  }

  /** True if the log's next row stores this record; false if the record repeats an older one. */
  #isStoredNext(view: EventRecordView): boolean {
    if (this.#expected === 0) return false;
    // A publish that repeats a waiting one is stored nowhere.
    if (this.#positions !== undefined && this.#expected > this.#log.head) return false;
    const stored = this.#storedAt(this.#expected);
    if (stored !== undefined) return isSamePublish(stored, view);
    const first = this.#find(view.bytes, view.offset);
    return first === 0 || first === this.#expected;
  }

  /** The sequence that the record repeats, as the dead thread saw it where the log can tell; 0 if none. */
  #find(bytes: Buffer, offset: number): number {
    return this.#positions === undefined
      ? this.#log.findDuplicate(bytes, offset)
      : this.#positions.findAtLastCommit(bytes, offset);
  }

  /** The record of a row; undefined if it is pruned or damaged. */
  #storedAt(sequence: number): EventRecordView | undefined {
    let stored: EventRecordView | undefined;
    try {
      this.#log.read({ after: sequence - 1, until: sequence, limit: 1 }, ({ bytes, offset }) => {
        stored = this.#stored.wrap(bytes, offset);
        return false;
      });
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
    }
    return stored;
  }
}

/** The same rule as in `ShardLog.findDuplicate`. */
function isSamePublish(a: EventRecordView, b: EventRecordView): boolean {
  if (a.id !== b.id || a.topic !== b.topic) return false;
  const isOfSource = (a.flags & EVENT_FLAG_ID_OF_SOURCE) !== 0;
  if (isOfSource !== ((b.flags & EVENT_FLAG_ID_OF_SOURCE) !== 0)) return false;
  return !isOfSource || a.source === b.source;
}

/** The later of two positions in a ring, which wrap at 32 bits. */
function furthest(one: number, other: number): number {
  return ((other - one) | 0) > 0 ? other : one;
}
