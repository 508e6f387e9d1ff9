/**
 * The records of the publish ring besides the plain PUBLISH (`link-records.ts`). Integers are little endian; every body
 * starts 8-byte aligned.
 *
 * ```
 * PUBLISH_ON_TERMS   terms · event record
 * GROUP              i32 count · i32 verdict · i32 member · i32 index · f64 sequence · f64 lease
 *                    · count × { terms · event record · padding to 8 }
 *
 * terms              i32 flags · i32 verdict · f64 expected, or time · f64 found
 * ```
 *
 * A group is one record, so that a ring, a batch and a thread's death have it whole or not at all. If `member` is not 0,
 * the group also acknowledges that member's lease.
 *
 * The endpoint writes the verdict as ACCEPTED. The shard overwrites it each time that it takes the record into a batch,
 * before the commit, so that a successor of its thread learns from the ring how the committed batch was judged. `found`
 * is the sequence that the judgement rests on, or the time until which the publish waits, `index` the event of the
 * group that was refused.
 */
import { EventRecordView } from '../record/event-record.js';
import { PUBLISH } from './link-records.js';

export const PUBLISH_ON_TERMS = PUBLISH + 1;
export const GROUP = PUBLISH_ON_TERMS + 1;

/** The topic's last event has to have the sequence `expected`; 0: the topic has to have none. */
export const TERMS_EXPECT = 1;

/** The publish becomes an event at a time, ms since 1970, which stands in the place of `expected`. */
export const TERMS_DELIVER_AT = 2;

/** The verdicts. */
export const ACCEPTED = 0;
/** The topic's last event is not the one that was expected, but `found`. */
export const NOT_EXPECTED = 1;
/** The event at `index` is stored already, as `found`, and not as a part of this group. */
export const STORED_APART = 2;
/** The member's lease has ended. */
export const LEASE_ENDED = 3;
/** Accepted: it waits until `found`. */
export const WAITS = 4;
/** Accepted: it repeats a publish that waits until `found`. */
export const REPEATS_WAITING = 5;
/** As many publishes wait as may. */
export const TOO_MANY_WAITING = 6;
/** The event at `index` waits already, until `found`, and not all of its group does. */
export const WAITS_APART = 7;

export const TERMS_FLAGS = 0;
export const TERMS_VERDICT = TERMS_FLAGS + 4;
export const TERMS_EXPECTED = TERMS_VERDICT + 4;
export const TERMS_FOUND = TERMS_EXPECTED + 8;
export const TERMS_LENGTH = TERMS_FOUND + 8;

const GROUP_COUNT = 0;
const GROUP_VERDICT = GROUP_COUNT + 4;
const GROUP_MEMBER = GROUP_VERDICT + 4;
const GROUP_INDEX = GROUP_MEMBER + 4;
const GROUP_SEQUENCE = GROUP_INDEX + 4;
const GROUP_LEASE = GROUP_SEQUENCE + 8;
export const GROUP_HEAD_LENGTH = GROUP_LEASE + 8;

if (TERMS_LENGTH !== 24 || GROUP_HEAD_LENGTH !== 32) {
  throw new Error(`terms have ${TERMS_LENGTH} bytes, a group's head ${GROUP_HEAD_LENGTH}`);
}

/** The bytes that an event record of this length takes in a group. */
export function groupItemLength(recordLength: number): number {
  return (TERMS_LENGTH + recordLength + 7) & ~7;
}

/** The lease that a group acknowledges. */
export interface GroupAck {
  readonly member: number;
  readonly sequence: number;
  readonly lease: number;
}

/** The terms of a publish: one of the two, or none. */
export interface PublishTerms {
  /** The sequence of the topic's last event, 0 for none; `undefined`: any. */
  readonly expected?: number | undefined;
  /** When the publish becomes an event, ms since 1970; `undefined`: at once. */
  readonly deliverAt?: number | undefined;
}

export function writeTerms(
  bytes: Buffer,
  offset: number,
  { expected, deliverAt }: PublishTerms,
): void {
  const flag = deliverAt !== undefined ? TERMS_DELIVER_AT : TERMS_EXPECT;
  const value = deliverAt ?? expected;
  bytes.writeInt32LE(value === undefined ? 0 : flag, offset + TERMS_FLAGS);
  bytes.writeInt32LE(ACCEPTED, offset + TERMS_VERDICT);
  bytes.writeDoubleLE(value ?? 0, offset + TERMS_EXPECTED);
  bytes.writeDoubleLE(0, offset + TERMS_FOUND);
}

