import { crc32 } from 'node:zlib';
import { compilePredicate, type EventPredicate } from '../protocol/filter.js';
import { hasWildcard, matchesPattern } from '../protocol/topic.js';
import { EventRecordView } from '../record/event-record.js';
import { PAGE_PREFIX_BYTES, type PageRequest } from '../store/page.js';
import { lostThroughOf } from './segments/segment-format.js';
import type { OpenSegment, SegmentReader } from './segments/segment-reader.js';

/** A page from the log has no more than this either. */
const PAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Collects the events of a page from segments, in the order of the request. */
export class PageCollector {
  readonly #request: PageRequest;
  readonly #reader: SegmentReader;
  readonly #predicate: EventPredicate | undefined;
  readonly #limitBytes: number;
  readonly #deadline: number;
  readonly #parts: Buffer[] = [];
  readonly #view = new EventRecordView();
  #bytes = 0;
  count = 0;
  /** Sequences up to this one, of those looked at, were lost before they could be archived; 0: none. */
  holeThrough = 0;

  constructor(reader: SegmentReader, request: PageRequest, deadline: number) {
    const { filter, limitBytes = PAGE_BYTES_MAX } = request;
    this.#reader = reader;
    this.#request = request;
    this.#predicate = filter === undefined ? undefined : compilePredicate(filter);
    this.#limitBytes = Math.min(limitBytes, PAGE_BYTES_MAX);
    this.#deadline = deadline;
  }

  get isFull(): boolean {
    return this.count >= this.#request.limit || this.#bytes >= this.#limitBytes;
  }

  /** Whether the page has taken its time. It ends then, whatever it has found. */
  get isOver(): boolean {
    return performance.now() > this.#deadline;
  }

  get records(): ArrayBuffer {
    const records = new ArrayBuffer(this.#bytes);
    const target = Buffer.from(records);
    let at = 0;
    for (const part of this.#parts) at += part.copy(target, at);
    return records;
  }

  /**
   * Looks through the sequences `(after, until]` of a segment, and stops where the page is full or has taken its time.
   * @returns the sequence behind which (in reverse: up to which) the next page goes on
   */
  async collect(name: string, after: number, until: number): Promise<number> {
    const { reverse = false, id } = this.#request;
    const segment = await this.#reader.open(name);
    const chunks = await this.#wantedChunks(segment, id);
    const { length } = segment.chunks;
    let position = reverse ? until : after;
    for (
      let number = reverse ? chunkAt(segment, until) : chunkAt(segment, after + 1);
      number >= 0 && number < length;
      number += reverse ? -1 : 1
    ) {
      const chunk = segment.chunks[number]!;
      const { first, last } = chunk;
      if (reverse ? last <= after : first > until) break;
      this.holeThrough = Math.max(this.holeThrough, this.#in(lostThroughOf(chunk)));
      if (chunks?.[number] === 0) {
        position = reverse ? Math.max(after, first - 1) : Math.min(until, last);
        continue;
      }
      const records = await this.#reader.chunk(segment, number, reverse);
      const stopped = this.#take(records, after, until);
      if (stopped !== undefined) return stopped;
      position = reverse ? Math.max(after, first - 1) : Math.min(until, last);
      if (this.isOver) return position;
    }
    return reverse ? after : until;
  }

  #in(sequence: number): number {
    return Math.min(sequence, this.#request.until ?? sequence);
  }

  /** By chunk, 1 if it may hold events that are wanted; `undefined`: any may. */
  async #wantedChunks(segment: OpenSegment, id?: string): Promise<Uint8Array | undefined> {
    const { filter } = this.#request;
    const topics = filter?.topics;
    const isAll = topics === undefined || topics.includes('*');
    if (isAll && id === undefined) return undefined;
    const chunks = new Uint8Array(segment.chunks.length);
    if (isAll) chunks.fill(1);
    else {
      for (const topic of matching(segment.topics, topics)) {
        for (const chunk of segment.topics.get(topic)!) chunks[chunk] = 1;
      }
    }
    if (id === undefined || chunks.every((one) => one === 0)) return chunks;
    return this.#withId(segment, chunks, id);
  }

  async #withId(segment: OpenSegment, chunks: Uint8Array, id: string): Promise<Uint8Array> {
    const hash = crc32(id) | 0;
    const ids = await this.#reader.ids(segment);
    const found = new Uint8Array(chunks.length);
    let chunk = 0;
    let end = segment.chunks[0]?.events ?? 0;
    for (let at = ids.indexOf(hash); at >= 0; at = ids.indexOf(hash, at + 1)) {
      while (at >= end && chunk < chunks.length - 1) end += segment.chunks[++chunk]!.events;
      found[chunk] = chunks[chunk]!;
    }
    return found;
  }

  /** @returns where the next page goes on, if this one became full */
  #take(records: Buffer, after: number, until: number): number | undefined {
    const { reverse = false } = this.#request;
    const offsets = offsetsOf(records, this.#view);
    for (let i = 0; i < offsets.length; i++) {
      const start = offsets[reverse ? offsets.length - 1 - i : i]!;
      const sequence = records.readDoubleLE(start);
      if (sequence <= after || sequence > until) continue;
      const view = this.#view.wrap(records, start + PAGE_PREFIX_BYTES);
      if (!this.#isWanted(view)) continue;
      const part = records.subarray(start, start + PAGE_PREFIX_BYTES + view.length);
      this.#parts.push(part);
      this.#bytes += part.length;
      this.count++;
      if (this.isFull) return reverse ? sequence - 1 : sequence;
    }
    return undefined;
  }

  #isWanted(view: EventRecordView): boolean {
    const { filter, id } = this.#request;
    if (id !== undefined && view.id !== id) return false;
    if (filter === undefined) return true;
    if (!filter.topics.includes('*') || view.topic.startsWith('$')) {
      const { topic } = view;
      if (!filter.topics.some((pattern) => matchesPattern(pattern, topic))) return false;
    }
    return this.#predicate === undefined || this.#predicate(view);
  }
}

/** The chunk that covers a sequence; -1 or beyond the last one if none does. */
export function chunkAt({ chunks }: OpenSegment, sequence: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (chunks[middle]!.last >= sequence) high = middle;
    else low = middle + 1;
  }
  return low;
}

function offsetsOf(records: Buffer, view: EventRecordView): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < records.length; ) {
    offsets.push(at);
    at += PAGE_PREFIX_BYTES + view.wrap(records, at + PAGE_PREFIX_BYTES).length;
  }
  return offsets;
}

function matching(topics: ReadonlyMap<string, unknown>, patterns: readonly string[]): Set<string> {
  const found = new Set<string>();
  const wild: string[] = [];
  for (const pattern of patterns) {
    if (hasWildcard(pattern)) wild.push(pattern);
    else if (topics.has(pattern)) found.add(pattern);
  }
  if (wild.length === 0) return found;
  for (const topic of topics.keys()) {
    if (wild.some((pattern) => matchesPattern(pattern, topic))) found.add(topic);
  }
  return found;
}
