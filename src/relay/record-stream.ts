/**
 * The records of one endpoint's link, as a stream of bytes that goes in pieces, with a bound on what is under way: a slow
 * endpoint holds up its own records and no others.
 *
 * ```
 * u32 type · u32 length · bytes of the record, one after the other
 * ```
 */
import { Queue } from '../collections/queue.js';
import { RELAY_PIECE_BYTES, RELAY_WINDOW_BYTES } from '../protocol/limits/relay.js';

const LENGTH_OFFSET = 4;
const HEAD_BYTES = 8;

/** Sends the pieces of a stream, with at most `RELAY_WINDOW_BYTES` of them under way. */
export class RecordOutlet {
  readonly #send: (piece: Buffer) => void;
  readonly #pieceBytes: number;
  readonly #pieces = new Queue<Buffer>();
  #waitingBytes = 0;
  #sentBytes = 0;
  #takenBytes = 0;

  /** @param pieceBytes the longest piece */
  constructor(send: (piece: Buffer) => void, pieceBytes = RELAY_PIECE_BYTES) {
    this.#send = send;
    this.#pieceBytes = pieceBytes;
  }

  /** False while records should be left where they are. */
  get hasRoom(): boolean {
    return this.#waitingBytes < RELAY_WINDOW_BYTES;
  }

  /** Copies the record, which may be longer than the window. */
  add(type: number, bytes: Buffer, offset: number, length: number): Buffer {
    const record = Buffer.allocUnsafe(HEAD_BYTES + length);
    record.writeUInt32LE(type);
    record.writeUInt32LE(length, LENGTH_OFFSET);
    bytes.copy(record, HEAD_BYTES, offset, offset + length);
    for (let at = 0; at < record.length; at += this.#pieceBytes) {
      this.#pieces.push(record.subarray(at, at + this.#pieceBytes));
    }
    this.#waitingBytes += record.length;
    // Its body, for who has to change it before `flush`.
    return record.subarray(HEAD_BYTES);
  }

  /** The other side has taken so many bytes so far. */
  taken(bytes: number): void {
    this.#takenBytes = Math.max(this.#takenBytes, bytes);
  }

  /** Sends what the window allows; small records share a piece. */
  flush(): void {
    while (this.#pieces.length > 0 && this.#sentBytes - this.#takenBytes < RELAY_WINDOW_BYTES) {
      const parts: Buffer[] = [];
      let bytes = 0;
      for (let next = this.#pieces.peek(); next !== undefined; next = this.#pieces.peek()) {
        if (parts.length > 0 && bytes + next.length > this.#pieceBytes) break;
        parts.push(next);
        bytes += next.length;
        this.#pieces.shift();
      }
      this.#waitingBytes -= bytes;
      this.#sentBytes += bytes;
      this.#send(parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes));
    }
  }
}

/** A record that has arrived whole. */
export interface ArrivedRecord {
  readonly type: number;
  readonly bytes: Buffer;
}

/** Puts the pieces of a stream together again. */
export class RecordInlet {
  readonly #records = new Queue<ArrivedRecord>();
  /** Of the record that has not arrived whole. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** How many bytes it takes to go on: a head, or the head and its record. */
  #span = HEAD_BYTES;
  #receivedBytes = 0;
  #waitingBytes = 0;
  #toldBytes = 0;

  push(piece: Buffer): void {
    this.#receivedBytes += piece.length;
    // A copy: the message's memory may be used again.
    this.#parts.push(Buffer.from(piece));
    this.#partBytes += piece.length;
    while (this.#partBytes >= this.#span) {
      const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
      this.#parts = [bytes];
      if (this.#span === HEAD_BYTES) this.#span += bytes.readUInt32LE(LENGTH_OFFSET);
      if (this.#partBytes >= this.#span) this.#complete(bytes);
    }
  }

  #complete(bytes: Buffer): void {
    const span = this.#span;
    this.#records.push({ type: bytes.readUInt32LE(), bytes: bytes.subarray(HEAD_BYTES, span) });
    this.#waitingBytes += span;
    this.#partBytes -= span;
    this.#parts = this.#partBytes === 0 ? [] : [bytes.subarray(span)];
    this.#span = HEAD_BYTES;
  }

  get next(): ArrivedRecord | undefined {
    return this.#records.peek();
  }

  shift(): void {
    const record = this.#records.shift();
    if (record !== undefined) this.#waitingBytes -= HEAD_BYTES + record.bytes.length;
  }

  /**
   * How many bytes were taken so far, if the sender should be told; else undefined. What is there of a record that is longer
   * than the window counts as taken, or its rest would never come.
   */
  takenToTell(): number | undefined {
    const taken = this.#receivedBytes - this.#waitingBytes;
    if (taken - this.#toldBytes < RELAY_WINDOW_BYTES / 4) return undefined;
    this.#toldBytes = taken;
    return taken;
  }
}