export function writeGroupHead(bytes: Buffer, offset: number, count: number, ack?: GroupAck): void {
  bytes.writeInt32LE(count, offset + GROUP_COUNT);
  bytes.writeInt32LE(ACCEPTED, offset + GROUP_VERDICT);
  bytes.writeInt32LE(ack?.member ?? 0, offset + GROUP_MEMBER);
  bytes.writeInt32LE(0, offset + GROUP_INDEX);
  bytes.writeDoubleLE(ack?.sequence ?? 0, offset + GROUP_SEQUENCE);
  bytes.writeDoubleLE(ack?.lease ?? 0, offset + GROUP_LEASE);
}

/** A view of terms in place; wrap it around one record after another. */
export class TermsView {
  bytes: Buffer = Buffer.alloc(0);
  offset = 0;

  wrap(bytes: Buffer, offset: number): this {
    this.bytes = bytes;
    this.offset = offset;
    return this;
  }

  /** The sequence that the topic's last event has to have, 0 for none; `undefined`: any. */
  get expected(): number | undefined {
    const flags = this.bytes.readInt32LE(this.offset + TERMS_FLAGS);
    if ((flags & TERMS_EXPECT) === 0) return undefined;
    return this.bytes.readDoubleLE(this.offset + TERMS_EXPECTED);
  }

  /** When the publish becomes an event, ms since 1970; `undefined`: at once. */
  get deliverAt(): number | undefined {
    const flags = this.bytes.readInt32LE(this.offset + TERMS_FLAGS);
    if ((flags & TERMS_DELIVER_AT) === 0) return undefined;
    return this.bytes.readDoubleLE(this.offset + TERMS_EXPECTED);
  }

  get verdict(): number {
    return this.bytes.readInt32LE(this.offset + TERMS_VERDICT);
  }

  get found(): number {
    return this.bytes.readDoubleLE(this.offset + TERMS_FOUND);
  }

  judge(verdict: number, found: number): void {
    this.bytes.writeInt32LE(verdict, this.offset + TERMS_VERDICT);
    this.bytes.writeDoubleLE(found, this.offset + TERMS_FOUND);
  }

  /** Where the event record begins. */
  get eventOffset(): number {
    return this.offset + TERMS_LENGTH;
  }
}

/** A view of a group in place. `wrap` throws a `RangeError` if its events end anywhere but at its end. */
export class GroupView {
  bytes: Buffer = Buffer.alloc(0);
  /** The offsets of the events' terms. */
  readonly items: number[] = [];
  #offset = 0;
  readonly #event = new EventRecordView();

  wrap(bytes: Buffer, offset: number, length: number): this {
    this.bytes = bytes;
    this.#offset = offset;
    const { items } = this;
    items.length = 0;
    const count = bytes.readInt32LE(offset + GROUP_COUNT);
    const end = offset + length;
    let at = offset + GROUP_HEAD_LENGTH;
    while (items.length < count && at + TERMS_LENGTH < end) {
      items.push(at);
      at += groupItemLength(this.#event.wrap(bytes, at + TERMS_LENGTH).length);
    }
    if (count < 1 || items.length !== count || at !== end) {
      throw new RangeError(`a group of ${count} events has ${at - offset} bytes, not ${length}`);
    }
    return this;
  }

  get count(): number {
    return this.items.length;
  }

  get verdict(): number {
    return this.bytes.readInt32LE(this.#offset + GROUP_VERDICT);
  }

  /** The event that was refused. */
  get index(): number {
    return this.bytes.readInt32LE(this.#offset + GROUP_INDEX);
  }

  /** Writes why the group is refused, and because of which of its events. */
  judge(verdict: number, index = 0): void {
    this.bytes.writeInt32LE(verdict, this.#offset + GROUP_VERDICT);
    this.bytes.writeInt32LE(index, this.#offset + GROUP_INDEX);
  }

  /** The member that acknowledges; 0: nobody does. */
  get member(): number {
    return this.bytes.readInt32LE(this.#offset + GROUP_MEMBER);
  }

  /** Of the acknowledged event. */
  get sequence(): number {
    return this.bytes.readDoubleLE(this.#offset + GROUP_SEQUENCE);
  }

  get lease(): number {
    return this.bytes.readDoubleLE(this.#offset + GROUP_LEASE);
  }
}
