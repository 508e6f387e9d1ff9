import { NAME_CACHE_ENTRIES, NAME_CACHE_ENTRY_BYTES } from '../protocol/limits/links.js';
import {
  EVENT_HEADER_LENGTH,
  EventRecordView,
  SOURCE_LENGTH,
  TOPIC_LENGTH,
  TYPE_LENGTH,
} from './event-record.js';

/**
 * Caches the topic, type and source of event records as text. Most records repeat the three of an earlier record, and
 * comparing their adjacent bytes is faster than making three strings and looking them up: 0.1 µs instead of 0.4 (`node
 * bench/small-parts.js`). One thread may use a cache. Its size is bounded: a new entry replaces one whose hash selects
 * the same slots.
 */
export interface RecordNames {
  readonly topic: string;
  readonly type: string;
  readonly source: string;
  /** Length of the three together in bytes; they follow the record's header. */
  readonly length: number;
}

/** Number of slots. A hash selects two neighbouring slots, so that two topics that collide do not evict each other. */
const SLOTS = NAME_CACHE_ENTRIES;
/** Names that are longer together are not cached. */
const SLOT_BYTES = NAME_CACHE_ENTRY_BYTES;

if ((SLOTS & (SLOTS - 1)) !== 0) throw new Error(`${SLOTS} slots are not a power of two`);

/** FNV-1a (Fowler, Noll, Vo). */
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

export class NameCache<N extends RecordNames = RecordNames> {
  readonly #make: (topic: string, type: string, source: string, length: number) => N;
  readonly #entries: (N | undefined)[] = new Array<N | undefined>(SLOTS).fill(undefined);
  /** The bytes of each entry, a slot of `SLOT_BYTES` each. */
  readonly #bytes = new Uint8Array(SLOTS * SLOT_BYTES);
  /** The three lengths of each entry in one number. */
  readonly #lengths = new Int32Array(SLOTS);
  readonly #view = new EventRecordView();

  /** `make` builds an entry, which may have further fields. The cache keeps the entry until another replaces it. */
  constructor(make: (topic: string, type: string, source: string, length: number) => N) {
    this.#make = make;
  }

  /** The names of the record at `offset`: the same object for the same names, while it is cached. */
  of(bytes: Buffer, offset: number): N {
    const topicLength = bytes[offset + TOPIC_LENGTH]!;
    const typeLength = bytes[offset + TYPE_LENGTH]!;
    const sourceLength = bytes[offset + SOURCE_LENGTH]!;
    const lengths = topicLength | (typeLength << 8) | (sourceLength << 16);
    const length = topicLength + typeLength + sourceLength;
    const start = offset + EVENT_HEADER_LENGTH;
    if (length > SLOT_BYTES) return this.#read(bytes, offset, length);
    // The comparison of bytes decides. The hash need only tell topics apart, and types by their last byte.
    let hash = HASH_START ^ lengths ^ (bytes[start + topicLength + typeLength - 1]! << 24);
    for (let at = start, end = start + topicLength; at < end; at++) {
      hash = Math.imul(hash ^ bytes[at]!, HASH_PRIME);
    }
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    if (this.#lengths[slot] === lengths && this.#equals(slot, bytes, start, length)) {
      return this.#entries[slot]!;
    }
    const neighbour = slot ^ 1;
    if (this.#lengths[neighbour] === lengths && this.#equals(neighbour, bytes, start, length)) {
      return this.#entries[neighbour]!;
    }
    return this.#add(this.#entries[slot] === undefined ? slot : neighbour, bytes, offset, lengths);
  }

  clear(): void {
    this.#entries.fill(undefined);
    this.#lengths.fill(0);
  }

  #equals(slot: number, bytes: Buffer, start: number, length: number): boolean {
    const kept = this.#bytes;
    const base = slot * SLOT_BYTES;
    for (let i = 0; i < length; i++) {
      if (kept[base + i] !== bytes[start + i]) return false;
    }
    return true;
  }

  #add(slot: number, bytes: Buffer, offset: number, lengths: number): N {
    const length = (lengths & 0xff) + ((lengths >> 8) & 0xff) + (lengths >> 16);
    const names = this.#read(bytes, offset, length);
    const start = offset + EVENT_HEADER_LENGTH;
    this.#bytes.set(bytes.subarray(start, start + length), slot * SLOT_BYTES);
    this.#lengths[slot] = lengths;
    this.#entries[slot] = names;
    return names;
  }

  #read(bytes: Buffer, offset: number, length: number): N {
    const { topic, type, source } = this.#view.wrap(bytes, offset);
    return this.#make(topic, type, source, length);
  }
}

/** Makes an entry without further fields. */
export function recordNames(
  topic: string,
  type: string,
  source: string,
  length: number,
): RecordNames {
  return { topic, type, source, length };
}
