/**
 * A message of a shard's journal of consumers in its stream. Pure.
 *
 * ```
 *  0  u8   kind
 *  1  u8   flags: 1 the first of its entry, 2 the last of it
 *  2  u16  shard
 *  4  f64  number: the owner's messages, from 1 on
 * 12  26   owner, a ULID
 * 38       a piece of the entry
 * ```
 *
 * Integers are little endian. An entry counts once its last message is there, and a snapshot once its end is.
 */
import { BusError } from '../../../protocol/errors.js';

/** Whoever takes the journal begins with it. */
export const TAKEN = 1;
export const ENTRY = 2;
export const SNAPSHOT = 3;
export const SNAPSHOT_ENTRY = 4;
export const SNAPSHOT_END = 5;

const FIRST = 1;
const LAST = 2;

const KIND = 0;
const FLAGS = 1;
const SHARD = 2;
const NUMBER = 4;
const OWNER = 12;
const OWNER_BYTES = 26;
export const HEAD_BYTES = OWNER + OWNER_BYTES;

export interface JournalMessage {
  readonly kind: number;
  readonly shard: number;
  readonly owner: string;
  readonly number: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly piece: Uint8Array;
}

export function encodeMessage(message: JournalMessage): Buffer {
  const { kind, shard, owner, number, isFirst, isLast, piece } = message;
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + piece.length);
  bytes[KIND] = kind;
  bytes[FLAGS] = (isFirst ? FIRST : 0) | (isLast ? LAST : 0);
  bytes.writeUInt16LE(shard, SHARD);
  bytes.writeDoubleLE(number, NUMBER);
  bytes.write(owner, OWNER, OWNER_BYTES, 'latin1');
  bytes.set(piece, HEAD_BYTES);
  return bytes;
}

/** Undefined for a message of anybody else's. */
export function decodeMessage(data: Uint8Array): JournalMessage | undefined {
  if (data.length < HEAD_BYTES) return undefined;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const flags = bytes[FLAGS]!;
  return {
    kind: bytes[KIND]!,
    shard: bytes.readUInt16LE(SHARD),
    owner: bytes.toString('latin1', OWNER, HEAD_BYTES),
    number: bytes.readDoubleLE(NUMBER),
    isFirst: (flags & FIRST) !== 0,
    isLast: (flags & LAST) !== 0,
    piece: data.subarray(HEAD_BYTES),
  };
}

/** Makes entries of a journal's messages, which come in order. */
export class JournalReading {
  #entries: Uint8Array[] = [];
  /** The entries of a snapshot whose end has not come yet, and whether messages before it are missing. */
  #snapshot: { readonly entries: Uint8Array[]; readonly hadHole: boolean } | undefined;
  #pieces: Uint8Array[] = [];
  #before: JournalMessage | undefined;
  #hasHole = false;

  add(message: JournalMessage): void {
    // A snapshot that is made meanwhile replaces messages that were to be read: it follows, whole.
    if (!this.#follows(message)) this.#hasHole = true;
    this.#before = message;
    const { kind } = message;
    if (kind === SNAPSHOT_ENTRY) {
      if (this.#snapshot !== undefined) this.#take(message, this.#snapshot.entries);
    } else if (kind === SNAPSHOT_END) {
      if (this.#snapshot !== undefined) this.#entries = this.#snapshot.entries;
      this.#snapshot = undefined;
    } else {
      this.#forgetSnapshot();
      if (kind === SNAPSHOT) this.#beginSnapshot();
      else if (kind === ENTRY) this.#take(message, this.#entries);
    }
  }

  /** @throws BusError `STORE_CORRUPT` if some of them are gone */
  entries(stream: string): readonly Uint8Array[] {
    this.#forgetSnapshot();
    if (!this.#hasHole) return this.#entries;
    const message = `natsStore: stream ${stream} has lost messages of the journal of consumers`;
    throw new BusError('STORE_CORRUPT', message, { details: { stream } });
  }

  #follows({ kind, owner, number }: JournalMessage): boolean {
    if (this.#before?.owner === owner) return number === this.#before.number + 1;
    return kind === TAKEN || (kind === SNAPSHOT && this.#before === undefined);
  }

  #beginSnapshot(): void {
    this.#snapshot = { entries: [], hadHole: this.#hasHole };
    this.#hasHole = false;
  }

  /** It has no end: its owner has died, or the broker had no room. */
  #forgetSnapshot(): void {
    if (this.#snapshot?.hadHole === true) this.#hasHole = true;
    this.#snapshot = undefined;
  }

  #take({ piece, isFirst, isLast }: JournalMessage, entries: Uint8Array[]): void {
    if (isFirst) this.#pieces = [];
    this.#pieces.push(piece);
    if (isLast) entries.push(this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces));
  }
}
