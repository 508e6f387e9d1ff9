import { crc32 } from 'node:zlib';
import type { EventRow } from './event-row.js';

/**
 * The checksums of a log's rows. Each is a CRC-32 that starts from the numbers of its row, so that a text that is right
 * by itself does not match in another row's place.
 *
 * The checksum of an event has 47 bits. The lower 32 are the CRC-32 of the published content, which takes the whole
 * event to check. The upper bits are the head check, a number made of the sequence, the time, the flags and the ids of
 * topic, type and source. It can be checked without the event's texts, in SQL too, and one wrong bit in any of those
 * numbers changes it.
 */

/** A prime, so that no power of two times one of the factors is a multiple of it. */
const HEAD_PRIME = 32_749;
const HEAD_UNIT = 2 ** 32;
const SEQUENCE_FACTOR = 3;
const TOPIC_FACTOR = 5;
const TYPE_FACTOR = 7;
const SOURCE_FACTOR = 11;
const FLAGS_FACTOR = 13;
/** Odd, so that different numbers have different products with it, modulo 2^32. */
const MIX = 0x9e3779b1;

/** The head check of a row of `events`. */
export const HEAD_CHECK_SQL =
  `((recorded_at + ${SEQUENCE_FACTOR} * sequence + ${TOPIC_FACTOR} * topic + ${TYPE_FACTOR} * type + ` +
  `${SOURCE_FACTOR} * source + ${FLAGS_FACTOR} * coalesce(flags, 0)) % ${HEAD_PRIME})`;

/** Whether the head check of a row of `events` is wrong. */
export const HEAD_IS_WRONG_SQL = `checksum >> 32 IS NOT ${HEAD_CHECK_SQL}`;

/** The recorded time of a row of `events`, or NULL if its head check is wrong. `checkedFrom` comes from `meta`. */
export function recordedAtSql(checkedFrom: number): string {
  const isWrong = `sequence >= ${checkedFrom} AND ${HEAD_IS_WRONG_SQL}`;
  return `CASE WHEN ${isWrong} THEN NULL ELSE recorded_at END`;
}

/** The checksum of an event; `crc` starts from `eventSeed`. */
export function eventChecksum(
  crc: number,
  sequence: number,
  recordedAt: number,
  topic: number,
  type: number,
  source: number,
  flags: number,
): number {
  const sum =
    recordedAt +
    SEQUENCE_FACTOR * sequence +
    TOPIC_FACTOR * topic +
    TYPE_FACTOR * type +
    SOURCE_FACTOR * source +
    FLAGS_FACTOR * flags;
  // Instead of `%`, which calls a function for numbers beyond 2^31.
  return crc + (sum - Math.floor(sum / HEAD_PRIME) * HEAD_PRIME) * HEAD_UNIT;
}

export function eventSeed(sequence: number, recordedAt: number): number {
  return (sequence ^ Math.imul(recordedAt, MIX)) >>> 0;
}

/** The checksum that a row should have; `crc` is that of the published content, from `eventSeed` on. */
export function rowChecksum(row: EventRow, crc: number): number {
  return eventChecksum(crc, row[0], row[1], row[2], row[3], row[4], row[8] ?? 0);
}

/** The checksum of a row of another table: of its text or bytes, and of its numbers in their order. */
export function checksumOf(bytes: Uint8Array | string, numbers: readonly number[]): number {
  let seed = numbers.length;
  for (const number of numbers) {
    seed = Math.imul(seed ^ number, MIX);
    seed = Math.imul((seed ^ (seed >>> 15)) + Math.floor(number / HEAD_UNIT), MIX);
  }
  // For no bytes zlib returns 0 or the seed, depending on where they lie.
  return bytes.length === 0 ? seed >>> 0 : crc32(bytes, seed >>> 0);
}
