import {
  CONTROL_MEMBER,
  LEASE_ATTEMPT,
  LEASE_DEADLINE,
  LEASE_FLAGS,
  LEASE_LEASE,
  LEASE_MEMBER,
  LEASE_SEQUENCE,
  REASON_LENGTH,
  REASON_NUMBER,
  REASON_TEXT,
  SETTLE_COUNT,
  SETTLE_FIRST,
  SETTLE_HEAD_LENGTH,
  SETTLED_COUNT,
  SETTLED_MEMBER,
  SETTLED_REFUSED,
  SETTLED_THROUGH,
  SETTLEMENT_DELAY,
  SETTLEMENT_KIND,
  SETTLEMENT_LEASE,
  SETTLEMENT_LENGTH,
  SETTLEMENT_SEQUENCE,
  SUPPLY_COUNT,
  SUPPLY_LEASE,
  SUPPLY_LOST,
  SUPPLY_MEMBER,
  SUPPLY_SEQUENCE,
  SUPPLY_WHAT,
  TOKENS_CONCURRENCY,
  TOKENS_COUNT,
} from './consumer-records.js';
import { CONTROL_GENERATION } from './link-records.js';

/**
 * Writes the records of durable consumers (`consumer-records.ts`) into claimed room: the body begins at `offset`, and is as
 * long as the function or constant beside the writer says.
 */
/** What an endpoint says of one lease. */
export interface Settlement {
  readonly sequence: number;
  readonly lease: number;
  readonly kind: number;
  /** ms, or `DELAY_OF_BACKOFF`. */
  readonly delayMs: number;
}

/** Who writes a control record, and for whom. */
export interface ControlHead {
  readonly generation: number;
  readonly member: number;
}

export function settleRecordLength(count: number): number {
  return SETTLE_HEAD_LENGTH + count * SETTLEMENT_LENGTH;
}

/** Writes 1 to `SETTLEMENTS_PER_RECORD` consecutive settlements, of which the first has the number `first`. */
export function writeSettle(
  bytes: Buffer,
  offset: number,
  head: ControlHead,
  first: number,
  settlements: readonly Settlement[],
): void {
  writeHead(bytes, offset, head);
  bytes.writeInt32LE(settlements.length, offset + SETTLE_COUNT);
  bytes.writeInt32LE(0, offset + SETTLE_COUNT + 4);
  bytes.writeDoubleLE(first, offset + SETTLE_FIRST);
  let at = offset + SETTLE_HEAD_LENGTH;
  for (const { sequence, lease, kind, delayMs } of settlements) {
    bytes.writeDoubleLE(sequence, at + SETTLEMENT_SEQUENCE);
    bytes.writeDoubleLE(lease, at + SETTLEMENT_LEASE);
    bytes.writeUInt32LE(kind, at + SETTLEMENT_KIND);
    bytes.writeUInt32LE(delayMs, at + SETTLEMENT_DELAY);
    at += SETTLEMENT_LENGTH;
  }
}

export function reasonRecordLength(text: string): number {
  return REASON_TEXT + Buffer.byteLength(text);
}

/** The reason of the settlement with this number. */
export function writeReason(
  bytes: Buffer,
  offset: number,
  head: ControlHead,
  number: number,
  text: string,
): void {
  writeHead(bytes, offset, head);
  bytes.writeInt32LE(bytes.write(text, offset + REASON_TEXT), offset + REASON_LENGTH);
  bytes.writeInt32LE(0, offset + REASON_LENGTH + 4);
  bytes.writeDoubleLE(number, offset + REASON_NUMBER);
}

/** Gives the member so many tokens, or takes unused ones back, and tells how many handlers it runs. */
export function writeTokens(
  bytes: Buffer,
  offset: number,
  head: ControlHead,
  count: number,
  concurrency: number,
): void {
  writeHead(bytes, offset, head);
  bytes.writeInt32LE(count, offset + TOKENS_COUNT);
  bytes.writeInt32LE(concurrency, offset + TOKENS_CONCURRENCY);
}

function writeHead(bytes: Buffer, offset: number, { generation, member }: ControlHead): void {
  bytes.writeInt32LE(generation, offset + CONTROL_GENERATION);
  bytes.writeInt32LE(member, offset + CONTROL_MEMBER);
}

/** Writes what precedes the event record, which goes to `LEASE_EVENT`. */
export function writeLease(
  bytes: Buffer,
  offset: number,
  member: number,
  sequence: number,
  lease: number,
  attempt: number,
  deadline: number,
  flags: number,
): void {
  bytes.writeDoubleLE(sequence, offset + LEASE_SEQUENCE);
  bytes.writeDoubleLE(lease, offset + LEASE_LEASE);
  bytes.writeDoubleLE(deadline, offset + LEASE_DEADLINE);
  bytes.writeInt32LE(member, offset + LEASE_MEMBER);
  bytes.writeInt32LE(attempt, offset + LEASE_ATTEMPT);
  bytes.writeInt32LE(flags, offset + LEASE_FLAGS);
  bytes.writeInt32LE(0, offset + LEASE_FLAGS + 4);
}

export function settledRecordLength(refused: number): number {
  return SETTLED_REFUSED + refused * 8;
}

/** Confirms the member's settlements up to `through`, but for those that were refused. */
export function writeSettled(
  bytes: Buffer,
  offset: number,
  member: number,
  through: number,
  refused: readonly number[],
): void {
  bytes.writeInt32LE(member, offset + SETTLED_MEMBER);
  bytes.writeInt32LE(refused.length, offset + SETTLED_COUNT);
  bytes.writeDoubleLE(through, offset + SETTLED_THROUGH);
  for (const [index, number] of refused.entries()) {
    bytes.writeDoubleLE(number, offset + SETTLED_REFUSED + index * 8);
  }
}

export function writeSupply(
  bytes: Buffer,
  offset: number,
  member: number,
  what: number,
  count = 0,
): void {
  bytes.writeInt32LE(member, offset + SUPPLY_MEMBER);
  bytes.writeInt32LE(what, offset + SUPPLY_WHAT);
  bytes.writeInt32LE(count, offset + SUPPLY_COUNT);
  bytes.writeInt32LE(0, offset + SUPPLY_COUNT + 4);
}

export function writeLost(
  bytes: Buffer,
  offset: number,
  member: number,
  sequence: number,
  lease: number,
): void {
  writeSupply(bytes, offset, member, SUPPLY_LOST);
  bytes.writeDoubleLE(sequence, offset + SUPPLY_SEQUENCE);
  bytes.writeDoubleLE(lease, offset + SUPPLY_LEASE);
}
