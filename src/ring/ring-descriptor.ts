/**
 * The bytes of a ring: a header of shared words, then `capacity` bytes of records. A ring lives in one
 * SharedArrayBuffer of one process, so integers are in the machine's own byte order.
 *
 * Header. The words that the producer writes, those that the consumer writes and those that both write stand two cache
 * lines of 128 bytes (a pair of lines that the processor fetches together) apart:
 *
 * ```
 *     0               4               8               12
 *    +---------------+---------------+-------------------------------+
 *   0| PRODUCER_     | PRODUCER_     | DURABLE_WATERMARK (bigint64)  |
 *    | POSITION      | GENERATION    |                               |
 *    +---------------+---------------+-------------------------------+
 *    | unused up to 256                                              |
 *    +---------------+---------------+-------------------------------+
 * 256| CONSUMER_     | CONSUMER_     | CONSUMER_     | CONSUMER_     |
 *    | POSITION      | MARK          | REFUSED       | REFUSED_UNTIL |
 *    +---------------+---------------+---------------+---------------+
 * 272| CONSUMER_TOTAL (float64)      | CONSUMER_MARKED_AT (float64)  |
 *    +---------------+---------------+-------------------------------+
 *    | unused up to 512                                              |
 *    +---------------+---------------+-------------------------------+
 * 512| PRODUCER_     | unused up to 768                              |
 *    | WAITING       |                                               |
 *    +---------------+-----------------------------------------------+
 * 768| records (`capacity` bytes, a power of two)                    |
 * ```
 *
 * Positions count bytes of records. They are int32 and wrap, so two of them are compared only as `(a - b) | 0`, which
 * is right because they are never further apart than the capacity. `index = position & mask`. To keep a position for
 * longer than the ring holds its record, keep the consumer's total instead: the same count in 53 bits. The position is
 * the total modulo 2^32.
 *
 * Record. Records start at multiples of 8 and never wrap around the end of the ring:
 *
 * ```
 *     0               4               8
 *    +---------------+---------------+-------------------------------+
 *   0| length (of    | type          | body, `length` bytes, then    |
 *    | the body)     |               | unused up to a multiple of 8  |
 *    +---------------+---------------+-------------------------------+
 * ```
 *
 * A record that does not fit before the end is preceded by a padding record, which fills the rest, whatever its length
 * says.
 *
 * Commit rule: a record is complete once the producer position has passed it; one atomic store of that position makes
 * it visible, together with the padding before it. The bytes from the consumer position up to the producer position
 * belong to the consumer, all others to the producer.
 */
import { RING_BYTES_MAX } from '../protocol/limits/links.js';

const INT32_BYTES = Int32Array.BYTES_PER_ELEMENT;
/** Two neighbouring 64-byte lines, since processors prefetch the other one of a pair. */
const CACHE_LINE_LENGTH = 128;
const APART = 2 * CACHE_LINE_LENGTH;

const PRODUCER_POSITION_OFFSET = 0;
const PRODUCER_GENERATION_OFFSET = PRODUCER_POSITION_OFFSET + INT32_BYTES;
const DURABLE_WATERMARK_OFFSET = PRODUCER_GENERATION_OFFSET + INT32_BYTES;
const CONSUMER_POSITION_OFFSET = PRODUCER_POSITION_OFFSET + APART;
const CONSUMER_MARK_OFFSET = CONSUMER_POSITION_OFFSET + INT32_BYTES;
const CONSUMER_REFUSED_OFFSET = CONSUMER_MARK_OFFSET + INT32_BYTES;
const CONSUMER_REFUSED_UNTIL_OFFSET = CONSUMER_REFUSED_OFFSET + INT32_BYTES;
const CONSUMER_TOTAL_OFFSET = CONSUMER_REFUSED_UNTIL_OFFSET + INT32_BYTES;
const CONSUMER_MARKED_AT_OFFSET = CONSUMER_TOTAL_OFFSET + Float64Array.BYTES_PER_ELEMENT;
const PRODUCER_WAITING_OFFSET = CONSUMER_POSITION_OFFSET + APART;
export const RING_HEADER_LENGTH = PRODUCER_WAITING_OFFSET + APART;

