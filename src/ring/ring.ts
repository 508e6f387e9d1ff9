/**
 * A ring of variable-length records in shared memory, from one producer to one consumer, each in any
 * thread. One thread at a time may use a `RingProducer`, and one a `RingConsumer`, of the same ring.
 *
 * Guarantees: the consumer sees records whole, once and in order of their commit. It never sees a claim that was not
 * committed, because it was aborted or its thread died. Records that were read stay in the ring, where the producer
 * cannot overwrite them, until `release`; so decode or copy first, release after. A consumer that replaces another
 * starts where that one last released, and may `seek` on from there.
 *
 * Each side keeps a copy of the other's position and rereads it only when the ring looks full or empty,
 * so that a busy ring moves few cache lines between cores (bench/ring-spsc.js). The scheme is that of
 * Agrona's one-to-one ring buffer, with the producer position as the commit instead of the length.
 */
import { RING_RECORD_SHARE } from '../protocol/limits/links.js';
import {
  CONSUMER_MARK,
  CONSUMER_MARKED_AT,
  CONSUMER_POSITION,
  CONSUMER_REFUSED,
  CONSUMER_REFUSED_UNTIL,
  CONSUMER_TOTAL,
  checkCapacity,
  DURABLE_WATERMARK,
  PADDING_TYPE,
  PRODUCER_GENERATION,
  PRODUCER_POSITION,
  PRODUCER_WAITING,
  RECORD_ALIGNMENT,
  RECORD_HEADER_LENGTH,
  RECORD_LENGTH,
  RECORD_SHARE_MIN,
  RECORD_TYPE,
  RING_HEADER_LENGTH,
  recordSpan,
  ringCapacity,
} from './ring-descriptor.js';

/** Returned by `tryClaim` if there is no room. */
export const RING_FULL = -1;

const NOTHING_CLAIMED = -1;

/**
 * Makes an empty ring.
 * @param capacityBytes a power of two
 * @param initialPosition the start of both positions; a multiple of 8; for tests
 * @throws RangeError on any other capacity or position
 */
export function createRing(capacityBytes: number, initialPosition = 0): SharedArrayBuffer {
  checkCapacity(capacityBytes);
  if (initialPosition % RECORD_ALIGNMENT !== 0) {
    throw new RangeError(`position ${initialPosition} is not a multiple of ${RECORD_ALIGNMENT}`);
  }
  const buffer = new SharedArrayBuffer(RING_HEADER_LENGTH + capacityBytes);
  const words = new Int32Array(buffer);
  words[CONSUMER_MARK] = initialPosition;
  new Float64Array(buffer, 0, RING_HEADER_LENGTH >> 3)[CONSUMER_TOTAL] = initialPosition;
  Atomics.store(words, CONSUMER_POSITION, initialPosition | 0);
  Atomics.store(words, PRODUCER_POSITION, initialPosition | 0);
  return buffer;
}

export class RingProducer {
  /** The records' bytes. Only a claimed body may be written. */
  readonly bytes: Buffer;
  readonly capacity: number;
  /** The longest body that `tryClaim` takes. */
  readonly maxRecordLength: number;
  /** Unique among all producers that have attached to this ring, earlier ones included. */
  readonly generation: number;

  readonly #header: Int32Array;
  readonly #watermark: BigInt64Array;
  readonly #records: Int32Array;
  readonly #mask: number;
  #position: number;
  #consumerPosition: number;
  /** Where the claimed record's header goes, behind the padding if there is any. */
  #claimPosition = 0;
  #claimLength = NOTHING_CLAIMED;

