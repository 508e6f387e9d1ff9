import type { ShardLog } from '../store/shard-log.js';
import type { RecordingClock } from './recording-clock.js';
import type { ShardEnd } from './shard-end.js';

/** The times at which a batch's events are recorded; they never fall. Only the shard's loop touches this. */
export class RecordedTime {
  readonly #log: ShardLog;
  readonly #clock: RecordingClock;
  #recordedAt = 0;
  /** The producer's position in the link's ring when the clock was last read. */
  #timedPosition: number | undefined;

  constructor(log: ShardLog, clock: RecordingClock) {
    this.#log = log;
    this.#clock = clock;
  }

  beginBatch(): void {
    this.#recordedAt = this.#log.lastRecordedAt;
    this.#clock.now();
  }

  beginLink(): void {
    this.#timedPosition = undefined;
  }

  /**
   * Of the publish that is read from the link's ring. The clock is read again when the ring has grown: an event that is
   * published while others are taken must not be recorded earlier than it was published.
   */
  of({ publishRing }: ShardEnd): number {
    const { seenPosition } = publishRing;
    if (seenPosition !== this.#timedPosition) {
      this.#timedPosition = seenPosition;
      this.#recordedAt = Math.max(this.#clock.nowForNext(), this.#recordedAt);
    }
    return this.#recordedAt;
  }
}
