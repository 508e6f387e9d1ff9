import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { ARCHIVE_CHUNK_BYTES } from '../../protocol/limits/archive.js';
import { EventRecordView } from '../../record/event-record.js';
import { decodePage, type Page } from '../../store/page.js';
import {
  type Chunk,
  compress,
  encodeManifest,
  MAGIC,
  SEGMENT_FORMAT,
  type SegmentIndex,
} from './segment-format.js';

/** A chunk's number in the index, with its punctuation. */
const INDEX_NUMBER_LENGTH = 8;

export interface BuiltSegment {
  readonly first: number;
  readonly last: number;
  readonly epoch: string;
  readonly events: number;
  readonly data: Buffer;
  readonly manifest: Buffer;
}

export interface SegmentOrigin {
  readonly directory: string;
  readonly shard: number;
  readonly epoch: string;
}

/** Makes one segment of pages of a log, in memory. */
export class SegmentBuilder {
  readonly #origin: SegmentOrigin;
  /** The first sequence that the segment covers. */
  readonly first: number;
  readonly #parts: Buffer[] = [MAGIC];
  readonly #chunks: Chunk[] = [];
  readonly #topics = new Map<string, number[]>();
  readonly #ids: number[] = [];
  readonly #view = new EventRecordView();
  #offset = MAGIC.length;
  #through: number;
  #rawBytes = 0;
  #indexLength = 0;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #pendingEvents = 0;
  #firstAt = 0;
  #lastAt = 0;
  /** Of the chunk that is being made; see `Chunk.lostThrough`. */
  #lostThrough = 0;

  /** The segment begins with the sequence `first`. */
  constructor(origin: SegmentOrigin, first: number) {
    this.#origin = origin;
    this.first = first;
    this.#through = first - 1;
  }

  /** Uncompressed bytes so far. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  /** Characters of the topics in the index so far, about, and of the numbers of their chunks. */
  get indexLength(): number {
    return this.#indexLength;
  }

  get events(): number {
    return this.#ids.length;
  }

  /** The last sequence that the segment covers so far. */
  get through(): number {
    return this.#through;
  }

  /** Takes a page of all events that begins behind the last one. */
  add(page: Page): void {
    decodePage(page, ({ bytes, offset, recordedAt, sequence }) => {
      this.#noteMissing(sequence - 1, page.prunedThrough);
      this.#through = sequence;
      const view = this.#view.wrap(bytes, offset);
      if (this.#pendingEvents === 0) this.#firstAt = recordedAt;
      this.#lastAt = recordedAt;
      this.#pendingEvents++;
      this.#ids.push(crc32(view.id) | 0);
      this.#note(view.topic);
    });
    if (page.records.byteLength > 0) this.#pending.push(Buffer.from(page.records));
    this.#pendingBytes += page.records.byteLength;
    this.#rawBytes += page.records.byteLength;
    this.#noteMissing(page.next, page.prunedThrough);
    this.#through = page.next;
    if (this.#pendingBytes >= ARCHIVE_CHUNK_BYTES) this.#endChunk();
  }

  /** `undefined` if there was no event; more pages may follow then. */
  finish(): BuiltSegment | undefined {
    if (this.#pendingEvents > 0) this.#endChunk();
    const last = this.#through;
    const end = this.#chunks.at(-1);
    if (end === undefined) return undefined;
    // Sequences without events that follow the last chunk belong to it.
    const lostThrough = Math.max(end.lostThrough ?? 0, this.#lostThrough);
    this.#chunks[this.#chunks.length - 1] = { ...end, last, lostThrough };
    const index: SegmentIndex = {
      chunks: this.#chunks,
      topics: Object.fromEntries(this.#topics),
    };
    const text = Buffer.from(JSON.stringify(index));
    const indexPart = { ...this.#append(compress(text)), rawLength: text.length };
    const idsPart = this.#append(Buffer.from(Int32Array.from(this.#ids).buffer));
    const data = Buffer.concat(this.#parts);
    const { directory, shard, epoch } = this.#origin;
    const manifest = encodeManifest({
      format: SEGMENT_FORMAT,
      directory,
      shard,
      epoch,
      first: this.first,
      last,
      events: this.#ids.length,
      firstAt: this.#chunks[0]!.firstAt,
      lastAt: end.lastAt,
      bytes: data.length,
      rawBytes: this.#rawBytes,
      topics: this.#topics.size,
      sha256: createHash('sha256').update(data).digest('hex'),
      index: indexPart,
      ids: idsPart,
      createdAt: new Date().toISOString(),
    });
    return { first: this.first, last, epoch, events: this.#ids.length, data, manifest };
  }

  /** The sequences behind the last one up to `through` have no event; the log has lost events up to `lostThrough`. */
  #noteMissing(through: number, lostThrough: number): void {
    const lost = Math.min(through, lostThrough);
    if (lost > this.#through) this.#lostThrough = lost;
  }

  #note(topic: string): void {
    const chunk = this.#chunks.length;
    const chunks = this.#topics.get(topic);
    if (chunks?.at(-1) === chunk) return;
    this.#indexLength += INDEX_NUMBER_LENGTH;
    if (chunks !== undefined) {
      chunks.push(chunk);
      return;
    }
    // Each character of a topic may take six, as an escape.
    this.#indexLength += 6 * topic.length;
    this.#topics.set(topic, [chunk]);
  }

  #endChunk(): void {
    const raw = Buffer.concat(this.#pending);
    const first = (this.#chunks.at(-1)?.last ?? this.first - 1) + 1;
    this.#chunks.push({
      ...this.#append(compress(raw)),
      first,
      last: this.#through,
      events: this.#pendingEvents,
      firstAt: this.#firstAt,
      lastAt: this.#lastAt,
      rawLength: raw.length,
      lostThrough: this.#lostThrough,
    });
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#pendingEvents = 0;
    this.#lostThrough = 0;
  }

  #append(bytes: Buffer): { offset: number; length: number; crc: number } {
    const part = { offset: this.#offset, length: bytes.length, crc: crc32(bytes) };
    this.#parts.push(bytes);
    this.#offset += bytes.length;
    return part;
  }
}
