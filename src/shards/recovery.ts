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
    // Nothing is read yet: the ring stands where the dead thread released it last. That may be far behind the position
    // that the log stored last.
    const ahead = stored === undefined ? 0 : stored.position - ring.totalPosition;
    this.#refusedFrom = (ring.position + Math.max(0, ahead)) | 0;
    this.#refusal = ring.refusal;
    const isRefused = this.#refusal !== NOT_REFUSED;
    this.#until = isRefused ? furthest(this.#refusedFrom, ring.mark) : this.#refusedFrom;
    this.#expected = stored?.firstSequence ?? 0;
    link.skipEphemeralUntil = ring.mark;
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
