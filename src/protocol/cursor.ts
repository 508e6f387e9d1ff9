import { decodeBase64Url, encodeBase64Url } from './base64url.js';
import { BusError } from './errors.js';
import { CURSOR_LENGTH_MAX, EPOCH_LENGTH_MAX } from './limits/events.js';
import { SHARDS_MAX } from './limits/shards.js';
import { quote } from './quote.js';

/**
 * Cursors: how far a subscription has got in every shard's log, as a short text that is opaque to users and fits into a
 * URL, a header or an SSE id. A cursor is these bytes in base64url, without padding:
 *
 * ```
 *   version (1) | epoch length (1) | epoch (ASCII) | shards (1)
 *   | position of shard 0, 1, … (varint each)
 *   | checksum (4, little endian: FNV-1a, 32 bit, of everything before it)
 * ```
 *
 * A varint holds seven bits a byte, low ones first; every byte but the last has its top bit set. The checksum detects a
 * cursor that was cut off or mistyped. It does not guard against forgery, and a forged cursor does no harm.
 */

export interface CursorPosition {
  readonly epoch: string;
  /** For each shard, the sequence of the last consumed event; 0 if there is none. */
  readonly positions: readonly number[];
}

const VERSION = 1;
const CHECKSUM_LENGTH = 4;
const VARINT_RADIX = 0x80;

/** @throws BusError `CURSOR_INVALID` for a position that no cursor can hold, which is a bug of the caller */
export function encodeCursor(cursor: CursorPosition): string {
  const { epoch, positions } = cursor;
  if (!isEpoch(epoch)) throw invalid(`epoch ${quote(epoch)} cannot be put into a cursor`);
  if (positions.length === 0 || positions.length > SHARDS_MAX) {
    throw invalid(`${positions.length} positions cannot be put into a cursor`);
  }
  const bytes: number[] = [VERSION, epoch.length];
  for (let i = 0; i < epoch.length; i++) bytes.push(epoch.charCodeAt(i));
  bytes.push(positions.length);
  for (const position of positions) pushVarint(bytes, position);
  const checksum = checksumOf(bytes, bytes.length);
  for (let shift = 0; shift < 32; shift += 8) bytes.push((checksum >>> shift) & 0xff);
  return encodeBase64Url(bytes);
}

/** @throws BusError `CURSOR_INVALID` */
export function decodeCursor(text: unknown): CursorPosition {
  const bytes =
    typeof text === 'string' && text.length <= CURSOR_LENGTH_MAX
      ? decodeBase64Url(text)
      : undefined;
  const cursor = bytes === undefined ? undefined : decodeBytes(bytes);
  if (cursor === undefined) throw invalid(`${quote(text)} is not a cursor, or not a whole one`);
  return cursor;
}

/** The cursor with one shard's position moved behind an event, unless it is there already. */
export function cursorAfter(cursor: string, shard: number, sequence: number): string {
  const { epoch, positions } = decodeCursor(cursor);
  if (positions[shard]! >= sequence) return cursor;
  return encodeCursor({ epoch, positions: positions.with(shard, sequence) });
}

/** Decodes the bytes; `undefined` if `encodeCursor` could not have written them. */
function decodeBytes(bytes: Uint8Array): CursorPosition | undefined {
  const end = bytes.length - CHECKSUM_LENGTH;
  if (end < 3 || bytes[0] !== VERSION || !hasChecksum(bytes, end)) return undefined;
  const epochEnd = 2 + bytes[1]!;
  if (epochEnd >= end) return undefined;
  const epoch = String.fromCharCode(...bytes.subarray(2, epochEnd));
  const count = bytes[epochEnd]!;
  if (!isEpoch(epoch) || count === 0 || count > SHARDS_MAX) return undefined;
  const positions = decodeVarints(bytes, epochEnd + 1, end);
  return positions?.length === count ? { epoch, positions } : undefined;
}

function pushVarint(bytes: number[], value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalid(`position ${quote(value)} cannot be put into a cursor`);
  }
  // Division, not shifts: positions go beyond 32 bits.
  let rest = value;
  while (rest >= VARINT_RADIX) {
    bytes.push((rest % VARINT_RADIX) | VARINT_RADIX);
    rest = Math.floor(rest / VARINT_RADIX);
  }
  bytes.push(rest);
}

function decodeVarints(bytes: Uint8Array, start: number, end: number): number[] | undefined {
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    value += (byte % VARINT_RADIX) * scale;
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
    scale *= VARINT_RADIX;
    if (byte >= VARINT_RADIX) continue;
    // A leading zero would be a second way to write the same number.
    if (byte === 0 && scale > VARINT_RADIX) return undefined;
    values.push(value);
    value = 0;
    scale = 1;
  }
  return scale === 1 ? values : undefined;
}

function hasChecksum(bytes: Uint8Array, end: number): boolean {
  const checksum = checksumOf(bytes, end);
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    if (bytes[end + i] !== ((checksum >>> (8 * i)) & 0xff)) return false;
  }
  return true;
}

function checksumOf(bytes: ArrayLike<number>, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

/** Visible ASCII, so that a character is a byte. */
function isEpoch(epoch: string): boolean {
  return epoch.length > 0 && epoch.length <= EPOCH_LENGTH_MAX && /^[!-~]+$/.test(epoch);
}

function invalid(message: string): BusError {
  return new BusError('CURSOR_INVALID', message);
}
