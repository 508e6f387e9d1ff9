/**
 * Publishes that are to become events later: whether one has to wait, whether one repeats another that waits, and its
 * row in the open batch. Only the shard's loop touches this.
 */
import type { TermsView } from '../../link/publish-records.js';
import type { ErrorData } from '../../protocol/errors.js';
import { WAITING_PUBLISHES_MAX } from '../../protocol/limits/schedules.js';
import type { EventRecordView } from '../../record/event-record.js';
import type { ShardScheduled } from '../../store/scheduled.js';
import type { ShardLog } from '../../store/shard-log.js';
import { NO_LATER_ERROR, TOO_MANY_WAITING_ERROR } from '../verdicts.js';

/** The clock by which publishes are due; see `RecordingClock.dueNow`. */
export interface DueClock {
  readonly dueNow: number;
}

export class LaterPublishes {
  readonly #log: ShardLog;
  readonly #clock: DueClock;
  readonly #max: number;

  constructor(log: ShardLog, clock: DueClock, max = WAITING_PUBLISHES_MAX) {
    this.#log = log;
    this.#clock = clock;
    this.#max = max;
  }

  /**
   * When a publish on these terms becomes an event, ms since 1970; `undefined`: at once, as its time has come. A log without
   * `scheduled` refuses every such publish: how late a shard is must not decide that.
   */
  dueOf({ deliverAt }: TermsView): number | undefined {
    if (deliverAt === undefined) return undefined;
    const waits = deliverAt > this.#clock.dueNow || this.#log.scheduled === undefined;
    return waits ? deliverAt : undefined;
  }

  /** When the waiting publish is due that a record with a publisher's own id repeats; `undefined` if none does. */
  repeated(bytes: Buffer, offset: number): number | undefined {
    return this.#log.scheduled?.find(bytes, offset);
  }

  /** Why so many more publishes may not wait; `undefined` if they may. */
  faultOf(count: number): ErrorData | undefined {
    const { scheduled } = this.#log;
    if (scheduled === undefined) return NO_LATER_ERROR;
    return scheduled.waiting + count > this.#max ? TOO_MANY_WAITING_ERROR : undefined;
  }

  /** Keeps the publish with the open batch. `faultOf` has found nothing. */
  put({ bytes, offset }: EventRecordView, dueAt: number, acceptedAt: number): void {
    (this.#log.scheduled as ShardScheduled).put(bytes, offset, { dueAt, acceptedAt });
  }
}
