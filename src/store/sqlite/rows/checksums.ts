import { crc32 } from 'node:zlib';
import type { EventRow } from './event-row.js';

/**
 * The checksums of a log's rows. Each is a CRC-32 that starts from the numbers of its row, so that text and bytes that are right
 * by themselves and stand in another row's place do not fit.
 *
 * That of an event has 47 bits. Below is the CRC-32 of what was published, which takes the whole event to check. Above is a
 * number that whoever looks at rows without reading them can work out, in SQL too: from the sequence, the time, the flags
 * and the ids of topic, type and source. One wrong bit in any of them changes it.
 */

/** A prime: no power of two times a factor is a multiple of it. */
const HEAD_PRIME = 32_749;
const HEAD_UNIT = 2 ** 32;
const SEQUENCE_FACTOR = 3;
const TOPIC_FACTOR = 5;
const TYPE_FACTOR = 7;
const SOURCE_FACTOR = 11;
const FLAGS_FACTOR = 13;
/** Odd, so that each number it multiplies gives another one, modulo 2^32. */
const MIX = 0x9e3779b1;

/** Of a row of `events`: the number above its CRC-32. */
export const HEAD_CHECK_SQL =
  `((recorded_at + ${SEQUENCE_FACTOR} * sequence + ${TOPIC_FACTOR} * topic + ${TYPE_FACTOR} * type + ` +
  `${SOURCE_FACTOR} * source + ${FLAGS_FACTOR} * coalesce(flags, 0)) % ${HEAD_PRIME})`;

/** Whether a row of `events` does not fit its own numbers. */
export const HEAD_IS_WRONG_SQL = `checksum >> 32 IS NOT ${HEAD_CHECK_SQL}`;

/** When a row of `events` was recorded; NULL if it does not fit its own numbers. `checkedFrom`: of `meta`. */
export function recordedAtSql(checkedFrom: number): string {
  const isWrong = `sequence >= ${checkedFrom} AND ${HEAD_IS_WRONG_SQL}`;
  return `CASE WHEN ${isWrong} THEN NULL ELSE recorded_at END`;
}

/** `crc` has started from `eventSeed`. */
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
  // `%` of numbers beyond 2^31 calls a function.
  return crc + (sum - Math.floor(sum / HEAD_PRIME) * HEAD_PRIME) * HEAD_UNIT;
}

export function eventSeed(sequence: number, recordedAt: number): number {
  return (sequence ^ Math.imul(recordedAt, MIX)) >>> 0;
}

/** `crc`: that of what was published, from `eventSeed` on. */
export function rowChecksum(row: EventRow, crc: number): number {
  return eventChecksum(crc, row[0], row[1], row[2], row[3], row[4], row[8] ?? 0);
}

/** Of a row of another table: of its text or bytes, and of its numbers in their order. */
export function checksumOf(bytes: Uint8Array | string, numbers: readonly number[]): number {
  let seed = numbers.length;
  for (const number of numbers) {
    seed = Math.imul(seed ^ number, MIX);
    seed = Math.imul((seed ^ (seed >>> 15)) + Math.floor(number / HEAD_UNIT), MIX);
  }
  // Of no bytes zlib says 0 or the seed, by where they lie.
  return bytes.length === 0 ? seed >>> 0 : crc32(bytes, seed >>> 0);
}
