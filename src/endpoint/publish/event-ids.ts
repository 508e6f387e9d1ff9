import { randomFillSync } from 'node:crypto';

/**
 * Makes ids: ULIDs in the monotonic form of https://github.com/ulid/spec, ten characters of Crockford's base 32 for the
 * time in ms and sixteen for 80 random bits, to which one is added for each further id of the same millisecond. Written
 * for speed, because every event gets an id: 0.04 µs, where the package `ulid` takes 0.3 (`node bench/small-parts.js`).
 */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** All pairs of characters, to encode ten bits at once. */
const PAIRS = Array.from(
  { length: 1024 },
  (_, bits) => ALPHABET[bits >> 5]! + ALPHABET[bits & 31]!,
);
/** The random bits are kept in groups of twenty, four characters each. */
const GROUPS = 4;
const GROUP_BITS_MASK = 0xfffff;
/** Random bytes are drawn in bulk: a system call takes longer than a hundred ids. */
const POOL_BYTES = 4096;
const BYTES_PER_GROUP = 3;

/** `now`: ms since 1970. Ids grow even if that clock stands still or goes back. */
export function eventIds(now: () => number = Date.now): () => string {
  const pool = Buffer.allocUnsafe(POOL_BYTES);
  const groups = new Int32Array(GROUPS);
  let used = POOL_BYTES;
  let time = -1;
  let timeText = '';
  /** The current id without its last two characters, which change with each id. */
  let head = '';

  const draw = (): void => {
    for (let group = 0; group < GROUPS; group++) {
      if (used + BYTES_PER_GROUP > POOL_BYTES) {
        randomFillSync(pool);
        used = 0;
      }
      groups[group] = pool.readUIntLE(used, BYTES_PER_GROUP) & GROUP_BITS_MASK;
      used += BYTES_PER_GROUP;
    }
  };

  /** Adds one to the random bits. After the last id of a millisecond it goes on with the next millisecond. */
  const increment = (): void => {
    let group = GROUPS - 1;
    while (group >= 0 && groups[group] === GROUP_BITS_MASK) groups[group--] = 0;
    if (group >= 0) groups[group]!++;
    else timeText = encodeTime(++time);
  };

  const writeHead = (): void => {
    head = timeText;
    for (let group = 0; group < GROUPS - 1; group++) {
      head += PAIRS[groups[group]! >> 10]! + PAIRS[groups[group]! & 1023]!;
    }
    head += PAIRS[groups[GROUPS - 1]! >> 10]!;
  };

  return () => {
    const current = now();
    if (current > time) {
      time = current;
      timeText = encodeTime(current);
      draw();
      writeHead();
    } else {
      increment();
      if ((groups[GROUPS - 1]! & 1023) === 0) writeHead();
    }
    return head + PAIRS[groups[GROUPS - 1]! & 1023]!;
  };
}

function encodeTime(ms: number): string {
  let text = '';
  for (let left = ms, pairs = 0; pairs < 5; pairs++) {
    text = PAIRS[left % 1024]! + text;
    left = Math.floor(left / 1024);
  }
  return text;
}
