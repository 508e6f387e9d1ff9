/**
 * An entry of the journal of consumers: changes of their states, in order.
 *
 * ```
 * u32 crc32 of the rest · u32 length of the JSON · JSON of the changes · bytes of lanes and records, one after the other
 * ```
 *
 * In the JSON a change has the number of its bytes in their place. Integers are little endian.
 */
import { crc32 } from 'node:zlib';
import { BusError } from '../../protocol/errors.js';
import type { DeadState, StoredDeadEvent, StoredLane } from '../consumer-states.js';

export type JournalChange =
  | { readonly is: 'lane'; readonly lane: StoredLane }
  | { readonly is: 'remove'; readonly consumer: string }
  | { readonly is: 'removeLanes'; readonly consumer: string; readonly from: number }
  | { readonly is: 'dead'; readonly event: StoredDeadEvent }
  | {
      readonly is: 'deadState';
      readonly consumer: string;
      readonly sequence: number;
      readonly state: DeadState;
    }
  | { readonly is: 'removeDead'; readonly consumer: string; readonly sequence: number }
  /** The endpoint has members, or has none any more. */
  | { readonly is: 'holder'; readonly endpoint: string; readonly isThere: boolean }
  /** The number of the last settlement of an endpoint that was decided; 0: the endpoint is gone. */
  | { readonly is: 'settled'; readonly endpoint: string; readonly number: number };

const LENGTH_OFFSET = 4;
const HEAD_BYTES = 8;

export function encodeEntry(changes: readonly JournalChange[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const lengthOf = (bytes: Uint8Array | undefined): number | undefined => {
    if (bytes !== undefined) parts.push(bytes);
    return bytes?.length;
  };
  const plain = changes.map((change) => {
    if (change.is === 'lane') {
      return { ...change, lane: { ...change.lane, open: lengthOf(change.lane.open) } };
    }
    if (change.is !== 'dead') return change;
    return { ...change, event: { ...change.event, record: lengthOf(change.event.record) } };
  });
  const json = Buffer.from(JSON.stringify(plain));
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(json.length, LENGTH_OFFSET);
  const entry = Buffer.concat([head, json, ...parts]);
  entry.writeUInt32LE(crc32(entry.subarray(LENGTH_OFFSET)));
  return entry;
}

/** @throws BusError `STORE_CORRUPT` */
export function decodeEntry(bytes: Uint8Array): JournalChange[] {
  const entry = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isWhole = entry.length >= HEAD_BYTES;
  if (!isWhole || crc32(entry.subarray(LENGTH_OFFSET)) !== entry.readUInt32LE()) {
    throw new BusError('STORE_CORRUPT', 'an entry of the journal of consumers is damaged');
  }
  const end = HEAD_BYTES + entry.readUInt32LE(LENGTH_OFFSET);
  let at = end;
  const take = (length: unknown): Uint8Array | undefined => {
    if (typeof length !== 'number') return undefined;
    const part = Uint8Array.from(entry.subarray(at, at + length));
    at += length;
    return part;
  };
  const changes = JSON.parse(entry.toString('utf8', HEAD_BYTES, end)) as JournalChange[];
  return changes.map((change) => {
    if (change.is === 'lane') {
      return { ...change, lane: { ...change.lane, open: take(change.lane.open)! } };
    }
    if (change.is !== 'dead') return change;
    const { record, ...event } = change.event;
    const bytesOf = take(record);
    return { ...change, event: bytesOf === undefined ? event : { ...event, record: bytesOf } };
  });
}