  /**
   * Attaches to a ring, also to one that an earlier producer left in the middle of a claim.
   * @param recordShare a record takes at most one part in this many of the ring; 2 or more
   */
  constructor(buffer: SharedArrayBuffer, recordShare: number = RING_RECORD_SHARE) {
    if (!(recordShare >= RECORD_SHARE_MIN)) {
      throw new RangeError(
        `a record may take 1/${RECORD_SHARE_MIN} of a ring, not 1/${recordShare}`,
      );
    }
    this.capacity = ringCapacity(buffer);
    this.maxRecordLength = Math.floor(this.capacity / recordShare) - RECORD_HEADER_LENGTH;
    this.bytes = Buffer.from(buffer, RING_HEADER_LENGTH, this.capacity);
    this.#header = new Int32Array(buffer, 0, RING_HEADER_LENGTH >> 2);
    this.#watermark = new BigInt64Array(buffer, 0, RING_HEADER_LENGTH >> 3);
    this.#records = new Int32Array(buffer, RING_HEADER_LENGTH, this.capacity >> 2);
    this.#mask = this.capacity - 1;
    this.generation = Atomics.add(this.#header, PRODUCER_GENERATION, 1);
    this.#position = Atomics.load(this.#header, PRODUCER_POSITION);
    this.#consumerPosition = Atomics.load(this.#header, CONSUMER_POSITION);
  }

  /**
   * Claims room for a record and returns the offset of its body in `bytes`, or `RING_FULL`. The consumer sees the body
   * after `commit`.
   * @throws RangeError if `length` is over `maxRecordLength`; Error if another claim is open
   */
  tryClaim(length: number): number {
    if (!(length >= 0 && length <= this.maxRecordLength)) {
      throw new RangeError(
        `a record of this ring has 0 to ${this.maxRecordLength} bytes, not ${length}`,
      );
    }
    if (this.#claimLength !== NOTHING_CLAIMED) {
      throw new Error(`a claim of ${this.#claimLength} bytes is neither committed nor aborted`);
    }
    const position = this.#position;
    const index = position & this.#mask;
    const span = recordSpan(length);
    const untilEnd = this.capacity - index;
    const padding = span > untilEnd ? untilEnd : 0;
    if (!this.#hasRoom(position, span + padding)) return RING_FULL;
    if (padding > 0) {
      this.#records[(index >> 2) + RECORD_TYPE] = PADDING_TYPE;
    }
    this.#claimPosition = (position + padding) | 0;
    this.#claimLength = length;
    return (this.#claimPosition & this.#mask) + RECORD_HEADER_LENGTH;
  }

  /** Makes the claimed record visible; `length` may be less than was claimed. */
  commit(type: number, length: number = this.#claimLength): void {
    if (this.#claimLength === NOTHING_CLAIMED) throw new Error('nothing is claimed');
    if (!(length >= 0 && length <= this.#claimLength)) {
      throw new RangeError(`${length} bytes committed of ${this.#claimLength} claimed`);
    }
    if (type === PADDING_TYPE) throw new RangeError(`type ${type} means padding`);
    const word = (this.#claimPosition & this.#mask) >> 2;
    this.#records[word + RECORD_LENGTH] = length;
    this.#records[word + RECORD_TYPE] = type;
    this.#claimLength = NOTHING_CLAIMED;
    this.#position = (this.#claimPosition + recordSpan(length)) | 0;
    Atomics.store(this.#header, PRODUCER_POSITION, this.#position);
  }

  /** Gives up the open claim, if there is one. */
  abort(): void {
    this.#claimLength = NOTHING_CLAIMED;
  }

  /** The position behind the last committed record. */
  get position(): number {
    return this.#position;
  }

  /** The position up to which the consumer has released, as of now. */
  get consumerPosition(): number {
    this.#consumerPosition = Atomics.load(this.#header, CONSUMER_POSITION);
    return this.#consumerPosition;
  }

  /** Bytes committed and not yet released, padding included. */
  get usedBytes(): number {
    return (this.#position - this.consumerPosition) | 0;
  }

  /**
   * Asks for a wake-up after the consumer's next release. The caller must then try its claim once more, because the
   * release may just have happened, and may park only while `isWaiting` is true: once it is false, the wake-up has been
   * sent, perhaps before the thread parked. Only the consumer clears the request. So a wake-up may arrive after the
   * claim has succeeded, but none is lost.
   */
  setWaiting(): void {
    Atomics.store(this.#header, PRODUCER_WAITING, 1);
  }

  /** Whether the requested wake-up is still to come. This must be the last check before parking. */
  get isWaiting(): boolean {
    return Atomics.load(this.#header, PRODUCER_WAITING) === 1;
  }

  /**
   * How far the producer's data is durable, in units of the producer's. A consumer that reads the watermark before it
   * reads the ring finds there every record that was committed before the watermark was set.
   */
  get durableWatermark(): number {
    return Number(Atomics.load(this.#watermark, DURABLE_WATERMARK));
  }

  set durableWatermark(value: number) {
    Atomics.store(this.#watermark, DURABLE_WATERMARK, BigInt(value));
  }

  #hasRoom(position: number, needed: number): boolean {
    const { capacity } = this;
    if (needed <= capacity - ((position - this.#consumerPosition) | 0)) return true;
    this.#consumerPosition = Atomics.load(this.#header, CONSUMER_POSITION);
    return needed <= capacity - ((position - this.#consumerPosition) | 0);
  }
}

/**
 * Receives one record; `bytes` is valid until the release. Returns false to stop before this record, which then counts
 * as not read.
 */
export type RecordHandler = (
  type: number,
  bytes: Buffer,
  offset: number,
  length: number,
  // biome-ignore lint/suspicious/noConfusingVoidType: handlers that never stop need not return.
) => boolean | undefined | void;

export class RingConsumer {
  readonly bytes: Buffer;
  readonly capacity: number;

  readonly #header: Int32Array;
  readonly #watermark: BigInt64Array;
  readonly #totals: Float64Array;
  readonly #records: Int32Array;
  readonly #mask: number;
  #position: number;
  #releasedPosition: number;
  #releasedTotal: number;
  #producerPosition: number;
  /** An earlier consumer may have died after it released and before it saw the producer waiting. */
  #mayOweWakeUp = true;

  constructor(buffer: SharedArrayBuffer) {
    this.capacity = ringCapacity(buffer);
    this.bytes = Buffer.from(buffer, RING_HEADER_LENGTH, this.capacity);
    this.#header = new Int32Array(buffer, 0, RING_HEADER_LENGTH >> 2);
    this.#watermark = new BigInt64Array(buffer, 0, RING_HEADER_LENGTH >> 3);
    this.#records = new Int32Array(buffer, RING_HEADER_LENGTH, this.capacity >> 2);
    this.#mask = this.capacity - 1;
    this.#totals = new Float64Array(buffer, 0, RING_HEADER_LENGTH >> 3);
    this.#releasedPosition = Atomics.load(this.#header, CONSUMER_POSITION);
    this.#position = this.#releasedPosition;
    const total = this.#totals[CONSUMER_TOTAL]!;
    // A consumer that died during a release may have written the total but not the position. The position counts.
    this.#releasedTotal = total + ((this.#releasedPosition - total) | 0);
    this.#producerPosition = Atomics.load(this.#header, PRODUCER_POSITION);
  }

  /**
   * Passes up to `limit` records to the handler and returns how many were read. Reads fewer only if the handler stops
   * it or no more are committed. Releases nothing. If the handler throws, the records before count as read, and its own
   * does not.
   * @param until reads no record behind this position, which `look` has returned; default: all that are committed
   */
  read(handler: RecordHandler, limit: number, until?: number): number {
    const { bytes, capacity } = this;
    const records = this.#records;
    const mask = this.#mask;
    let count = 0;
    while (count < limit && this.#hasMore(until)) {
      let index = this.#position & mask;
      let padding = 0;
      if (records[(index >> 2) + RECORD_TYPE] === PADDING_TYPE) {
        padding = capacity - index;
        index = 0;
      }
      const length = records[(index >> 2) + RECORD_LENGTH]!;
      const type = records[(index >> 2) + RECORD_TYPE]!;
      if (handler(type, bytes, index + RECORD_HEADER_LENGTH, length) === false) break;
      // Padding is passed only together with its record, so that a position is always the end of a record.
      this.#position = (this.#position + padding + recordSpan(length)) | 0;
      count++;
    }
    return count;
  }

  /**
   * Gives the room of everything that was read back to the producer. Returns true if the producer waits for room; the
   * caller must then wake it.
   */
  release(): boolean {
    if (this.#position === this.#releasedPosition && !this.#mayOweWakeUp) return false;
    this.#mayOweWakeUp = false;
    this.#releasedTotal = this.totalPosition;
    this.#totals[CONSUMER_TOTAL] = this.#releasedTotal;
    this.#releasedPosition = this.#position;
    // The position is stored before the request is read, and the producer sets the request before it reads the
    // position, so no wake-up is lost.
    Atomics.store(this.#header, CONSUMER_POSITION, this.#position);
    if (Atomics.load(this.#header, PRODUCER_WAITING) === 0) return false;
    return Atomics.exchange(this.#header, PRODUCER_WAITING, 0) === 1;
  }

  /** The position behind the last record that was read. */
  get position(): number {
    return this.#position;
  }

  /** `position` without wrapping, which can be compared with totals of any time. */
  get totalPosition(): number {
    return this.#releasedTotal + ((this.#position - this.#releasedPosition) | 0);
  }

  get releasedPosition(): number {
    return this.#releasedPosition;
  }

  /** How far the producer had committed when the consumer last looked. */
  get seenPosition(): number {
    return this.#producerPosition;
  }

  /** Bytes committed and not yet released, as of now, padding included. */
  get usedBytes(): number {
    return (Atomics.load(this.#header, PRODUCER_POSITION) - this.#releasedPosition) | 0;
  }

  /**
   * Skips records that an earlier consumer had read and not released.
   * @throws RangeError unless `position` is the current one or the end of a committed record ahead of it
   */
  seek(position: number): void {
    const producerPosition = Atomics.load(this.#header, PRODUCER_POSITION);
    let reached = this.#position;
    while (reached !== position && reached !== producerPosition) reached = this.#next(reached);
    if (reached !== position) {
      throw new RangeError(
        `position ${position} is not the end of a record from ${this.#position} to ${producerPosition}`,
      );
    }
    this.#position = position;
    this.#producerPosition = producerPosition;
  }

  /** How far the producer has committed, as of now. */
  look(): number {
    this.#producerPosition = Atomics.load(this.#header, PRODUCER_POSITION);
    return this.#producerPosition;
  }

  /** Whether every committed record was read, as of now. */
  isEmpty(): boolean {
    return this.#position === this.#producerPosition && this.#position === this.look();
  }

  /** How far this consumer has begun to process: a position that outlives it. */
  get mark(): number {
    return Atomics.load(this.#header, CONSUMER_MARK);
  }

  set mark(position: number) {
    Atomics.store(this.#header, CONSUMER_MARK, position);
  }

  /** When the consumer began to process what is before the mark, by a clock of its own; to be set before the mark. */
  get markedAt(): number {
    return this.#totals[CONSUMER_MARKED_AT]!;
  }

  set markedAt(time: number) {
    this.#totals[CONSUMER_MARKED_AT] = time;
  }

  /**
   * The reason why the records up to `refusedUntil` are being refused, as a number of the consumer's own; 0: none are. It
   * survives a crash, so that a successor refuses the same records for the same reason.
   */
  get refusal(): number {
    return Atomics.load(this.#header, CONSUMER_REFUSED);
  }

  get refusedUntil(): number {
    return Atomics.load(this.#header, CONSUMER_REFUSED_UNTIL);
  }

  /** Notes that everything that was read is being refused; 0: that nothing is. */
  refuse(reason: number): void {
    Atomics.store(this.#header, CONSUMER_REFUSED_UNTIL, this.#position);
    Atomics.store(this.#header, CONSUMER_REFUSED, reason);
  }

  /** Read it before `read`; see `RingProducer.durableWatermark`. */
  get durableWatermark(): number {
    return Number(Atomics.load(this.#watermark, DURABLE_WATERMARK));
  }

  #hasMore(until: number | undefined): boolean {
    if (until === undefined) return !this.isEmpty();
    return ((until - this.#position) | 0) > 0;
  }

  /** The end of the record at `position`, which must be committed. */
  #next(position: number): number {
    const word = (position & this.#mask) >> 2;
    if (this.#records[word + RECORD_TYPE] !== PADDING_TYPE) {
      return (position + recordSpan(this.#records[word + RECORD_LENGTH]!)) | 0;
    }
    const padding = this.capacity - (position & this.#mask);
    return (position + padding + recordSpan(this.#records[RECORD_LENGTH]!)) | 0;
  }
}
