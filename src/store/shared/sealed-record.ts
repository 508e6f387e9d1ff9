/**
 * An event record as a broker keeps it: the record, and behind it the CRC-32 of all its bytes (uint32, little endian). A
 * broker hands it out as it got it, so a checksum that is right says that this is what the publisher's node stored.
 */
import { crc32 } from 'node:zlib';
import { BusError } from '../../protocol/errors.js';
import { KIB } from '../../protocol/limits/units.js';
import { EventRecordView } from '../../record/event-record.js';

const SEAL_BYTES = 4;
/** Records lie together in memory of this size: to allocate it for each took a quarter of the time of a busy shard. */
const SLAB_BYTES = 256 * KIB;

const view = new EventRecordView();
let slab: Buffer = Buffer.alloc(0);
let slabUsed = 0;

/** Copies `length` bytes of a record, which may lie in shared memory, and seals the copy. */
export function seal(bytes: Buffer, offset: number, length: number): Uint8Array {
  const sealed = take(length + SEAL_BYTES);
  bytes.copy(sealed, 0, offset, offset + length);
  sealed.writeUInt32LE(crc32(sealed.subarray(0, length)), length);
  return sealed;
}

function take(length: number): Buffer {
  if (length > SLAB_BYTES / 4) return Buffer.allocUnsafeSlow(length);
  if (slabUsed + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slabUsed = 0;
  }
  slabUsed += length;
  return slab.subarray(slabUsed - length, slabUsed);
}

/** The record in the same memory; `undefined` if it is not what was sealed. */
export function unseal(sealed: Uint8Array): Buffer | undefined {
  const length = sealed.length - SEAL_BYTES;
  if (length < 0) return undefined;
  const record = Buffer.from(sealed.buffer, sealed.byteOffset, length);
  if (sealOf(sealed, length) !== crc32(record)) return undefined;
  return view.wrap(record, 0).isWhole(length) && view.length === length ? record : undefined;
}

export function damaged(shard: number, sequence: number): BusError {
  return new BusError(
    'STORE_CORRUPT',
    `event ${sequence} of shard ${shard} is not what was stored: its checksum fails`,
    { details: { shard, sequence } },
  );
}

function sealOf(sealed: Uint8Array, at: number): number {
  const low = sealed[at]! | (sealed[at + 1]! << 8) | (sealed[at + 2]! << 16);
  return low + sealed[at + 3]! * 2 ** 24;
}
