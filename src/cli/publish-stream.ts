import { setTimeout as delay } from 'node:timers/promises';
import { BusError } from '../protocol/errors.js';
import type { Expectation, PublishAck } from '../protocol/event.js';
import { KIB } from '../protocol/limits/units.js';
import { EVENTS_FRAME_BYTES_MAX, EVENTS_PER_FRAME_MAX } from '../protocol/limits/websocket.js';
import type { RequestPayload } from '../protocol/wire.js';
import type { Session } from './session.js';

/**
 * Publishes many events over one connection, several in a frame, with a bounded number of frames in flight. `add` waits
 * while that many are, so the source of the events is read no faster.
 */
export interface PublishStreamOptions {
  /** Events per second. */
  rate?: number;
  durability?: 'synced' | 'written';
  persist?: false;
  /** All events go in one frame, when the stream ends; all are stored, or none. */
  atomic?: true;
  expect?: Expectation;
  /** RFC 3339. */
  deliverAt?: string;
  delayMs?: number;
  ttlMs?: number;
  onAcks?: (acks: readonly PublishAck[]) => void;
}

/** The places of a frame's first and last event, as they were given to `add`. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** The fields that all events of a stream share. */
export type EventFields = Omit<
  Extract<RequestPayload<'publish'>, { event: unknown }>['event'],
  'payload'
>;

const FRAMES_IN_FLIGHT_MAX = 8;
/** Room in a frame for the text around its events. */
const ENVELOPE_BYTES = 1 * KIB;

export class PublishStream {
  acked = 0;
  duplicates = 0;
  readonly #session: Session;
  readonly #options: PublishStreamOptions;
  /** An event's text before its payload. */
  readonly #head: string;
  /** A frame's text behind its events. */
  readonly #tail: string;
  readonly #startedAt = performance.now();
  readonly #inFlight = new Set<Promise<void>>();
  #added = 0;
  #batch: string[] = [];
  #batchBytes = 0;
  #batchFirst = 0;
  #batchLast = 0;
  /** The span and error of the frame that failed; of several, the one sent first. */
  #failed: (Span & { readonly error: unknown }) | undefined;

  constructor(session: Session, fields: EventFields, options: PublishStreamOptions) {
    this.#session = session;
    this.#options = options;
    this.#head = `${JSON.stringify(fields).slice(0, -1)},"payload":`;
    const { durability, persist, atomic, expect, deliverAt, delayMs, ttlMs } = options;
    const terms = { durability, persist, atomic, expect, deliverAt, delayMs, ttlMs };
    this.#tail = `,${JSON.stringify(terms).slice(1)}`.replace(/,}$/, '}');
  }

  /** The places of the events of the frame that failed, if one has. Some of these events may be published. */
  get failed(): Span | undefined {
    return this.#failed;
  }

  /**
   * Adds an event with this JSON text as its payload. `place` is the event's place in its source, such as the line of a
   * file, and grows.
   * @throws BusError the server's error for an earlier event, or `PAYLOAD_TOO_LARGE`
   */
  async add(payload: string, place = this.#added + 1): Promise<void> {
    this.#throwFailure();
    this.#checkSize(payload);
    await this.#pace();
    const event = `${this.#head}${payload}}`;
    const bytes = Buffer.byteLength(event) + 1;
    if (this.#options.atomic === true) this.#checkGroup(bytes);
    else if (this.#batchBytes + bytes > this.#batchBytesMax()) await this.flush();
    if (this.#batch.length === 0) this.#batchFirst = place;
    this.#batchLast = place;
    this.#batch.push(event);
    this.#batchBytes += bytes;
    this.#added++;
    const isFull = this.#batch.length === EVENTS_PER_FRAME_MAX;
    if (isFull || this.#options.rate !== undefined) await this.flush();
  }

  /**
   * Sends the events added so far, unless they are one group; waits only until there is room for another frame in
   * flight.
   */
  async flush(): Promise<void> {
    if (this.#options.atomic !== true) await this.#send();
  }

  async #send(): Promise<void> {
    if (this.#batch.length === 0) return;
    const span = { first: this.#batchFirst, last: this.#batchLast };
    const events = this.#batch.join(',');
    // A lone event is sent as one, so that an error does not name it as the first of several.
    const isOne = this.#batch.length === 1 && this.#options.atomic !== true;
    const field = isOne ? `"event":${events}` : `"events":[${events}]`;
    const payload = `{${field}${this.#tail}`;
    this.#batch = [];
    this.#batchBytes = 0;
    while (this.#inFlight.size >= FRAMES_IN_FLIGHT_MAX) await Promise.race(this.#inFlight);
    this.#throwFailure();
    const answered = this.#publish(payload, span).finally(() => this.#inFlight.delete(answered));
    this.#inFlight.add(answered);
  }

  /** Resolves when everything is acknowledged. */
  async end(): Promise<void> {
    await this.#send();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  /** As `end`, but never rejects; a failure is found in `failed`. */
  async settle(): Promise<void> {
    await this.flush().catch(() => undefined);
    await Promise.all(this.#inFlight);
  }

  /** Never rejects: the next call of `add`, `flush` or `end` throws the failure. */
  async #publish(payload: string, span: Span): Promise<void> {
    try {
      const { acks } = await this.#session.requestText('publish', payload);
      this.acked += acks.length;
      for (const ack of acks) if (ack.duplicate) this.duplicates++;
      this.#options.onAcks?.(acks);
    } catch (error) {
      const isFirst = span.first < (this.#failed?.first ?? Number.POSITIVE_INFINITY);
      if (isFirst) this.#failed = { ...span, error };
    }
  }

  #throwFailure(): void {
    if (this.#failed !== undefined) throw this.#failed.error;
  }

  #checkGroup(bytes: number): void {
    const { frameBytes } = this.#session.welcome.limits;
    const all = this.#batchBytes + bytes;
    if (all + ENVELOPE_BYTES <= frameBytes) return;
    const message = `the events of --atomic have ${all} bytes and more; the server takes ${frameBytes}`;
    throw new BusError('PAYLOAD_TOO_LARGE', message, { details: { bytes: all, frameBytes } });
  }

  #checkSize(payload: string): void {
    const { payloadBytes } = this.#session.welcome.limits;
    const bytes = Buffer.byteLength(payload);
    if (bytes <= payloadBytes) return;
    const message = `payload ${this.#added + 1} has ${bytes} bytes; ${payloadBytes} is the limit`;
    throw new BusError('PAYLOAD_TOO_LARGE', message, { details: { bytes, payloadBytes } });
  }

  /** The room for events in a frame. A larger event is sent alone; it fits into a frame, as its payload was checked. */
  #batchBytesMax(): number {
    const { frameBytes } = this.#session.welcome.limits;
    return Math.min(EVENTS_FRAME_BYTES_MAX, frameBytes - ENVELOPE_BYTES);
  }

  async #pace(): Promise<void> {
    const { rate } = this.#options;
    if (rate === undefined) return;
    const dueAt = this.#startedAt + (this.#added * 1000) / rate;
    const early = dueAt - performance.now();
    if (early > 0) await delay(early);
  }
}
