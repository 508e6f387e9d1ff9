/**
 * The event record: one event as bytes. Publish rings, delivery rings, readers' pages and the log's checksum all use
 * this layout. Little endian; text is UTF-8.
 *
 * ```
 *    0               1               2               3
 *   +---------------------------------------------------------------+
 *  0|                    length (whole record, bytes)               |
 *   +---------------+---------------+---------------+---------------+
 *  4|     flags     |   idLength    |  topicLength  |  typeLength   |
 *   +---------------+---------------+---------------+---------------+
 *  8|            timestamp (float64, ms since 1970; 0 until         |
 * 12|            the shard records it, unless supplied)             |
 *   +---------------+---------------+---------------+---------------+
 * 16| sourceLength  | correlationLen| causationLen  | expiryLength  |
 *   +---------------+---------------+---------------+---------------+
 * 20|                 attributesLength (JSON text)                  |
 *   +---------------------------------------------------------------+
 * 24|                  payloadLength (JSON text)                    |
 *   +---------------------------------------------------------------+
 * 28|                               0                               |
 *   +---------------------------------------------------------------+
 * 32| topic, type, source, id, correlationId, causationId,          |
 *   | attributes, expiry, payload; no padding between them          |
 * ```
 *
 * The expiry is there if `expiryLength` is 8, and not if it is 0: a float64, ms since 1970. Until the shard stamps it, it
 * may be negative: minus the time that the event has to live, ms.
 *
 * The log's checksum is the CRC-32 of the bytes from `CHECKED_FROM` to the end. It covers everything that was
 * published, but not the flags, which only control the publish. It is seeded with a number derived from the row: see
 * `src/store/sqlite/rows/checksums.ts`.
 */
import { crc32 } from 'node:zlib';

export const EVENT_FLAG_PERSIST = 1;
export const EVENT_FLAG_SYNCED = 2;
/** The publisher gave the id, so a repeat is a duplicate. */
export const EVENT_FLAG_SUPPLIED_ID = 4;
/** The publisher gave the timestamp, so the shard does not set it. */
export const EVENT_FLAG_SUPPLIED_TIMESTAMP = 8;
/** The id is unique within its source only: the same id from another source names another event. */
export const EVENT_FLAG_ID_OF_SOURCE = 16;

const LENGTH = 0;
const FLAGS = 4;
const ID_LENGTH = FLAGS + 1;
export const TOPIC_LENGTH = ID_LENGTH + 1;
export const TYPE_LENGTH = TOPIC_LENGTH + 1;
const TIMESTAMP = TYPE_LENGTH + 1;
export const SOURCE_LENGTH = TIMESTAMP + 8;
const CORRELATION_ID_LENGTH = SOURCE_LENGTH + 1;
const CAUSATION_ID_LENGTH = CORRELATION_ID_LENGTH + 1;
const EXPIRY_LENGTH = CAUSATION_ID_LENGTH + 1;
const ATTRIBUTES_LENGTH = EXPIRY_LENGTH + 1;
const PAYLOAD_LENGTH = ATTRIBUTES_LENGTH + 4;
const RESERVED = PAYLOAD_LENGTH + 4;
export const EVENT_HEADER_LENGTH = RESERVED + 4;
const CHECKED_FROM = TIMESTAMP;
const EXPIRY_BYTES = 8;

if (EVENT_HEADER_LENGTH !== 32 || TIMESTAMP % 8 !== 0) {
  throw new Error(`event record header is ${EVENT_HEADER_LENGTH} bytes, not 32`);
}

/** Node's raw string transfers, which the documented `toString` and `write` wrap at twice the cost. */
interface RawBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, offset: number, length: number): number;
  latin1Write(text: string, offset: number, length: number): number;
}

const { byteLength } = Buffer;
const EMPTY = Buffer.alloc(0);

/**
 * Encodes events as records. A flyweight: assign the fields, call `measure()`, then `writeTo` as often as needed. Not
 * re-entrant; one per endpoint is enough.
 */
