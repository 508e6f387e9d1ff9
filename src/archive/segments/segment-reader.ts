import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { BusError } from '../../protocol/errors.js';
import {
  ARCHIVE_CACHE_BYTES,
  ARCHIVE_DATA_BYTES_MAX,
  ARCHIVE_FETCH_BYTES,
  ARCHIVE_INDEXES_MAX,
} from '../../protocol/limits/archive.js';
import { messageOf } from '../../protocol/thrown.js';
import type { ArchiveTarget } from '../targets/target.js';
import { ByteCache } from './byte-cache.js';
import { checkIndex, checkManifest, checkRecords } from './segment-check.js';
import {
  type Chunk,
  decodeManifest,
  decompress,
  MAGIC,
  type Part,
  type SegmentIndex,
  type SegmentManifest,
} from './segment-format.js';
import { DATA_SUFFIX, MANIFEST_SUFFIX, parseObjectName } from './segment-names.js';

/** The object is not there; whoever reads asks again what there is. */
export class SegmentGone extends Error {}

export interface OpenSegment {
  readonly name: string;
  readonly manifest: SegmentManifest;
  readonly chunks: readonly Chunk[];
  /** By topic: numbers of chunks. */
  readonly topics: ReadonlyMap<string, readonly number[]>;
}

/**
 * Reads segments of an archive, and checks each byte that it uses. Keeps a bounded number of indexes and of bytes of
 * chunks, so that pages that follow one another fetch nothing twice.
 */
export class SegmentReader {
  readonly #target: ArchiveTarget;
  readonly #manifests = new ByteCache<SegmentManifest>(1024);
  readonly #open = new ByteCache<OpenSegment>(ARCHIVE_INDEXES_MAX);
  readonly #ids = new ByteCache<Int32Array>(ARCHIVE_INDEXES_MAX);
  readonly #packed = new ByteCache<Buffer>(ARCHIVE_CACHE_BYTES / 2);
  readonly #raw = new ByteCache<Buffer>(ARCHIVE_CACHE_BYTES / 2);

  constructor(target: ArchiveTarget) {
    this.#target = target;
  }

