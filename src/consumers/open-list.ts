import { crc32 } from 'node:zlib';
import { BusError } from '../protocol/errors.js';
import { ATTEMPTS_MAX, CONSUMER_AHEAD_MAX } from '../protocol/limits/consumers.js';
import { grown } from './slot-list.js';

/**
 * The list of a lane's open events as bytes, which a shard stores in the transaction of its events.
 *
 * ```
 * version (1 byte, 1)
 * count of redriven events, then each of them, in the order of their sequences
 * the other open events, in the order of their sequences
 * CRC-32 of all before it (4 bytes, little endian)
 *
 * an event:  head = (sequence - previous sequence) * 4 + kind        previous is 0 before the first of each part
 *   kind 0   never leased
 *   kind 1   leased before              attempts · losses · time until it is due, ms (0: at once)
 *   kind 2   leased                     attempts · losses · next lease number - its own
 *                                       · BEGUN 1 | ALONE 2 | DETACHED 4 | EXPIRED 8 · if detached: time until it runs out, ms
 *   kind 3   never leased, and so many  count
 *            of the sequences behind it neither
 * ```
 *
 * Numbers are LEB128 varints. The bytes have a checksum of their own, as not every store has one for each row.
 */

const VERSION = 1;
const NEVER_LEASED = 0;
const LEASED_BEFORE = 1;
const LEASED_NOW = 2;
const RUN = 3;
const KINDS = 4;
const CHECKSUM_BYTES = 4;
/** More than an entry, a count and the checksum take. */
const ENTRY_BYTES_MAX = 64;
/** Redriven events come on top of `maxAhead`, at most as many again. */
const EVENTS_MAX = 2 * CONSUMER_AHEAD_MAX;
const LOSSES_MAX = 255;

export const STORED_BEGUN = 1;
export const STORED_ALONE = 2;
export const STORED_DETACHED = 4;
export const STORED_EXPIRED = 8;
const STORED_FLAGS = STORED_BEGUN | STORED_ALONE | STORED_DETACHED | STORED_EXPIRED;

