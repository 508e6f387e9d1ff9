/**
 * Sends records of any size over a ring, in the order of their commits. A record that is too long for the ring gets a
 * SharedArrayBuffer of its own, which is posted to a MessagePort before a small reference to it is committed in the
 * ring. The port carries only these buffers and doorbells. The receiver may drop a doorbell, because a thread that
 * reads the ring is awake. Rings that share a port are told apart by their channel.
 *
 * The buffer's header is in `buffer-inbox.ts`; a reference record has this body:
 *
 * ```
 *    0               4               8               12
 *   +---------------+---------------+---------------+---------------+
 *  0| key           | generation    | type          | length        |
 *   +---------------+---------------+---------------+---------------+
 * ```
 *
 * The key is the producer position before the reference was committed: the consumer has passed the reference once its
 * position is past the key. The generation is that of the ring's producer. It is needed because a producer that dies
 * after posting a buffer leaves its position, and so the same key, to its successor.
 *
 * `RecordSender` belongs to the producer's thread, `RecordReceiver` to the consumer's.
 */
import type { MessagePort } from 'node:worker_threads';
import { LARGE_RECORD_BYTES_IN_FLIGHT_MAX } from '../protocol/limits/links.js';
import {
  BUFFER_CHANNEL,
  BUFFER_GENERATION,
  BUFFER_HEADER_LENGTH,
  BUFFER_KEY,
  type BufferInbox,
} from './buffer-inbox.js';
import { type RecordHandler, RING_FULL, type RingConsumer, type RingProducer } from './ring.js';
import { REFERENCE_TYPE } from './ring-descriptor.js';

const KEY = 0;
const GENERATION = KEY + 4;
const TYPE = GENERATION + 4;
const LENGTH = TYPE + 4;
const REFERENCE_LENGTH = LENGTH + 4;

const NO_BYTES = Buffer.alloc(0);

export interface RecordSenderOptions {
  /** This ring's number among those that share the port in this direction. Default 0. */
  readonly channel?: number;
  readonly bytesInFlightMax?: number;
}

export class RecordSender {
  /** The claimed record's body is to be written into `bytes`, from `offset` on. */
  bytes: Buffer = NO_BYTES;
  offset = 0;

  readonly producer: RingProducer;
  readonly #channel: number;
  readonly #sent: Buffer[] = [];
  readonly #bytesInFlightMax: number;
  #port: MessagePort;
  #bytesInFlight = 0;
  /** Offset of the reference in the ring while a large record is claimed, else `RING_FULL`. */
  #referenceOffset = RING_FULL;
  #claimLength = 0;

  constructor(producer: RingProducer, port: MessagePort, options: RecordSenderOptions = {}) {
    if (producer.maxRecordLength < REFERENCE_LENGTH) {
      throw new RangeError(`a ring of ${producer.capacity} bytes is too small for references`);
    }
    this.producer = producer;
    this.#port = port;
    this.#channel = options.channel ?? 0;
    this.#bytesInFlightMax = options.bytesInFlightMax ?? LARGE_RECORD_BYTES_IN_FLIGHT_MAX;
  }