export class EventRecordEncoder {
  flags = 0;
  timestamp = 0;
  type = '';
  source = '';
  id = '';
  correlationId = '';
  causationId = '';
  /** JSON text of the attributes, or `''`. */
  attributes = '';
  /** When the event expires, ms since 1970; negative: so many ms after it is recorded; 0: never. */
  expiry = 0;
  /** JSON text of the payload. */
  payload = '';
  /** Bytes of a payload that the caller puts at the end of the record itself; -1: `payload` is written. */
  payloadAside = -1;

  #topic = '';
  #topicBytes: Uint8Array | undefined;
  /** Type and source seldom change from one event to the next, so their bytes are kept. */
  #lastType = '';
  #lastSource = '';
  #kindBytes = EMPTY;
  #typeLength = 0;
  #sourceLength = 0;
  #correlationIdLength = 0;
  #attributesLength = 0;
  #payloadLength = 0;

  get topic(): string {
    return this.#topic;
  }

  set topic(topic: string) {
    this.#topic = topic;
    this.#topicBytes = undefined;
  }

  /** Sets the topic together with its UTF-8, for callers that keep both. */
  setTopic(topic: string, bytes: Uint8Array): void {
    this.#topic = topic;
    this.#topicBytes = bytes;
  }

  /** Bytes of UTF-8 in the payload, as of the last `measure()`. */
  get payloadLength(): number {
    return this.#payloadLength;
  }

