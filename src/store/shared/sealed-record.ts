/**
 * An event record as a broker keeps it: the record, and behind it the CRC-32 of all its bytes (uint32, little endian). A
 * broker hands it out as it got it, so a checksum that is right says that this is what the publisher's node stored.
 */
import { crc32 } from 'node:zlib';
import { BusError } from '../../protocol/errors.js';
import { EventRecordView } from '../../record/event-record.js';

const SEAL_BYTES = 4;

const view = new EventRecordView();

/** Copies `length` bytes of a record, which may lie in shared memory, and seals the copy. */
export function seal(bytes: Buffer, offset: number, length: number): Uint8Array {
  const sealed = new Uint8Array(length + SEAL_BYTES);
  sealed.set(bytes.subarray(offset, offset + length));
  viewOf(sealed).setUint32(length, crc32(sealed.subarray(0, length)), true);
  return sealed;
}

/** The record in the same memory; `undefined` if it is not what was sealed. */
export function unseal(sealed: Uint8Array): Buffer | undefined {
  const length = sealed.length - SEAL_BYTES;
  if (length < 0) return undefined;
  const record = Buffer.from(sealed.buffer, sealed.byteOffset, length);
  if (viewOf(sealed).getUint32(length, true) !== crc32(record)) return undefined;
  return view.wrap(record, 0).isWhole(length) && view.length === length ? record : undefined;
}

export function damaged(shard: number, sequence: number): BusError {
  return new BusError(
    'STORE_CORRUPT',
    `event ${sequence} of shard ${shard} is not what was stored: its checksum fails`,
    { details: { shard, sequence } },
  );
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
