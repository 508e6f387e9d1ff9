import { decodePostings, writeVarint } from '../encoding/postings.js';
import { hashOfBytes, hashOfText } from '../encoding/text-hash.js';
import { INDEX_BLOCK_EVENTS } from '../tables/tables.js';

/**
 * The rows of `field_index`, the index by correlation id, source and type. A complete block has `PARTS` rows for each
 * of these fields. A value's hash names its row and its key in that row. A row is little endian:
 *
 * ```
 *       0 | number of keys (uint16)                                          |
 *       2 | keys (uint16 each)                                               |
 *  2 + 2n | for each key, where its sequences end in the last part (uint16)  |
 *  2 + 4n | sequences of the first key, of the second … (see postings.ts)    |
 * ```
 *
 * A key has no sequences where more than `LISTED_MAX` events of the block have it: they are found sooner by reading the
 * whole block. Values that share a key share its sequences, so a reader compares the values of the events it finds.
 */
export const CORRELATION = 0;
export const SOURCE = 1;
export const TYPE = 2;
export const FIELDS = 3;

const PART_BITS = 4;
const KEY_BITS = 16;
/** Rows of one field in a block. */
export const PARTS = 1 << PART_BITS;
export const ROWS_PER_BLOCK = FIELDS * PARTS;
/** A key with more events in a block is not listed. */
export const LISTED_MAX = INDEX_BLOCK_EVENTS / 4;

const COUNT_BYTES = 2;
const BYTES_PER_KEY = 4;
/** A distance within a block takes no more. */
const POSTING_BYTES = 2;
export const ROW_BYTES_MAX = COUNT_BYTES + (BYTES_PER_KEY + POSTING_BYTES) * INDEX_BLOCK_EVENTS;

if (INDEX_BLOCK_EVENTS > 1 << 14) {
  throw new Error(
    `sequences in a block of ${INDEX_BLOCK_EVENTS} take more than ${POSTING_BYTES} bytes`,
  );
}

/** An event that does not have the field. */
export const NO_VALUE = 0;

/** The number under which an event's value is noted: its part and its key in one, plus 1. */
export function valueOfHash(hash: number): number {
  return (hash >>> (32 - PART_BITS - KEY_BITS)) + 1;
}

export function valueOfText(text: string): number {
  return valueOfHash(hashOfText(text));
}

export function valueOfBytes(bytes: Uint8Array, start: number, end: number): number {
  return valueOfHash(hashOfBytes(bytes, start, end));
}

export function partOf(value: number): number {
  return (value - 1) >>> KEY_BITS;
}

function keyOf(value: number): number {
  return (value - 1) & ((1 << KEY_BITS) - 1);
}

/** The primary key of a row. */
export function rowIdOf(block: number, field: number, part: number): number {
  return block * ROWS_PER_BLOCK + field * PARTS + part;
}

/**
 * Appends the sequences of the events that may have the value, ascending; false if the row does not list them. Call it
 * with a row whose checksum is right.
 */
export function addSequences(
  row: Buffer,
  value: number,
  blockStart: number,
  into: number[],
): boolean {
  const key = keyOf(value);
  const count = row.readUInt16LE(0);
  const ends = COUNT_BYTES + 2 * count;
  for (let at = COUNT_BYTES; at < ends; at += 2) {
    if ((row[at]! | (row[at + 1]! << 8)) !== key) continue;
    const end = row.readUInt16LE(at + 2 * count);
    const start = at === COUNT_BYTES ? 0 : row.readUInt16LE(at + 2 * count - 2);
    const base = COUNT_BYTES + BYTES_PER_KEY * count;
    decodePostings(row.subarray(base + start, base + end), blockStart, into);
    return end > start;
  }
  return true;
}

const NONE = -1;
/** Twice as many places as a block can have values: a power of two. */
const PLACES = 2 * INDEX_BLOCK_EVENTS;
const PLACE_BITS = 31 - Math.clz32(PLACES);
/** Odd; spreads values over the places. */
const SPREAD = 0x9e3779b1;

/** Makes the rows of one field of one block from the values of its events. */
export class FieldRows {
  /** By place: the number of a value plus 1, or 0. */
  readonly #places = new Uint16Array(PLACES);
  /** By number: a value of the block, the slot of its first event, and how many events have it. */
  readonly #values = new Uint32Array(INDEX_BLOCK_EVENTS);
  readonly #first = new Int16Array(INDEX_BLOCK_EVENTS);
  readonly #events = new Uint16Array(INDEX_BLOCK_EVENTS);
  /** By slot: the slot of the next event with the same value. */
  readonly #next = new Int16Array(INDEX_BLOCK_EVENTS);
  /** By part: the numbers of its values. */
  readonly #parts: number[][] = Array.from({ length: PARTS }, () => []);
  readonly #row = Buffer.alloc(ROW_BYTES_MAX);

  /** Calls `write` with each row in the order of parts; its bytes are valid during the call. */
  make(values: Uint32Array, write: (part: number, row: Buffer) => void): void {
    this.#link(values);
    for (const [part, numbers] of this.#parts.entries()) {
      write(part, this.#row.subarray(0, this.#encode(numbers)));
    }
  }

  /** Links each value's slots, from last to first, so that the links run forwards. */
  #link(values: Uint32Array): void {
    this.#places.fill(0);
    for (const numbers of this.#parts) numbers.length = 0;
    let known = 0;
    for (let slot = INDEX_BLOCK_EVENTS - 1; slot >= 0; slot--) {
      const value = values[slot]!;
      if (value === NO_VALUE) continue;
      const number = this.#numberOf(value, known);
      if (number === known) {
        known++;
        this.#first[number] = NONE;
        this.#events[number] = 0;
        this.#parts[partOf(value)]!.push(number);
      }
      this.#next[slot] = this.#first[number]!;
      this.#first[number] = slot;
      this.#events[number]!++;
    }
  }

  /** The value's number; `known` if it is new. */
  #numberOf(value: number, known: number): number {
    let place = Math.imul(value, SPREAD) >>> (32 - PLACE_BITS);
    for (;;) {
      const found = this.#places[place]! - 1;
      if (found === NONE) break;
      if (this.#values[found] === value) return found;
      place = (place + 1) & (PLACES - 1);
    }
    this.#places[place] = known + 1;
    this.#values[known] = value;
    return known;
  }

  /** @returns the length of the row */
  #encode(numbers: readonly number[]): number {
    const row = this.#row;
    const count = numbers.length;
    const base = COUNT_BYTES + BYTES_PER_KEY * count;
    row.writeUInt16LE(count, 0);
    let at = base;
    for (let i = 0; i < count; i++) {
      const number = numbers[i]!;
      if (this.#events[number]! <= LISTED_MAX) at = this.#encodeSlots(number, at);
      row.writeUInt16LE(keyOf(this.#values[number]!), COUNT_BYTES + 2 * i);
      row.writeUInt16LE(at - base, COUNT_BYTES + 2 * (count + i));
    }
    return at;
  }

  #encodeSlots(number: number, offset: number): number {
    let at = offset;
    let previous = 0;
    for (let slot = this.#first[number]!; slot !== NONE; slot = this.#next[slot]!) {
      at = writeVarint(this.#row, at, slot - previous);
      previous = slot;
    }
    return at;
  }
}