  /** @throws SegmentGone, BusError `STORE_CORRUPT`, `ARCHIVE_FAILED` */
  async manifest(name: string): Promise<SegmentManifest> {
    const found = this.#manifests.get(name);
    if (found !== undefined) return found;
    const object = name + MANIFEST_SUFFIX;
    const bytes = await this.#target.get(object);
    if (bytes === undefined) throw new SegmentGone(object);
    const { first, last, epoch } = parseObjectName(object)!;
    const manifest = this.#decoded(object, () => {
      const decoded = decodeManifest(bytes);
      checkManifest(decoded, name);
      return decoded;
    });
    if (manifest.first !== first || manifest.last !== last || manifest.epoch !== epoch) {
      throw this.#damaged(object, 'it is the manifest of another segment');
    }
    this.#manifests.set(name, manifest, 1);
    return manifest;
  }

  /** @throws SegmentGone, BusError `STORE_CORRUPT`, `ARCHIVE_FAILED` */
  async open(name: string): Promise<OpenSegment> {
    const found = this.#open.get(name);
    if (found !== undefined) return found;
    const manifest = await this.manifest(name);
    const packed = await this.#part(name, manifest.index, 'its index');
    const index = this.#decoded(name + DATA_SUFFIX, () => {
      const text = decompress(packed, manifest.index.rawLength).toString();
      const decoded = JSON.parse(text) as SegmentIndex;
      checkIndex(decoded, manifest);
      return decoded;
    });
    const topics = new Map(Object.entries(index.topics));
    const segment = { name, manifest, chunks: index.chunks, topics };
    this.#open.set(name, segment, 1);
    return segment;
  }

  /** The hashes of the ids of the segment's events, in their order. */
  async ids({ name, manifest }: OpenSegment): Promise<Int32Array> {
    const found = this.#ids.get(name);
    if (found !== undefined) return found;
    const bytes = await this.#part(name, manifest.ids, 'the list of its ids');
    // A copy, since an Int32Array has to begin at a multiple of four.
    const ids = new Int32Array(Uint8Array.from(bytes).buffer);
    this.#ids.set(name, ids, 1);
    return ids;
  }

  /** The records of a chunk, as in a page. */
  async chunk(segment: OpenSegment, number: number, reverse: boolean): Promise<Buffer> {
    const key = `${segment.name}/${number}`;
    const found = this.#raw.get(key);
    if (found !== undefined) return found;
    const chunk = segment.chunks[number]!;
    const packed = await this.#packedChunk(segment, number, reverse);
    const raw = this.#decoded(segment.name + DATA_SUFFIX, () => {
      const records = decompress(packed, chunk.rawLength);
      if (records.length !== chunk.rawLength) throw new Error(`chunk ${number} is cut short`);
      checkRecords(records, chunk);
      return records;
    });
    this.#raw.set(key, raw, raw.length);
    return raw;
  }

  /**
   * Checks all bytes of a segment.
   * @throws SegmentGone, BusError `STORE_CORRUPT`, `ARCHIVE_FAILED`
   */
  async verify(name: string): Promise<SegmentManifest> {
    const manifest = await this.manifest(name);
    const object = name + DATA_SUFFIX;
    const bytes = await this.#target.get(object, ARCHIVE_DATA_BYTES_MAX);
    if (bytes === undefined) throw this.#missing(object);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (bytes.length !== manifest.bytes || sha256 !== manifest.sha256) {
      throw this.#damaged(object, 'its content is not the one that was archived');
    }
    return manifest;
  }

  /** Forgets a segment that may have changed places. */
  forget(name: string): void {
    this.#manifests.delete(name);
    this.#open.delete(name);
    this.#ids.delete(name);
  }

  /** Fetches a chunk together with its neighbours in the direction of reading, and keeps them. */
  async #packedChunk(segment: OpenSegment, number: number, reverse: boolean): Promise<Buffer> {
    const { name, chunks } = segment;
    const kept = this.#packed.get(`${name}/${number}`);
    if (kept !== undefined) return kept;
    let first = number;
    let last = number;
    let bytes = chunks[number]!.length;
    for (;;) {
      const next = reverse ? first - 1 : last + 1;
      const length = chunks[next]?.length;
      if (length === undefined || bytes + length > ARCHIVE_FETCH_BYTES) break;
      bytes += length;
      if (reverse) first = next;
      else last = next;
    }
    const start = chunks[first]!.offset;
    const run = await this.#fetch(name, start, bytes);
    for (let one = first; one <= last; one++) {
      const { offset, length, crc } = chunks[one]!;
      const packed = run.subarray(offset - start, offset - start + length);
      if (packed.length === length && crc32(packed) === crc) {
        // A copy, so that one kept chunk does not keep its whole run.
        this.#packed.set(`${name}/${one}`, Buffer.from(packed), length);
      } else if (one === number) {
        throw this.#damaged(name + DATA_SUFFIX, `chunk ${one} does not match its checksum`);
      }
    }
    const { offset, length } = chunks[number]!;
    return run.subarray(offset - start, offset - start + length);
  }

  async #part(name: string, { offset, length, crc }: Part, what: string): Promise<Buffer> {
    const bytes = await this.#fetch(name, offset, length);
    if (bytes.length === length && crc32(bytes) === crc) return bytes;
    throw this.#damaged(name + DATA_SUFFIX, `${what} does not match its checksum`);
  }

  /** The beginning of the data is checked with each part: a file that is no segment is told as such. */
  async #fetch(name: string, offset: number, length: number): Promise<Buffer> {
    const object = name + DATA_SUFFIX;
    const start = offset === MAGIC.length ? 0 : offset;
    const bytes = await this.#target.range(object, start, offset - start + length);
    if (bytes === undefined) return this.#gone(name, object);
    if (start === 0 && !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
      throw this.#damaged(object, 'it does not begin as a segment');
    }
    return bytes.subarray(offset - start);
  }

  /** Retention of the archive removes a manifest before its data. So data that lack their manifest are no damage. */
  async #gone(name: string, object: string): Promise<never> {
    const manifest = await this.#target.get(name + MANIFEST_SUFFIX);
    this.forget(name);
    if (manifest === undefined) throw new SegmentGone(object);
    throw this.#missing(object);
  }

  #missing(object: string): BusError {
    return this.#damaged(object, 'it is missing, and its manifest is there');
  }

  #decoded<T>(object: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      throw this.#damaged(object, messageOf(error));
    }
  }

  #damaged(object: string, reason: string): BusError {
    const file = this.#target.locate(object);
    const message = `${file}: the archive is damaged: ${reason}`;
    return new BusError('STORE_CORRUPT', message, { details: { file, reason } });
  }
}
