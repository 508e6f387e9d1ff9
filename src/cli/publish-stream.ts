import { setTimeout as delay } from 'node:timers/promises';
import { BusError } from '../protocol/errors.js';
import type { PublishAck } from '../protocol/event.js';
import { EVENTS_FRAME_BYTES_MAX, EVENTS_PER_FRAME_MAX, KIB } from '../protocol/limits.js';
import type { RequestPayload } from '../protocol/wire.js';
import type { Session } from './session.js';

/**
 * Publishes many events over one connection: several in a frame, and a bounded number of frames on
 * their way. `add` waits while there are that many, which is the back-pressure towards whoever
 * reads the events from somewhere.
 */
export interface PublishStreamOptions {
  /** Events per second. */
  rate?: number;
  durability?: 'synced' | 'written';
  persist?: false;
  onAcks?: (acks: readonly PublishAck[]) => void;
}

/** The places of a frame's first and last event, as they were given to `add`. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** What all events of one stream have in common. */
export type EventFields = Omit<
  Extract<RequestPayload<'publish'>, { event: unknown }>['event'],
  'payload'
>;

const FRAMES_IN_FLIGHT_MAX = 8;
/** Room in a frame for what stands around its events. */
const ENVELOPE_BYTES = 1 * KIB;

export class PublishStream {
  acked = 0;
  duplicates = 0;
  readonly #session: Session;
  readonly #options: PublishStreamOptions;
  /** An event's text up to its payload's. */
  readonly #head: string;
  /** The frame's text after its events. */
  readonly #tail: string;
  readonly #startedAt = performance.now();
  readonly #inFlight = new Set<Promise<void>>();
  #added = 0;
  #batch: string[] = [];
  #batchBytes = 0;
  #batchFirst = 0;
  #batchLast = 0;
  /** Of the first frame, in the order of sending, that failed. */
  #failed: (Span & { readonly error: unknown }) | undefined;

  constructor(session: Session, fields: EventFields, options: PublishStreamOptions) {
    this.#session = session;
    this.#options = options;
    this.#head = `${JSON.stringify(fields).slice(0, -1)},"payload":`;
    const { durability, persist } = options;
    this.#tail = `,${JSON.stringify({ durability, persist }).slice(1)}`.replace(/,}$/, '}');
  }

  /** Where the frame stands that failed, if one has. Of its events some may be published. */
  get failed(): Span | undefined {
    return this.#failed;
  }

  /**
   * Takes a payload's JSON text. `place` is where the event stands in its source, which grows: the line of a file.
   * @throws BusError what the server said to an earlier event, or `PAYLOAD_TOO_LARGE`
   */
  async add(payload: string, place = this.#added + 1): Promise<void> {
    this.#throwFailure();
    this.#checkSize(payload);
    await this.#pace();
    const event = `${this.#head}${payload}}`;
    const bytes = Buffer.byteLength(event) + 1;
    if (this.#batchBytes + bytes > this.#batchBytesMax()) await this.flush();
    if (this.#batch.length === 0) this.#batchFirst = place;
    this.#batchLast = place;
    this.#batch.push(event);
    this.#batchBytes += bytes;
    this.#added++;
    const isFull = this.#batch.length === EVENTS_PER_FRAME_MAX;
    if (isFull || this.#options.rate !== undefined) await this.flush();
  }

  /** Sends what has been added; waits only for room. */
  async flush(): Promise<void> {
    if (this.#batch.length === 0) return;
    const span = { first: this.#batchFirst, last: this.#batchLast };
    const events = this.#batch.join(',');
    // One alone is refused by itself, and not as the first of several.
    const field = this.#batch.length === 1 ? `"event":${events}` : `"events":[${events}]`;
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
    await this.flush();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  /** As `end`, but a failure is told by `failed` alone. */
  async settle(): Promise<void> {
    await this.flush().catch(() => undefined);
    await Promise.all(this.#inFlight);
  }

  /** Never rejects: a failure is kept for the next call of the owner. */
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

  #checkSize(payload: string): void {
    const { payloadBytes } = this.#session.welcome.limits;
    const bytes = Buffer.byteLength(payload);
    if (bytes <= payloadBytes) return;
    const message = `payload ${this.#added + 1} has ${bytes} bytes; ${payloadBytes} is the limit`;
    throw new BusError('PAYLOAD_TOO_LARGE', message, { details: { bytes, payloadBytes } });
  }

  /**
   * One event larger than this goes alone; it fits into a frame because its payload was checked.
   */
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