/** Indexes into an `Int32Array` over the whole buffer. */
export const PRODUCER_POSITION = PRODUCER_POSITION_OFFSET / INT32_BYTES;
/** Counts the producers that have attached, so that leftovers of a dead one are recognised. */
export const PRODUCER_GENERATION = PRODUCER_GENERATION_OFFSET / INT32_BYTES;
export const CONSUMER_POSITION = CONSUMER_POSITION_OFFSET / INT32_BYTES;
/** How far the consumer has begun to process. Survives a crash; only the consumer interprets it. */
export const CONSUMER_MARK = CONSUMER_MARK_OFFSET / INT32_BYTES;
/**
 * Not 0 while the consumer refuses the records up to a position: set before it sends the first refusal, until all of them
 * are released.
 */
export const CONSUMER_REFUSED = CONSUMER_REFUSED_OFFSET / INT32_BYTES;
/** The position up to which it refuses them; the mark may be further, of a consumer that died before. */
export const CONSUMER_REFUSED_UNTIL = CONSUMER_REFUSED_UNTIL_OFFSET / INT32_BYTES;
/**
 * Index into a `Float64Array` over the whole buffer. Off by at most one release if a consumer died during a release.
 */
export const CONSUMER_TOTAL = CONSUMER_TOTAL_OFFSET / Float64Array.BYTES_PER_ELEMENT;
/** Index into a `Float64Array`: when the consumer began to process what is before the mark; its clock is the consumer's. */
export const CONSUMER_MARKED_AT = CONSUMER_MARKED_AT_OFFSET / Float64Array.BYTES_PER_ELEMENT;
/** 1 if the producer found the ring full and wants to be woken after a release. */
export const PRODUCER_WAITING = PRODUCER_WAITING_OFFSET / INT32_BYTES;
/** Index into a `BigInt64Array` over the whole buffer. */
export const DURABLE_WATERMARK = DURABLE_WATERMARK_OFFSET / BigInt64Array.BYTES_PER_ELEMENT;

export const RECORD_ALIGNMENT = 8;
/** Word indexes inside a record. */
export const RECORD_LENGTH = 0;
export const RECORD_TYPE = RECORD_LENGTH + 1;
export const RECORD_HEADER_LENGTH = (RECORD_TYPE + 1) * INT32_BYTES;

/** Types below zero belong to this folder, all others to the ring's users. */
export const PADDING_TYPE = -1;
/** Refers to a record that travels in a buffer of its own; see `record-channel.ts`. */
export const REFERENCE_TYPE = -2;

/** A record may take at most half a ring, so that it always fits into an empty ring together with its padding. */
export const RECORD_SHARE_MIN = 2;
export const RING_CAPACITY_MIN = 8 * RECORD_ALIGNMENT;
export const RING_CAPACITY_MAX = RING_BYTES_MAX;

if (RING_HEADER_LENGTH !== 768 || RECORD_HEADER_LENGTH !== RECORD_ALIGNMENT) {
  throw new Error(`ring header is ${RING_HEADER_LENGTH} bytes, record ${RECORD_HEADER_LENGTH}`);
}
if (!Number.isInteger(DURABLE_WATERMARK) || !Number.isInteger(CONSUMER_TOTAL)) {
  throw new Error(`misaligned: ${DURABLE_WATERMARK_OFFSET}, ${CONSUMER_TOTAL_OFFSET}`);
}
if (RING_HEADER_LENGTH % RECORD_ALIGNMENT !== 0) {
  throw new Error(`misaligned: records at ${RING_HEADER_LENGTH}`);
}
if (RING_CAPACITY_MAX > 2 ** 30) {
  throw new Error(`a ring of ${RING_CAPACITY_MAX} bytes has positions that cannot be compared`);
}

/** The bytes that a body of `length` bytes takes in the ring, with header and alignment. */
export function recordSpan(length: number): number {
  return (length + RECORD_HEADER_LENGTH + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT;
}

/** The capacity of an existing ring. */
export function ringCapacity(buffer: SharedArrayBuffer): number {
  const capacity = buffer.byteLength - RING_HEADER_LENGTH;
  checkCapacity(capacity);
  return capacity;
}

export function checkCapacity(capacity: number): void {
  const isPowerOfTwo = Number.isInteger(capacity) && (capacity & (capacity - 1)) === 0;
  if (isPowerOfTwo && capacity >= RING_CAPACITY_MIN && capacity <= RING_CAPACITY_MAX) return;
  throw new RangeError(
    `a ring's capacity is a power of two from ${RING_CAPACITY_MIN} to ${RING_CAPACITY_MAX} bytes, ` +
      `not ${capacity}`,
  );
}