/** Writes one list after the other into the same memory. */
export class OpenListWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;
  #previous = 0;
  /** Where the last head was written, if it is of an event that was never leased, and how many follow it. */
  #runStart = 0;
  #runCount = 0;
  #isRun = false;

  begin(redriven: number): void {
    this.#bytes[0] = VERSION;
    this.#length = 1;
    this.#varint(redriven);
    this.beginPart();
  }

  /** Behind the last redriven event. */
  beginPart(): void {
    this.#endRun();
    this.#previous = 0;
  }

  addNeverLeased(sequence: number): void {
    if (this.#isRun && sequence === this.#previous + 1) {
      this.#previous = sequence;
      this.#runCount++;
      return;
    }
    this.#endRun();
    this.#isRun = true;
    this.#runStart = sequence - this.#previous;
    this.#previous = sequence;
  }

  addLeasedBefore(sequence: number, attempts: number, losses: number, dueInMs: number): void {
    this.#head(sequence, LEASED_BEFORE);
    this.#varint(attempts);
    this.#varint(losses);
    this.#varint(dueInMs);
  }

  addLeased(
    sequence: number,
    attempts: number,
    losses: number,
    leaseBehind: number,
    flags: number,
    dueInMs: number,
  ): void {
    this.#head(sequence, LEASED_NOW);
    this.#varint(attempts);
    this.#varint(losses);
    this.#varint(leaseBehind);
    this.#varint(flags);
    if ((flags & STORED_DETACHED) !== 0) this.#varint(dueInMs);
  }

  /** The list's bytes, valid until the next `begin`. */
  end(): Uint8Array {
    this.#endRun();
    this.#reserve();
    const body = this.#bytes.subarray(0, this.#length);
    new DataView(this.#bytes.buffer).setUint32(this.#length, crc32(body), true);
    return this.#bytes.subarray(0, this.#length + CHECKSUM_BYTES);
  }

  #head(sequence: number, kind: number): void {
    this.#endRun();
    this.#varint((sequence - this.#previous) * KINDS + kind);
    this.#previous = sequence;
  }

  #endRun(): void {
    if (!this.#isRun) return;
    const count = this.#runCount;
    this.#isRun = false;
    this.#runCount = 0;
    this.#varint(this.#runStart * KINDS + (count === 0 ? NEVER_LEASED : RUN));
    if (count > 0) this.#varint(count);
  }

  #varint(value: number): void {
    if (this.#length + ENTRY_BYTES_MAX > this.#bytes.length) this.#reserve();
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(): void {
    if (this.#length + ENTRY_BYTES_MAX <= this.#bytes.length) return;
    this.#bytes = grown(this.#bytes, 2 * this.#bytes.length);
  }
}

/** Reads the list's events one after the other: `next`, then the fields. */
export class OpenListReader {
  sequence = 0;
  isRedriven = false;
  isLeased = false;
  attempts = 0;
  losses = 0;
  /** Of a leased event: the next lease number less its own. */
  leaseBehind = 0;
  flags = 0;
  dueInMs = 0;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at = 1;
  #redrivenLeft: number;
  #runLeft = 0;
  #count = 0;

  /** @throws BusError `STORE_CORRUPT`, also from `next` */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length - CHECKSUM_BYTES;
    if (this.#end < 2) throw corrupt(`has ${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const body = bytes.subarray(0, this.#end);
    if (view.getUint32(this.#end, true) !== crc32(body)) throw corrupt('fails its checksum');
    if (bytes[0] !== VERSION) throw corrupt(`has version ${bytes[0]}`);
    this.#redrivenLeft = this.#varint();
  }

  /** The next event's fields, or false at the end. */
  next(): boolean {
    if (this.#runLeft > 0) {
      this.#runLeft--;
      this.#step(1);
      return true;
    }
    if (this.#at === this.#end) {
      if (this.#redrivenLeft > 0) throw corrupt('ends before its last event');
      return false;
    }
    this.#startPart();
    const head = this.#varint();
    const kind = head % KINDS;
    this.attempts = 0;
    this.losses = 0;
    this.leaseBehind = 0;
    this.flags = 0;
    this.dueInMs = 0;
    this.#step((head - kind) / KINDS);
    this.isLeased = kind === LEASED_NOW;
    if (kind === RUN) this.#runLeft = this.#bounded(EVENTS_MAX, 'so many events');
    else if (kind !== NEVER_LEASED) this.#readAttempts();
    return true;
  }

  #readAttempts(): void {
    this.attempts = this.#bounded(ATTEMPTS_MAX, 'so many attempts');
    this.losses = this.#bounded(LOSSES_MAX, 'so many losses');
    if (!this.isLeased) {
      this.dueInMs = this.#varint();
      return;
    }
    this.leaseBehind = this.#varint();
    this.flags = this.#bounded(STORED_FLAGS, 'a flag');
    if ((this.flags & STORED_DETACHED) !== 0) this.dueInMs = this.#varint();
  }

  /** The first part ends with its last event, or where the last one of its last run was. */
  #startPart(): void {
    if (this.isRedriven && this.#redrivenLeft === 0) this.sequence = 0;
    this.isRedriven = this.#redrivenLeft > 0;
  }

  #step(distance: number): void {
    this.sequence += distance;
    if (distance < 1 || !Number.isSafeInteger(this.sequence)) throw corrupt('has no such sequence');
    if (++this.#count > EVENTS_MAX) throw corrupt('has too many events');
    if (!this.isRedriven) return;
    if (this.#redrivenLeft === 0) throw corrupt('has too many redriven events');
    this.#redrivenLeft--;
  }

  #bounded(most: number, noun: string): number {
    const value = this.#varint();
    if (value > most) throw corrupt(`has ${noun} (${value})`);
    return value;
  }

  #varint(): number {
    let value = 0;
    let unit = 1;
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (Number.isSafeInteger(value)) return value;
        break;
      }
      unit *= 0x80;
      if (unit > Number.MAX_SAFE_INTEGER) break;
    }
    throw corrupt(`has a number cut off at byte ${this.#at}`);
  }
}

function corrupt(what: string): BusError {
  return new BusError('STORE_CORRUPT', `a consumer's list of open events ${what}`);
}
