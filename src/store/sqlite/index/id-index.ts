import type { Database, Statement } from '../driver/driver.js';
import { hashOfText } from '../encoding/text-hash.js';
import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';

/**
 * Finds events by their id: each complete block of the topic index has one more row, with a 32-bit hash of the id of
 * each of its sequences, in their order. It costs an append one hash, and a block 64 KiB. A search goes through the
 * hashes of a block in microseconds and reads the few events with the same hash. A block without such a row is
 * incomplete, was written before there were such rows, or has so few events left that its rows are read as quickly.
 */

/** Stands in place of a topic in these rows. */
export const IDS = -1;
const HASH_BYTES = Int32Array.BYTES_PER_ELEMENT;
export const ID_HASHES_BYTES = INDEX_BLOCK_EVENTS * HASH_BYTES;

/** A row as it is stored. Its column `bytes` holds the checksum of the hashes. */
export type IdHashesRow = [checksum: number, hashes: Buffer];

export function checksumOf(hashes: Int32Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < hashes.length; i++) hash = Math.imul(hash ^ hashes[i]!, 0x01000193);
  return hash >>> 0;
}

/** The hashes, indexed by sequence minus the block's first; `undefined` if the row is damaged. */
export function decodeIdHashes([checksum, bytes]: IdHashesRow): Int32Array | undefined {
  if (bytes.length !== ID_HASHES_BYTES) return undefined;
  // A copy is aligned for integers.
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

  /** The sequences in `(after, until]`, a range within the block, that may have the id; ascending. */
  sequences(block: number, after: number, until: number, id: string): number[] {
    const row = this.#hashes.get(block);
    const hashes = row && decodeIdHashes(row);
    // Without sound hashes the rows are searched, which have checksums of their own. `verify` reports damaged hashes.
    if (hashes === undefined) return this.#rows.all(after, until, id);
    const hash = hashOfText(id);
    const start = block * INDEX_BLOCK_EVENTS;
    const found: number[] = [];
    for (let at = hashes.indexOf(hash, after + 1 - start); at >= 0 && start + at <= until; ) {
      found.push(start + at);
      at = hashes.indexOf(hash, at + 1);
    }
    return found;
  }
}
