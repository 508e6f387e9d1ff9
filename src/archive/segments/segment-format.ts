/**
 * A segment's data: chunks of events, each compressed by itself, then its index and the hashes of its ids.
 *
 * ```
 *   0  magic, 8 bytes
 *   8  chunk 0, chunk 1, …     Brotli over records as in a page: sequence and recorded time (float64), the event record
 *      index                   Brotli over JSON: the chunks, and which of them hold events of which topic
 *      ids                     int32 for each event, in the order of sequences: CRC-32 of its id
 * ```
 *
 * Little endian. The manifest is JSON with a CRC-32 of itself. It has the places and CRC-32s of index and ids, the index
 * has those of the chunks, and the manifest the SHA-256 of all data: so every byte is covered by a checksum that a
 * reader of it checks.
 */
import { brotliCompressSync, brotliDecompressSync, constants, crc32 } from 'node:zlib';

export const SEGMENT_FORMAT = 1;
export const MAGIC = Buffer.from('MRARCH\0\x01', 'latin1');

export interface Part {
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

export interface SegmentManifest {
  readonly format: number;
  /** The id of the directory that the events come from. */
  readonly directory: string;
  readonly shard: number;
  readonly epoch: string;
  /** The sequences that the segment covers. Those without an event had left the log before they could be archived. */
  readonly first: number;
  readonly last: number;
  readonly events: number;
  /** Recorded times of the first and the last event, ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Of the data object. */
  readonly bytes: number;
  /** Of the records, uncompressed. */
  readonly rawBytes: number;
  readonly topics: number;
  readonly sha256: string;
  readonly index: PackedPart;
  readonly ids: Part;
  readonly createdAt: string;
}

/** A part that is compressed. */
export interface PackedPart extends Part {
  readonly rawLength: number;
}

export interface Chunk extends PackedPart {
  /** The sequences that the chunk covers. */
  readonly first: number;
  readonly last: number;
  readonly events: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /**
   * The last of its sequences that the log had lost before it could be archived; 0: none. Other sequences without an
   * event are of events that nobody misses: they had expired, or newer ones of their topics had replaced them. Absent in
   * segments of earlier versions, which cannot tell the two apart.
   */
  readonly lostThrough?: number;
}

export interface SegmentIndex {
  readonly chunks: readonly Chunk[];
  /** By topic: the numbers of the chunks that hold its events, ascending. */
  readonly topics: Readonly<Record<string, readonly number[]>>;
}

/** Sequences up to this one, of those that the chunk covers, are told as a gap; 0: none. */
export function lostThroughOf({ first, last, events, lostThrough }: Chunk): number {
  return lostThrough ?? (events < last - first + 1 ? last : 0);
}

/**
 * Brotli, since every supported Node has it and not every one has Zstandard; quality 4, since it packs as gzip's 6 does
 * in two thirds of the time. docs/adr/0070 has the figures.
 */
export function compress(bytes: Uint8Array): Buffer {
  return brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 4,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
}

/** @throws if the bytes are damaged, or longer than `length` */
export function decompress(bytes: Uint8Array, length: number): Buffer {
  return brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, length) });
}

export function encodeManifest(manifest: SegmentManifest): Buffer {
  const checksum = crc32(JSON.stringify(manifest));
  return Buffer.from(`${JSON.stringify({ ...manifest, checksum })}\n`);
}

/** @throws Error with the reason */
export function decodeManifest(bytes: Uint8Array): SegmentManifest {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString());
  if (typeof value !== 'object' || value === null || !('checksum' in value)) {
    throw new Error('it has no checksum');
  }
  const { checksum, ...manifest } = value;
  // The bytes themselves are compared, so that a changed space is damage as any other byte.
  const text = `${JSON.stringify(value)}\n`;
  if (checksum !== crc32(JSON.stringify(manifest)) || !Buffer.from(text).equals(bytes)) {
    throw new Error('its checksum does not match');
  }
  const found = manifest as SegmentManifest;
  if (found.format !== SEGMENT_FORMAT) {
    throw new Error(`its format is ${String(found.format)}, not ${SEGMENT_FORMAT}`);
  }
  return found;
}
