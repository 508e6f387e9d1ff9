/**
 * Records of events that will be leased soon, so that nobody reads them from the log once more, one by one. They are
 * copied into chunks. A record goes when it was used as often as it was wanted; the oldest chunk goes when there are too
 * many bytes. Only the shard's loop touches this.
 */
import { KIB } from '../../../protocol/limits/units.js';
import type { FoundEvent } from './found-event.js';

const CHUNK_BYTES = 256 * KIB;

interface Chunk {
  readonly bytes: Buffer;
  used: number;
  readonly sequences: number[];
  /** How many of its records are still wanted. */
  left: number;
}

interface Kept extends FoundEvent {
  readonly chunk: Chunk;
  wanted: number;
}

export class RecordCache {
  readonly #bytesMax: number;
  readonly #records = new Map<number, Kept>();
  #chunks: Chunk[] = [];
  #bytes = 0;
  /** A chunk that was emptied, to be filled anew. */
  #spare: Buffer | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether a record finds room among so many bytes, with none given up for it. */
  hasRoom(length: number, bytesMax: number): boolean {
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.bytes.length - last.used >= length) return true;
    return this.#bytes + Math.max(CHUNK_BYTES, length) <= bytesMax;
  }

  /** Keeps a copy for one more use. */
  add(sequence: number, bytes: Buffer, offset: number, length: number): void {
    if (length > this.#bytesMax) return;
    const known = this.#records.get(sequence);
    if (known !== undefined) {
      known.wanted++;
      return;
    }
    const chunk = this.#chunkFor(length);
    const at = chunk.used;
    bytes.copy(chunk.bytes, at, offset, offset + length);
    chunk.used += length;
    chunk.left++;
    chunk.sequences.push(sequence);
    this.#records.set(sequence, { bytes: chunk.bytes, offset: at, length, chunk, wanted: 1 });
  }

  find(sequence: number): FoundEvent | undefined {
    return this.#records.get(sequence);
  }

  /** One who wanted the record has used it, or wants it no more. */
  used(sequence: number): void {
    const record = this.#records.get(sequence);
    if (record === undefined || --record.wanted > 0) return;
    this.#records.delete(sequence);
    const { chunk } = record;
    // The last chunk is being filled.
    if (--chunk.left > 0 || chunk === this.#chunks.at(-1)) return;
    this.#chunks.splice(this.#chunks.indexOf(chunk), 1);
    this.#bytes -= chunk.bytes.length;
    if (chunk.bytes.length === CHUNK_BYTES) this.#spare = chunk.bytes;
  }

  clear(): void {
    this.#records.clear();
    this.#chunks = [];
    this.#bytes = 0;
  }

  #chunkFor(length: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.bytes.length - last.used >= length) return last;
    const bytes = this.#bytesFor(length);
    const chunk = { bytes, used: 0, sequences: [], left: 0 };
    if (last?.left === 0) {
      this.#chunks.pop();
      this.#bytes -= last.bytes.length;
    }
    this.#chunks.push(chunk);
    this.#bytes += bytes.length;
    while (this.#bytes > this.#bytesMax && this.#chunks.length > 1) this.#dropOldest();
    return chunk;
  }

  #bytesFor(length: number): Buffer {
    const spare = this.#spare;
    if (length > CHUNK_BYTES || spare === undefined) {
      return Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, length));
    }
    this.#spare = undefined;
    return spare;
  }

  #dropOldest(): void {
    const { bytes, sequences } = this.#chunks.shift()!;
    this.#bytes -= bytes.length;
    for (const sequence of sequences) {
      if (this.#records.get(sequence)?.bytes === bytes) this.#records.delete(sequence);
    }
  }
}
