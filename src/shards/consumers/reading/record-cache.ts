/**
 * Records of events that were read ahead and are not leased yet, so that nobody reads them from the log once more, one by
 * one. They are copied into chunks; the oldest chunk goes when there are too many bytes. Only the shard's loop touches
 * this.
 */
import { KIB } from '../../../protocol/limits/units.js';
import type { FoundEvent } from './found-event.js';

const CHUNK_BYTES = 256 * KIB;

interface Chunk {
  readonly bytes: Buffer;
  used: number;
  readonly sequences: number[];
}

export class RecordCache {
  readonly #bytesMax: number;
  readonly #records = new Map<number, FoundEvent>();
  #chunks: Chunk[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Keeps a copy. */
  add(sequence: number, bytes: Buffer, offset: number, length: number): void {
    if (length > this.#bytesMax || this.#records.has(sequence)) return;
    const chunk = this.#chunkFor(length);
    const at = chunk.used;
    bytes.copy(chunk.bytes, at, offset, offset + length);
    chunk.used += length;
    chunk.sequences.push(sequence);
    this.#records.set(sequence, { bytes: chunk.bytes, offset: at, length });
  }

  find(sequence: number): FoundEvent | undefined {
    return this.#records.get(sequence);
  }

  clear(): void {
    this.#records.clear();
    this.#chunks = [];
    this.#bytes = 0;
  }

  #chunkFor(length: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.bytes.length - last.used >= length) return last;
    const bytes = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, length));
    const chunk = { bytes, used: 0, sequences: [] };
    this.#chunks.push(chunk);
    this.#bytes += bytes.length;
    while (this.#bytes > this.#bytesMax && this.#chunks.length > 1) this.#dropOldest();
    return chunk;
  }

  #dropOldest(): void {
    const { bytes, sequences } = this.#chunks.shift()!;
    this.#bytes -= bytes.length;
    for (const sequence of sequences) this.#records.delete(sequence);
  }
}
