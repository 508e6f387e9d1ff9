import type { EventRow } from './event-row.js';
import type { RowDecoder } from './row-decoder.js';

/**
 * A buffer of consecutive event records, each made from a row. It grows by doubling and is reused from read to read.
 */
export class RecordBuffer {
  readonly #decoder: RowDecoder;
  readonly #prefixBytes: number;
  #bytes: Buffer;
  #length = 0;
  #offset = 0;

  /** `prefixBytes` are kept free before each record, for the caller. */
  constructor(decoder: RowDecoder, bytes: number, prefixBytes = 0) {
    this.#decoder = decoder;
    this.#prefixBytes = prefixBytes;
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Where the last record begins. */
  get offset(): number {
    return this.#offset;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Adds the row's record and returns its length. */
  add(row: EventRow): number {
    const measured = this.#decoder.measure(row);
    this.#offset = this.#length + this.#prefixBytes;
    this.#reserve(this.#offset + measured);
    const length = this.#decoder.write(row, this.#bytes, this.#offset);
    this.#length = this.#offset + length;
    return length;
  }

  /** Checks the row against its checksum, and adds nothing; reads no payload file. @throws BusError `STORE_CORRUPT` */
  check(row: EventRow): void {
    const measured = this.#decoder.measure(row) - this.#decoder.bytesInFile;
    this.#reserve(this.#length + measured);
    this.#decoder.check(row, this.#bytes, this.#length);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
