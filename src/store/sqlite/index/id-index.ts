import type { Database, Statement } from '../driver/driver.js';
import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';

/**
 * Which events may have an id: for each complete block of the topic index one row more, with a 32-bit hash of the id of each
 * of its sequences, in their order. It costs an append one hash, and a block 64 KiB; whoever looks for an id goes through the
 * hashes of a block in microseconds, and reads the few events whose hash is the same. A block without the row is one that is not
 * complete, that was written before there were such rows, or of which so little is left that its rows are as quickly read.
 */

/** In the place of a topic. */
export const IDS = -1;
/** Fewer rows than this are looked at one by one. */
export const SPARSE_BLOCK_EVENTS = INDEX_BLOCK_EVENTS / 16;
const HASH_BYTES = Int32Array.BYTES_PER_ELEMENT;
export const ID_HASHES_BYTES = INDEX_BLOCK_EVENTS * HASH_BYTES;

/**
 * MurmurHash3_x86_32 with the seed 0 (Austin Appleby: https://github.com/aappleby/smhasher) of an id's bytes. Part of the format.
 * Four bytes at a time: the hash of the text, a character at a time, cost an append three per cent of its time.
 */
export function idHashOfBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash ^= scrambled(word);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let last = end - 1; last >= at; last--) rest = (rest << 8) | bytes[last]!;
  hash ^= scrambled(rest);
  hash ^= end - start;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** The same of an id as text: ids are ASCII. */
export function idHash(id: string): number {
  return idHashOfBytes(Buffer.from(id, 'latin1'), 0, id.length);
}

function scrambled(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/** A row as it is stored: the checksum stands where other rows count their bytes. */
export type IdHashesRow = [checksum: number, hashes: Buffer];

export function checksumOf(hashes: Int32Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < hashes.length; i++) hash = Math.imul(hash ^ hashes[i]!, 0x01000193);
  return hash >>> 0;
}

/** The hashes, by sequence less the block's first; `undefined` where they are not what was written. */
export function decodeIdHashes([checksum, bytes]: IdHashesRow): Int32Array | undefined {
  if (bytes.length !== ID_HASHES_BYTES) return undefined;
  // A copy begins where an integer may.
  const hashes = new Int32Array(new Uint8Array(bytes).buffer);
  return checksumOf(hashes) === checksum ? hashes : undefined;
}

export const SELECT_ID_HASHES = `SELECT bytes, sequences FROM topic_index WHERE block = ? AND topic = ${IDS}`;

export class IdIndexReader {
  readonly #hashes: Statement<[number], IdHashesRow>;
  readonly #rows: Statement<[number, number, string], number>;

  constructor(database: Database) {
    this.#hashes = database.prepare<[number], IdHashesRow>(SELECT_ID_HASHES).raw();
    this.#rows = database
      .prepare<[number, number, string], number>(
        'SELECT sequence FROM events WHERE sequence > ? AND sequence <= ? AND id = ? ' +
          'ORDER BY sequence',
      )
      .pluck();
  }

  /** Those in `(after, until]`, which lies within the block, that may have the id; ascending. */
  sequences(block: number, after: number, until: number, id: string): number[] {
    const row = this.#hashes.get(block);
    const hashes = row && decodeIdHashes(row);
    // Damaged ones are for `verify` to tell of; the rows have checksums of their own.
    if (hashes === undefined) return this.#rows.all(after, until, id);
    const hash = idHash(id);
    const start = block * INDEX_BLOCK_EVENTS;
    const found: number[] = [];
    for (let at = hashes.indexOf(hash, after + 1 - start); at >= 0 && start + at <= until; ) {
      found.push(start + at);
      at = hashes.indexOf(hash, at + 1);
    }
    return found;
  }
}