  /** The record's length in bytes. Must be called after the fields changed and before `writeTo`. */
  measure(): number {
    const topicBytes = (this.#topicBytes ??= Buffer.from(this.#topic));
    if (this.type !== this.#lastType || this.source !== this.#lastSource) this.#encodeKind();
    this.#correlationIdLength = this.correlationId === '' ? 0 : byteLength(this.correlationId);
    this.#attributesLength = this.attributes === '' ? 0 : byteLength(this.attributes);
    this.#payloadLength = this.payloadAside < 0 ? byteLength(this.payload) : this.payloadAside;
    return (
      EVENT_HEADER_LENGTH +
      topicBytes.length +
      this.#kindBytes.length +
      this.id.length +
      this.#correlationIdLength +
      this.causationId.length +
      this.#attributesLength +
      (this.expiry === 0 ? 0 : EXPIRY_BYTES) +
      this.#payloadLength
    );
  }

  /** Writes the record at `offset` and returns its length. */
  writeTo(bytes: Buffer, offset: number): number {
    const raw = bytes as RawBuffer;
    const topicBytes = this.#topicBytes!;
    raw[offset + FLAGS] = this.flags;
    raw[offset + ID_LENGTH] = this.id.length;
    raw[offset + TOPIC_LENGTH] = topicBytes.length;
    raw[offset + TYPE_LENGTH] = this.#typeLength;
    raw.writeDoubleLE(this.timestamp, offset + TIMESTAMP);
    raw[offset + SOURCE_LENGTH] = this.#sourceLength;
    raw[offset + CORRELATION_ID_LENGTH] = this.#correlationIdLength;
    raw[offset + CAUSATION_ID_LENGTH] = this.causationId.length;
    raw[offset + EXPIRY_LENGTH] = this.expiry === 0 ? 0 : EXPIRY_BYTES;
    raw.writeUInt32LE(this.#attributesLength, offset + ATTRIBUTES_LENGTH);
    raw.writeUInt32LE(this.#payloadLength, offset + PAYLOAD_LENGTH);
    raw.writeUInt32LE(0, offset + RESERVED);
    let at = copy(topicBytes, raw, offset + EVENT_HEADER_LENGTH);
    at = copy(this.#kindBytes, raw, at);
    // An id is ASCII. The optional fields are joined, so that they cross into native code together.
    at += raw.latin1Write(this.id, at, this.id.length);
    const optional = this.correlationId + this.causationId + this.attributes;
    if (optional !== '') at += raw.utf8Write(optional, at, raw.length - at);
    if (this.expiry !== 0) at = raw.writeDoubleLE(this.expiry, at);
    if (this.payloadAside < 0) at += raw.utf8Write(this.payload, at, this.#payloadLength);
    else at += this.payloadAside;
    const length = at - offset;
    raw.writeInt32LE(length, offset + LENGTH);
    return length;
  }

  #encodeKind(): void {
    this.#lastType = this.type;
    this.#lastSource = this.source;
    this.#kindBytes = Buffer.from(this.type + this.source);
    this.#typeLength = byteLength(this.type);
    this.#sourceLength = this.#kindBytes.length - this.#typeLength;
  }
}

/** Copies a few bytes, faster than native code would. Returns the offset behind the copy. */
function copy(from: Uint8Array, to: Buffer, start: number): number {
  const { length } = from;
  for (let i = 0; i < length; i++) to[start + i] = from[i]!;
  return start + length;
}

/**
 * Reads one event record in place. A flyweight: `wrap` the next record with the same object. Nothing is copied until a
 * getter asks for it.
 */
export class EventRecordView {
  bytes: Buffer = EMPTY;
  offset = 0;
  /** The memory of `#viewed`, the buffer used last: most records lie in the same ring as the one before. */
  #memory: ArrayBufferLike = EMPTY.buffer;
  #memoryOffset = 0;
  #viewed: Buffer = EMPTY;

  wrap(bytes: Buffer, offset: number): this {
    this.bytes = bytes;
    this.offset = offset;
    return this;
  }

  get length(): number {
    return this.bytes.readInt32LE(this.offset + LENGTH);
  }

  /** Whether a whole record begins here, and ends at `end` or before: its length is the one that its fields have. */
  isWhole(end: number): boolean {
    const { bytes, offset } = this;
    if (offset + EVENT_HEADER_LENGTH > end || end > bytes.length) return false;
    const expiryLength = bytes[offset + EXPIRY_LENGTH]!;
    if (expiryLength !== 0 && expiryLength !== EXPIRY_BYTES) return false;
    const attributesLength = bytes.readUInt32LE(offset + ATTRIBUTES_LENGTH);
    const payloadStart = this.#attributesStart() + attributesLength + expiryLength;
    const length = payloadStart + this.payloadLength - offset;
    return length === this.length && offset + length <= end;
  }

  get flags(): number {
    return this.bytes[this.offset + FLAGS]!;
  }

  get timestamp(): number {
    return this.bytes.readDoubleLE(this.offset + TIMESTAMP);
  }

  /** Set by the shard: the time at which the bus recorded the event, ms since 1970. */
  set timestamp(milliseconds: number) {
    this.bytes.writeDoubleLE(milliseconds, this.offset + TIMESTAMP);
  }

  get topic(): string {
    return text(this.bytes, this.topicStart, this.topicEnd);
  }

  get topicStart(): number {
    return this.offset + EVENT_HEADER_LENGTH;
  }

  get topicEnd(): number {
    return this.topicStart + this.bytes[this.offset + TOPIC_LENGTH]!;
  }

  get type(): string {
    return text(this.bytes, this.topicEnd, this.sourceStart);
  }

  get sourceStart(): number {
    return this.topicEnd + this.bytes[this.offset + TYPE_LENGTH]!;
  }

  get source(): string {
    return text(this.bytes, this.sourceStart, this.idStart);
  }

  get idStart(): number {
    return this.sourceStart + this.bytes[this.offset + SOURCE_LENGTH]!;
  }

  get idEnd(): number {
    return this.idStart + this.bytes[this.offset + ID_LENGTH]!;
  }

  get id(): string {
    return text(this.bytes, this.idStart, this.idEnd);
  }

  /** As `id`, for callers that know the length of topic, type and source together. */
  idAfter(namesLength: number): string {
    const start = this.offset + EVENT_HEADER_LENGTH + namesLength;
    return text(this.bytes, start, start + this.bytes[this.offset + ID_LENGTH]!);
  }

  /** In bytes. The correlation id follows the id. */
  get correlationIdLength(): number {
    return this.bytes[this.offset + CORRELATION_ID_LENGTH]!;
  }

  get correlationId(): string | undefined {
    const length = this.correlationIdLength;
    if (length === 0) return undefined;
    const start = this.idEnd;
    return text(this.bytes, start, start + length);
  }

  get causationId(): string | undefined {
    const length = this.bytes[this.offset + CAUSATION_ID_LENGTH]!;
    if (length === 0) return undefined;
    const end = this.#attributesStart();
    return text(this.bytes, end - length, end);
  }

  /** Whether there is a correlation id, a causation id, an attribute or an expiry. */
  get hasOptionalFields(): boolean {
    const { bytes, offset } = this;
    const lengths =
      bytes[offset + CORRELATION_ID_LENGTH]! |
      bytes[offset + CAUSATION_ID_LENGTH]! |
      bytes[offset + EXPIRY_LENGTH]!;
    return lengths !== 0 || bytes.readUInt32LE(offset + ATTRIBUTES_LENGTH) !== 0;
  }

  get hasExpiry(): boolean {
    return this.bytes[this.offset + EXPIRY_LENGTH] === EXPIRY_BYTES;
  }

  /** As `EventRecordEncoder.expiry`. */
  get expiry(): number {
    return this.hasExpiry ? this.bytes.readDoubleLE(this.payloadStart - EXPIRY_BYTES) : 0;
  }

  /** Set by the shard, of a record that has one: when the event expires, ms since 1970. */
  set expiry(milliseconds: number) {
    this.bytes.writeDoubleLE(milliseconds, this.payloadStart - EXPIRY_BYTES);
  }

  /** Whether the event has expired at a time, ms since 1970. */
  isExpired(now: number): boolean {
    if (!this.hasExpiry) return false;
    const { expiry } = this;
    return expiry > 0 && expiry <= now;
  }

  /** JSON text, or `undefined` where the event has no attributes. */
  get attributesText(): string | undefined {
    const length = this.bytes.readUInt32LE(this.offset + ATTRIBUTES_LENGTH);
    if (length === 0) return undefined;
    const start = this.#attributesStart();
    return text(this.bytes, start, start + length);
  }

  get attributes(): Record<string, string> | undefined {
    const json = this.attributesText;
    return json === undefined ? undefined : (JSON.parse(json) as Record<string, string>);
  }

  get payloadText(): string {
    const start = this.payloadStart;
    return text(this.bytes, start, start + this.payloadLength);
  }

  get payloadStart(): number {
    return this.offset + this.length - this.payloadLength;
  }

  get payloadLength(): number {
    return this.bytes.readUInt32LE(this.offset + PAYLOAD_LENGTH);
  }

  /** The payload's JSON text as bytes, in the record's own memory. */
  get payloadBytes(): Uint8Array {
    return this.#part(this.payloadStart, this.payloadLength);
  }

  /** The record without its length and its flags, in its own memory: what was published, and the time of it. */
  get publishedBytes(): Uint8Array {
    return this.#part(this.offset + ID_LENGTH, this.length - ID_LENGTH);
  }

  /** CRC-32 of the published content, seeded with `seed`; final once the timestamp is set. */
  checksum(seed: number): number {
    return crc32(this.#part(this.offset + CHECKED_FROM, this.length - CHECKED_FROM), seed);
  }

  /** As `checksum`, but of `reference` in the place of the payload, which need not be there. */
  checksumOfReference(reference: Uint8Array, seed: number): number {
    const start = this.offset + CHECKED_FROM;
    return crc32(reference, crc32(this.#part(start, this.payloadStart - start), seed));
  }

  /** As `bytes.subarray`, in half the time. The log takes two parts of each event. */
  #part(start: number, length: number): Uint8Array {
    if (this.bytes !== this.#viewed) {
      this.#viewed = this.bytes;
      this.#memory = this.bytes.buffer;
      this.#memoryOffset = this.bytes.byteOffset;
    }
    return new Uint8Array(this.#memory, this.#memoryOffset + start, length);
  }

  #attributesStart(): number {
    const { bytes, offset } = this;
    const correlationIdLength = bytes[offset + CORRELATION_ID_LENGTH]!;
    return this.idEnd + correlationIdLength + bytes[offset + CAUSATION_ID_LENGTH]!;
  }
}

function text(bytes: Buffer, start: number, end: number): string {
  return (bytes as RawBuffer).utf8Slice(start, end);
}
