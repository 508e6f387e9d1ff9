/**
 * A ring of variable-length records in shared memory, from one producer to one consumer, each in any
 * thread. One thread at a time may use a `RingProducer`, and one a `RingConsumer`, of the same ring.
 *
 * Guarantees: the consumer sees records whole, once and in order of their commit. A claim that was never
 * committed, because it was aborted or because its thread died, is not seen. What was read stays in the
 * ring, and the producer cannot overwrite it, until `release`; so decode or copy first, release after.
 * A consumer that is replaced starts at what the last one released and may `seek` on from there.
 *
 * Each side keeps a copy of the other's position and rereads it only when the ring looks full or empty,
 * so that a busy ring moves few cache lines between cores (bench/ring-spsc.js). The scheme is that of
 * Agrona's one-to-one ring buffer, with the producer position as the commit instead of the length.
 */
import { RING_RECORD_SHARE } from '../protocol/limits.js';
import {
  CONSUMER_MARK,
  CONSUMER_POSITION,
  CONSUMER_REFUSED,
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

/** `tryClaim` found no room. */
export const RING_FULL = -1;

const NOTHING_CLAIMED = -1;

/**
 * Makes an empty ring.
 * @param capacityBytes a power of two
 * @param initialPosition where both positions start; a multiple of 8, only of interest to tests
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
  /** Unlike that of any other producer of this ring, earlier ones included. */
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
   * @param recordShare a record takes at most this share of the ring; 2 or more
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
   * Claims room for a record and returns the offset of its body in `bytes`, or `RING_FULL`. What is written
   * there is seen by the consumer after `commit`.
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
      this.#records[(index >> 2) + RECORD_LENGTH] = padding - RECORD_HEADER_LENGTH;
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

  /** Gives a claim back; without one it does nothing. */
  abort(): void {
    this.#claimLength = NOTHING_CLAIMED;
  }

  /** After the last committed record. */
  get position(): number {
    return this.#position;
  }

  /** What the consumer has released up to, as of now. */
  get consumerPosition(): number {
    this.#consumerPosition = Atomics.load(this.#header, CONSUMER_POSITION);
    return this.#consumerPosition;
  }

  /** Committed and not yet released, padding included. */
  get usedBytes(): number {
    return (this.#position - this.consumerPosition) | 0;
  }

  /**
   * Asks for a wake-up after the consumer's next release. The caller must claim once more afterwards, because
   * the release may just have happened, and may park only while `isWaiting`: once the wish is granted, the
   * wake-up was sent, perhaps to a thread that was not parked yet. Only the consumer takes the wish back, so
   * a wake-up may come after the claim has succeeded, but none gets lost to another claim that succeeds.
   */
  setWaiting(): void {
    Atomics.store(this.#header, PRODUCER_WAITING, 1);
  }

  /** The wake-up that was asked for is still to come. The last look before parking has to be at this. */
  get isWaiting(): boolean {
    return Atomics.load(this.#header, PRODUCER_WAITING) === 1;
  }

  /**
   * How far something of the producer's is durable. Who reads it before reading the ring then finds there
   * every record that was committed before it was set.
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
 * Gets a record; `bytes` are valid until the release. Returns false to stop before this record, which then
 * counts as not read.
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
    // One that died in a release may have written the total and not the position, which is what counts.
    this.#releasedTotal = total + ((this.#releasedPosition - total) | 0);
    this.#producerPosition = Atomics.load(this.#header, PRODUCER_POSITION);
  }

  /**
   * Hands up to `limit` records to the handler and returns how many it took. It stops short of `limit` only
   * where the handler stopped it or nothing more was committed. Nothing is released. A handler that throws
   * leaves the records before it read, and its own not.
   */
  read(handler: RecordHandler, limit: number): number {
    const { bytes, capacity } = this;
    const records = this.#records;
    const mask = this.#mask;
    let count = 0;
    while (count < limit && !this.isEmpty()) {
      let index = this.#position & mask;
      let padding = 0;
      if (records[(index >> 2) + RECORD_TYPE] === PADDING_TYPE) {
        padding = capacity - index;
        index = 0;
      }
      const length = records[(index >> 2) + RECORD_LENGTH]!;
      const type = records[(index >> 2) + RECORD_TYPE]!;
      if (handler(type, bytes, index + RECORD_HEADER_LENGTH, length) === false) break;
      // Padding is passed only together with its record: a position is always the end of a record.
      this.#position = (this.#position + padding + recordSpan(length)) | 0;
      count++;
    }
    return count;
  }

  /**
   * Gives everything that was read back to the producer. True if the producer waits for room, and is now to
   * be woken by the caller.
   */
  release(): boolean {
    if (this.#position === this.#releasedPosition && !this.#mayOweWakeUp) return false;
    this.#mayOweWakeUp = false;
    this.#releasedTotal = this.totalPosition;
    this.#totals[CONSUMER_TOTAL] = this.#releasedTotal;
    this.#releasedPosition = this.#position;
    // The order of these two, against that of the producer's wish and its next claim, loses no wake-up.
    Atomics.store(this.#header, CONSUMER_POSITION, this.#position);
    if (Atomics.load(this.#header, PRODUCER_WAITING) === 0) return false;
    return Atomics.exchange(this.#header, PRODUCER_WAITING, 0) === 1;
  }

  /** After the last record that was read. */
  get position(): number {
    return this.#position;
  }

  /** The same, not wrapped: to be compared with positions of any time. */
  get totalPosition(): number {
    return this.#releasedTotal + ((this.#position - this.#releasedPosition) | 0);
  }

  get releasedPosition(): number {
    return this.#releasedPosition;
  }

  /** How far the producer had committed when the consumer last looked. All before it was committed before that look. */
  get seenPosition(): number {
    return this.#producerPosition;
  }

  /** Committed and not yet released, as the consumer sees it now, padding included. */
  get usedBytes(): number {
    return (Atomics.load(this.#header, PRODUCER_POSITION) - this.#releasedPosition) | 0;
  }

  /**
   * Passes over what an earlier consumer had read and not released.
   * @throws RangeError unless `position` is here or the end of a committed record ahead of here
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

  /** Nothing is committed that was not read, as of now. */
  isEmpty(): boolean {
    if (this.#position !== this.#producerPosition) return false;
    this.#producerPosition = Atomics.load(this.#header, PRODUCER_POSITION);
    return this.#position === this.#producerPosition;
  }

  /** A position that outlives this consumer: how far it had begun to process. */
  get mark(): number {
    return Atomics.load(this.#header, CONSUMER_MARK);
  }

  set mark(position: number) {
    Atomics.store(this.#header, CONSUMER_MARK, position);
  }

  /**
   * Why what was read up to the mark is being refused, as a number of the consumer's own; 0 while it is not. Kept over a
   * crash, so that a successor refuses it too, for the same reason, and does not take what was refused.
   */
  get refusal(): number {
    return Atomics.load(this.#header, CONSUMER_REFUSED);
  }

  set refusal(reason: number) {
    Atomics.store(this.#header, CONSUMER_REFUSED, reason);
  }

  /** To be read before `read`; see the producer's. */
  get durableWatermark(): number {
    return Number(Atomics.load(this.#watermark, DURABLE_WATERMARK));
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
