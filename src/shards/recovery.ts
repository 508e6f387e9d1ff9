/**
 * Takes back a link that a dead thread served. What it had committed is acknowledged again, one by one, and passed over;
 * the endpoint skips the acks that it has seen. A batch that it had begun to refuse is refused. What it had read
 * otherwise and not committed is still in the ring, and is taken as if for the first time, but not before all that is
 * passed. Where the log does not keep how far each ring was committed, all that the dead thread had read is taken again, and
 * the log finds by their ids those that it has.
 */
import {
  ACK_DUPLICATE,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
  ACK_WRITTEN,
} from '../link/link-records.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../record/event-record.js';
import type { RingPosition, RingPositions, ShardLog } from '../store/shard-log.js';
import {
  NOT_REFUSED,
  REFUSED_FULL,
  REFUSED_OVERDUE,
  refusalAfterRestart,
  UNKNOWN_AFTER_RESTART,
} from './refusals.js';
import type { Recovery, ShardEnd } from './shard-end.js';

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
  #kind = 0;
  #sequence = 0;

  constructor(link: ShardEnd, log: ShardLog, stored: RingPosition | undefined) {
    this.#link = link;
    this.#log = log;
    this.#positions = log.ringPositions;
    const ring = link.publishRing;
    // Nothing is read yet: the ring stands where the dead thread had released up to. What it stored last may be long passed.
    const ahead = stored === undefined ? 0 : stored.position - ring.totalPosition;
    this.#refusedFrom = (ring.position + Math.max(0, ahead)) | 0;
    this.#refusal = ring.refusal;
    const isRefused = this.#refusal !== NOT_REFUSED;
    this.#until = isRefused ? furthest(this.#refusedFrom, ring.mark) : this.#refusedFrom;
    this.#expected = stored?.firstSequence ?? 0;
    link.skipEphemeralUntil = ring.mark;
    if (this.#positions === undefined) link.takesAgainUntil = ring.mark;
  }

  /** Goes as far as it can; false where a large record's buffer is still to be sent again by the endpoint. */
  step(): boolean {
    const link = this.#link;
    const ring = link.publishRing;
    while (((this.#until - ring.position) | 0) > 0) {
      if (link.publishes.read(this.#classify, 1) === 0) return false;
      const { position } = ring;
      link.ack({
        kind: this.#kind,
        count: 1,
        position,
        sequence: this.#sequence,
        error: this.#kind === ACK_REFUSED ? this.#error : undefined,
      });
    }
    link.releasePublishes();
    return true;
  }

  readonly #classify = (_type: number, bytes: Buffer, offset: number): void => {
    const view = this.#view.wrap(bytes, offset);
    const { flags } = view;
    this.#sequence = 0;
    if (((this.#link.publishRing.position - this.#refusedFrom) | 0) >= 0) {
      this.#classifyRefused(view, flags);
      return;
    }
    this.#kind = ACK_EPHEMERAL;
    if ((flags & EVENT_FLAG_PERSIST) === 0) return;
    if ((flags & EVENT_FLAG_SUPPLIED_ID) !== 0 && !this.#isStoredNext(view)) {
      this.#kind = ACK_DUPLICATE;
      this.#sequence = this.#find(bytes, offset);
      return;
    }
    this.#kind = (flags & EVENT_FLAG_SYNCED) === 0 ? ACK_WRITTEN : ACK_SYNCED;
    this.#sequence = this.#expected++;
  };

  get #error(): ErrorData {
    const isUnknown = this.#positions === undefined && this.#refusal === REFUSED_FULL;
    return isUnknown ? UNKNOWN_AFTER_RESTART : refusalAfterRestart(this.#refusal);
  }

  /**
   * For want of room, what is ephemeral was not refused, nor was a repeat of what was stored before; all that is stored is
   * flushed by now. For a subscription, everything was, and nothing of it was a repeat.
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

  /** Whether the row that comes next is the record's, or the record repeats an older one. */
  #isStoredNext(view: EventRecordView): boolean {
    const stored = this.#storedAt(this.#expected);
    if (stored !== undefined) return isSamePublish(stored, view);
    const first = this.#find(view.bytes, view.offset);
    return first === 0 || first === this.#expected;
  }

  /** What the dead thread found, where the log knows. */
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

/** What makes a repeat: see `ShardLog.findDuplicate`. */
function isSamePublish(a: EventRecordView, b: EventRecordView): boolean {
  if (a.id !== b.id || a.topic !== b.topic) return false;
  const isOfSource = (a.flags & EVENT_FLAG_ID_OF_SOURCE) !== 0;
  if (isOfSource !== ((b.flags & EVENT_FLAG_ID_OF_SOURCE) !== 0)) return false;
  return !isOfSource || a.source === b.source;
}

/** Of two positions in a ring. */
function furthest(one: number, other: number): number {
  return ((other - one) | 0) > 0 ? other : one;
}
