/**
 * Records whose type, length and bytes follow from a seed and the record's number, so that both ends, in any thread,
 * know what record `n` must be.
 */

/** Words of the memory that the threads of a test share, next to the ring. */
export const CONSUMER_PARKED = 0;
export const PRODUCER_PARKED = 32;
/** What a consumer's log would store: the ring position and the number of records processed. */
export const STORED_POSITION = 64;
export const STORED_COUNT = 65;
/** The number of waits that ended by their timeout. */
export const TIMEOUTS = 66;
export const PARKS = 67;
export const WORDS_BYTES = 4 * 128;

/** Far longer than any run: a wait that takes as long has lost its wake-up. */
export const WAIT_MS = 20_000;

/**
 * @param {number} seed
 * @param {number} number
 * @returns {number} 32 random bits
 */
export function randomBits(seed, number) {
  let x = Math.imul(seed ^ Math.imul(number + 1, 0x9e3779b1), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * @param {number} seed
 * @param {number} number
 * @param {number} lengthMax
 */
export function recordLength(seed, number, lengthMax) {
  return randomBits(seed, number) % (lengthMax + 1);
}

/**
 * @param {number} seed
 * @param {number} number
 */
export function recordType(seed, number) {
  return randomBits(seed + 1, number) >>> 8;
}

/**
 * @param {Buffer} bytes
 * @param {number} offset
 * @param {number} length
 * @param {number} seed
 * @param {number} number
 */
export function writeRecord(bytes, offset, length, seed, number) {
  let x = randomBits(seed + 2, number);
  for (let i = offset; i < offset + length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
}

/**
 * Throws unless the record is number `number` to the last byte.
 * @param {number} type
 * @param {Buffer} bytes
 * @param {number} offset
 * @param {number} length
 * @param {{ seed: number, lengthMax: number }} run
 * @param {number} number
 */
export function checkRecord(type, bytes, offset, length, run, number) {
  const { seed, lengthMax } = run;
  if (type !== recordType(seed, number)) throw new Error(`type ${type} at record ${number}`);
  const expected = recordLength(seed, number, lengthMax);
  if (length !== expected) throw new Error(`${length} bytes, not ${expected}, at ${number}`);
  let x = randomBits(seed + 2, number);
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    if (bytes[offset + i] !== x >>> 24) throw new Error(`byte ${i} of record ${number} is wrong`);
  }
}

/**
 * Counts a wait, and a lost wake-up if the wait ended by its timeout.
 * @param {Int32Array} words
 * @param {number} waitedMs
 */
export function countWait(words, waitedMs) {
  if (waitedMs > 0) Atomics.add(words, PARKS, 1);
  if (waitedMs >= WAIT_MS) Atomics.add(words, TIMEOUTS, 1);
}