  /**
   * Claims room for a body of `length` bytes. Returns false if the ring is full or too many bytes are in flight;
   * `producer.setWaiting` asks for a wake-up in both cases.
   */
  tryClaim(length: number): boolean {
    if (this.#sent.length > 0) this.dropPassed();
    const { producer } = this;
    if (length > producer.maxRecordLength) return this.#tryClaimLarge(length);
    const offset = producer.tryClaim(length);
    if (offset === RING_FULL) return false;
    this.bytes = producer.bytes;
    this.offset = offset;
    return true;
  }

  /**
   * Makes the record visible; `length` may be less than was claimed.
   * @param type 0 or more
   * @throws the error of posting the buffer; the record is then dropped, as by `abort`
   */
  commit(type: number, length?: number): void {
    if (!(type >= 0)) throw new RangeError(`a record's type is 0 or more, not ${type}`);
    if (this.#referenceOffset === RING_FULL) this.producer.commit(type, length);
    else this.#commitLarge(type, length ?? this.#claimLength);
  }

  abort(): void {
    this.producer.abort();
    this.#forgetClaim();
  }

  /** Bytes of large records that the consumer has not released. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Drops the buffers that the consumer has released. Claims do so too. */
  dropPassed(): void {
    const consumerPosition = this.producer.consumerPosition;
    const sent = this.#sent;
    let passed = 0;
    while (
      passed < sent.length &&
      isBefore(sent[passed]!.readInt32LE(BUFFER_KEY), consumerPosition)
    ) {
      this.#bytesInFlight -= sent[passed]!.length;
      passed++;
    }
    if (passed > 0) sent.splice(0, passed);
  }

  /**
   * Switches to the port of a consumer that replaced a dead one, and sends it again the buffers that are not released.
   */
  relink(port: MessagePort): void {
    this.#port = port;
    this.dropPassed();
    for (const bytes of this.#sent) port.postMessage(bytes.buffer);
  }

  #tryClaimLarge(length: number): boolean {
    const size = BUFFER_HEADER_LENGTH + length;
    const bytesInFlight = this.#bytesInFlight;
    if (bytesInFlight > 0 && bytesInFlight + size > this.#bytesInFlightMax) return false;
    const offset = this.producer.tryClaim(REFERENCE_LENGTH);
    if (offset === RING_FULL) return false;
    try {
      this.bytes = Buffer.from(new SharedArrayBuffer(size));
    } catch (error) {
      this.producer.abort();
      throw error;
    }
    this.offset = BUFFER_HEADER_LENGTH;
    this.#referenceOffset = offset;
    this.#claimLength = length;
    return true;
  }

  #commitLarge(type: number, length: number): void {
    if (!(length >= 0 && length <= this.#claimLength)) {
      throw new RangeError(`${length} bytes committed of ${this.#claimLength} claimed`);
    }
    const { bytes, producer } = this;
    const key = producer.position;
    bytes.writeInt32LE(key, BUFFER_KEY);
    bytes.writeInt32LE(producer.generation, BUFFER_GENERATION);
    bytes.writeInt32LE(this.#channel, BUFFER_CHANNEL);
    const offset = this.#referenceOffset;
    producer.bytes.writeInt32LE(key, offset + KEY);
    producer.bytes.writeInt32LE(producer.generation, offset + GENERATION);
    producer.bytes.writeInt32LE(type, offset + TYPE);
    producer.bytes.writeInt32LE(length, offset + LENGTH);
    try {
      // Posted before the commit, so that a consumer that sees the reference finds the buffer in its port.
      this.#port.postMessage(bytes.buffer);
    } catch (error) {
      this.abort();
      throw error;
    }
    producer.commit(REFERENCE_TYPE);
    this.#sent.push(bytes);
    this.#bytesInFlight += bytes.length;
    this.#forgetClaim();
  }

  #forgetClaim(): void {
    this.#referenceOffset = RING_FULL;
    this.bytes = NO_BYTES;
  }
}

export class RecordReceiver {
  readonly consumer: RingConsumer;
  /** Buffers by key, in order of arrival: the order of the keys, except after a relink. */
  readonly #buffers = new Map<number, Buffer>();
  readonly #inbox: BufferInbox;
  /** Set by `read`, and called by `#resolve` within it. */
  #handler!: RecordHandler;
  #isStalled = false;

  /** `channel` is the sender's. */
  constructor(consumer: RingConsumer, inbox: BufferInbox, channel = 0) {
    this.consumer = consumer;
    this.#inbox = inbox;
    inbox.open(channel, (bytes) => this.#take(bytes));
  }

  /** As `RingConsumer.read`; it also stops before a reference whose buffer has not arrived. */
  read(handler: RecordHandler, limit: number, until?: number): number {
    this.#handler = handler;
    this.#isStalled = false;
    return this.consumer.read(this.#resolve, limit, until);
  }

  /**
   * Whether the last `read` stopped because a buffer had not arrived: a record is committed, but cannot be read yet.
   */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /**
   * Whether there is a record to read. Looks once more for a buffer that had not arrived at the last `read`: a sender that
   * was relinked since has sent it, and has woken nobody if the reader was not parked yet.
   */
  hasReadable(): boolean {
    if (this.consumer.isEmpty()) return false;
    if (this.#isStalled) this.#inbox.receive();
    return !this.#isStalled;
  }

  /** Number of buffers that have arrived and are not released. */
  get buffersHeld(): number {
    return this.#buffers.size;
  }

  /** As `RingConsumer.release`; drops the released buffers too. */
  release(): boolean {
    const isProducerWaiting = this.consumer.release();
    if (this.#buffers.size > 0) this.#dropReleased();
    return isProducerWaiting;
  }

  readonly #resolve: RecordHandler = (type, bytes, offset, length) => {
    if (type !== REFERENCE_TYPE) return this.#handler(type, bytes, offset, length);
    const key = bytes.readInt32LE(offset + KEY);
    const generation = bytes.readInt32LE(offset + GENERATION);
    if (!this.#holds(key, generation)) this.#inbox.receive();
    if (!this.#holds(key, generation)) {
      this.#isStalled = true;
      return false;
    }
    const recordType = bytes.readInt32LE(offset + TYPE);
    const recordLength = bytes.readInt32LE(offset + LENGTH);
    const buffer = this.#buffers.get(key)!;
    return this.#handler(recordType, buffer, BUFFER_HEADER_LENGTH, recordLength);
  };

  #holds(key: number, generation: number): boolean {
    return this.#buffers.get(key)?.readInt32LE(BUFFER_GENERATION) === generation;
  }

  /**
   * Keeps a buffer that has arrived. Another channel's receiver may have fetched it, so this one is no longer stalled.
   */
  #take(bytes: Buffer): void {
    const key = bytes.readInt32LE(BUFFER_KEY);
    if (isBefore(key, this.consumer.releasedPosition)) return;
    this.#buffers.set(key, bytes);
    this.#isStalled = false;
  }

  #dropReleased(): void {
    const releasedPosition = this.consumer.releasedPosition;
    for (const key of this.#buffers.keys()) {
      if (isBefore(key, releasedPosition)) this.#buffers.delete(key);
    }
  }
}

function isBefore(position: number, other: number): boolean {
  return ((position - other) | 0) < 0;
}
