import { Queue } from '../collections/queue.js';
import { Waiters } from '../handout/waiters.js';
import { decodeCursor } from '../protocol/cursor.js';
import { BusError } from '../protocol/errors.js';
import type { PublishAck } from '../protocol/event.js';
import {
  CLIENT_PUBLISH_BYTES_IN_FLIGHT,
  CLIENT_PUBLISHES_IN_FLIGHT,
  CLIENT_RESEND_MARGIN_MS,
} from '../protocol/limits/client.js';
import { quote } from '../protocol/quote.js';
import { StoredAck } from '../protocol/stored-ack.js';
import type { ServerFrame, ServerPayloads } from '../protocol/wire.js';
import type { OutgoingEvent } from './outgoing-event.js';
import { invalid, serverError } from './server-frame.js';

/**
 * Publishes that the server has not acknowledged yet, in their order. Frames that were sent over a lost connection are
 * sent again over the next one, before those that were not, so the events of a topic keep their order. Their ids let
 * the server store each event once.
 */

export interface OutboxLimits {
  readonly maxOutboxEvents: number;
  readonly maxOutboxBytes: number;
  readonly resendWindowMs: number;
}

export interface OutboxHost {
  send(frame: string): boolean;
  nextId(): number;
  /** Ends the connection: the server's answer leaves no way on but a new connection. */
  cut(error: BusError): void;
}

/** One frame of publishes. */
export interface PublishFrame {
  readonly events: readonly OutgoingEvent[];
  /** The JSON text that follows the events in the frame's payload. */
  readonly options: string;
  /** Ephemeral events are not stored, so the server cannot recognise one that comes a second time. */
  readonly isEphemeral: boolean;
  readonly isMany: boolean;
  resolve(acks: readonly PublishAck[]): void;
  reject(error: BusError): void;
}

/**
 * A moment by two clocks, as neither is enough: the elapsed time stands still while the machine sleeps, and the wall
 * clock can be set.
 */
interface Moment {
  readonly elapsedMs: number;
  readonly wallMs: number;
}

interface Entry {
  readonly frame: PublishFrame;
  readonly bytes: number;
  firstSentAt: Moment | undefined;
  /** It was sent over more than one connection. */
  isRepeated: boolean;
  isInFlight: boolean;
  /** Its publisher has given up waiting. Unless it is in flight, it does not count in `events` and `bytes` any more. */
  isAbandoned: boolean;
}

export type Abandon = (error: (isSent: boolean) => BusError) => void;

export class Outbox {
  readonly #limits: OutboxLimits;
  readonly #host: OutboxHost;
  #waiting = new Queue<Entry>();
  /** How many of the waiting entries are abandoned. */
  #abandoned = 0;
  readonly #inFlight = new Map<number, Entry>();
  #inFlightBytes = 0;
  #events = 0;
  #bytes = 0;
  /** The size of an event that `tryPublish` had no room for; 0 once another event is taken. */
  #missedBytes = 0;
  #resendMs: number;
  readonly #waiters = new Waiters();

  constructor(limits: OutboxLimits, host: OutboxHost) {
    this.#limits = limits;
    this.#resendMs = limits.resendWindowMs;
    this.#host = host;
  }

  /** How many events are not acknowledged. */
  get events(): number {
    return this.#events;
  }

  /** Whether there is room for this many more. An empty outbox has room for anything. */
  hasRoom(events: number, bytes: number): boolean {
    if (this.#events === 0) return true;
    const { maxOutboxEvents, maxOutboxBytes } = this.#limits;
    return this.#events + events <= maxOutboxEvents && this.#bytes + bytes <= maxOutboxBytes;
  }

  /** An event of this size was refused; `drained` waits until there is room for it. */
  missed(bytes: number): void {
    this.#missedBytes = bytes;
  }

  full(): BusError {
    const message = `${this.#events} events of ${this.#bytes} bytes wait for their acknowledgements`;
    return new BusError('BACKPRESSURE', message, {
      details: { events: this.#events, bytes: this.#bytes },
    });
  }

  /** Adds the frame, whether there is room or not. The returned function abandons it and rejects its publish. */
  add(frame: PublishFrame): Abandon {
    let bytes = 0;
    for (const event of frame.events) bytes += event.bytes;
    const entry: Entry = {
      frame,
      bytes,
      firstSentAt: undefined,
      isRepeated: false,
      isInFlight: false,
      isAbandoned: false,
    };
    this.#missedBytes = 0;
    this.#events += frame.events.length;
    this.#bytes += bytes;
    this.#waiting.push(entry);
    this.pump();
    return (error) => {
      if (entry.isAbandoned) return;
      entry.isAbandoned = true;
      frame.reject(error(entry.firstSentAt !== undefined));
      if (!entry.isInFlight) this.#drop(entry);
      this.pump();
    };
  }

  /** @param dedupeReachMs how far back the server recognises every id; unlimited if it does not say */
  connected(dedupeReachMs = Number.POSITIVE_INFINITY): void {
    const { resendWindowMs } = this.#limits;
    this.#resendMs = Math.min(resendWindowMs, dedupeReachMs - CLIENT_RESEND_MARGIN_MS);
    this.pump();
  }

  /** Sends waiting frames, as many as may be in flight. */
  pump(): void {
    for (let entry = this.#waiting.peek(); entry !== undefined; entry = this.#waiting.peek()) {
      if (entry.isAbandoned) {
        this.#waiting.shift();
        this.#abandoned--;
        continue;
      }
      const failure = this.#unsendable(entry);
      if (failure !== undefined) {
        this.#waiting.shift();
        this.#forget(entry);
        entry.frame.reject(failure);
        continue;
      }
      if (!this.#mayFly(entry)) break;
      const id = this.#host.nextId();
      if (!this.#host.send(frameText(id, entry.frame))) break;
      this.#waiting.shift();
      this.#inFlight.set(id, entry);
      entry.isInFlight = true;
      this.#inFlightBytes += entry.bytes;
      entry.isRepeated = entry.firstSentAt !== undefined;
      entry.firstSentAt ??= { elapsedMs: performance.now(), wallMs: Date.now() };
    }
    this.#waiters.wake();
  }

  /**
   * Takes the answer to a publish; false if the frame is not one.
   * @throws BusError `MESSAGE_INVALID`, `CURSOR_INVALID` if the answer does not fit the events that were sent
   */
  take(answer: ServerFrame): boolean {
    const id = answer.requestId;
    const entry = typeof id === 'number' ? this.#inFlight.get(id) : undefined;
    if (entry === undefined) return false;
    if (answer.type === 'published') {
      const { acks, cursor } = answer.payload;
      checkAcks(entry.frame, answer.payload);
      this.#land(id as number, entry);
      if (!entry.isAbandoned) entry.frame.resolve(ownAcks(entry, acks, cursor));
    } else if (answer.type === 'error')
      this.#refused(id as number, entry, serverError(answer.payload));
    else throw invalid(`${answer.type} is no answer to a publish`);
    this.pump();
    return true;
  }

  /** The connection is lost: frames in flight go back to the front of the waiting ones. */
  lost(): void {
    const waiting = new Queue<Entry>();
    for (const entry of this.#inFlight.values()) {
      entry.isInFlight = false;
      if (entry.isAbandoned) this.#forget(entry);
      else if (entry.frame.isEphemeral) {
        this.#forget(entry);
        entry.frame.reject(unknown(entry, 'it is ephemeral, and is not sent a second time'));
      } else waiting.push(entry);
    }
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    for (const entry of this.#waiting) waiting.push(entry);
    this.#waiting = waiting;
    this.#waiters.wake();
  }

  /** Rejects every publish: nothing will be sent any more. */
  fail(error: BusError): void {
    const waiting = [...this.#waiting].filter(({ isAbandoned }) => !isAbandoned);
    const entries = [...this.#inFlight.values(), ...waiting];
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    this.#waiting.clear();
    this.#abandoned = 0;
    for (const entry of entries) {
      this.#forget(entry);
      if (entry.isAbandoned) continue;
      const wasSent = entry.firstSentAt !== undefined;
      entry.frame.reject(wasSent ? unknown(entry, error.message, error) : error);
    }
    this.#waiters.wake();
  }

  /** Resolves once every publish is acknowledged or has failed. */
  emptied(): Promise<void> {
    return this.#waiters.when(() => this.#events === 0);
  }

  /** Resolves once the outbox is at most half full and has room for the event that was refused last. */
  drained(): Promise<void> {
    const { maxOutboxEvents, maxOutboxBytes } = this.#limits;
    return this.#waiters.when(
      () =>
        this.#events * 2 <= maxOutboxEvents &&
        this.#bytes * 2 <= maxOutboxBytes &&
        this.hasRoom(1, this.#missedBytes),
    );
  }

  #mayFly(entry: Entry): boolean {
    if (this.#inFlight.size === 0) return true;
    if (this.#inFlight.size >= CLIENT_PUBLISHES_IN_FLIGHT) return false;
    return this.#inFlightBytes + entry.bytes <= CLIENT_PUBLISH_BYTES_IN_FLIGHT;
  }

  #unsendable(entry: Entry): BusError | undefined {
    if (entry.firstSentAt === undefined) return undefined;
    const sinceMs = msSince(entry.firstSentAt);
    if (sinceMs < this.#resendMs) return undefined;
    const known = `the server is sure to know an id again for ${Math.max(0, this.#resendMs)} ms`;
    return unknown(entry, `it was first sent ${Math.round(sinceMs)} ms ago, and ${known}`);
  }

  /**
   * The server refused a frame. A server that is stopping cannot say whether it stored the events; the next one can, by
   * their ids, so a new connection sends them again.
   */
  #refused(id: number, entry: Entry, error: BusError): void {
    const isStopping = error.code === 'BUS_CLOSED' || error.code === 'PUBLISH_UNKNOWN';
    if (isStopping && !entry.isAbandoned && !entry.frame.isEphemeral) {
      this.#host.cut(error);
      return;
    }
    this.#land(id, entry);
    if (entry.isAbandoned) return;
    entry.frame.reject(entry.isRepeated ? unknownAfter(error, entry) : error);
  }

  #land(id: number, entry: Entry): void {
    this.#inFlight.delete(id);
    this.#inFlightBytes -= entry.bytes;
    this.#forget(entry);
  }

  /**
   * Counts an abandoned entry out. It stays in the queue until it comes to the front, or until most of the queue is
   * abandoned.
   */
  #drop(entry: Entry): void {
    this.#forget(entry);
    this.#abandoned++;
    if (this.#abandoned * 2 <= this.#waiting.length) return;
    const waiting = new Queue<Entry>();
    for (const other of this.#waiting) if (!other.isAbandoned) waiting.push(other);
    this.#waiting = waiting;
    this.#abandoned = 0;
  }

  #forget(entry: Entry): void {
    this.#events -= entry.frame.events.length;
    this.#bytes -= entry.bytes;
  }
}

/** The longer of the times by the two clocks. */
function msSince({ elapsedMs, wallMs }: Moment): number {
  return Math.max(performance.now() - elapsedMs, Date.now() - wallMs);
}

function frameText(id: number, { events, options, isMany }: PublishFrame): string {
  const body = isMany
    ? `"events":[${events.map(({ text }) => text).join(',')}]`
    : `"event":${events[0]!.text}`;
  return `{"type":"publish","requestId":${id},"payload":{${body}${options}}}`;
}

function checkAcks({ events }: PublishFrame, { acks, cursor }: ServerPayloads['published']): void {
  const fits = (ack: PublishAck, at: number): boolean =>
    ack.id === events[at]!.id && ack.topic === events[at]!.topic;
  if (acks.length !== events.length || !acks.every(fits)) {
    throw invalid(`${acks.length} acks do not fit the ${events.length} events that were published`);
  }
  if (cursor === undefined) return;
  const { positions } = decodeCursor(cursor);
  const stranger = acks.find(({ shard }) => positions[shard] === undefined);
  if (stranger !== undefined) throw invalid(`the cursor has no shard ${quote(stranger.shard)}`);
}

/**
 * The acks as the publisher gets them. An event that was stored the first time it was sent is not a duplicate if the
 * client chose its id, as no other publish can have that id. `cursor` stands before the events that this sending
 * stored.
 */
function ownAcks(
  { frame, isRepeated }: Entry,
  acks: readonly PublishAck[],
  cursor: string | undefined,
): PublishAck[] {
  const before = cursor === undefined ? undefined : { cursor };
  return acks.map((ack, at) => {
    const { id, topic, shard, sequence, durability, duplicate } = ack;
    if (duplicate) {
      return isRepeated && frame.events[at]!.hasOwnId ? { ...ack, duplicate: false } : ack;
    }
    if (before === undefined || sequence === undefined) return ack;
    return new StoredAck(id, topic, shard, sequence, durability, before);
  });
}

/**
 * The server refused the frame when it was last sent, but may have stored its events earlier. The events that the
 * refusal names as stored are known to be.
 */
function unknownAfter(error: BusError, entry: Entry): BusError {
  const { code, message, details = {} } = error;
  const reason = `it was sent more than once, and at last refused with ${code}: ${message}`;
  return unknown(entry, reason, error, details);
}

function unknown(
  { frame }: Entry,
  reason: string,
  cause?: unknown,
  known: Readonly<Record<string, unknown>> = {},
): BusError {
  const ids = frame.events.map(({ id }) => id);
  const stored = Array.isArray(known.stored) ? known.stored : [];
  const open = [...ids.keys()].filter((index) => !stored.includes(index));
  const details = frame.isMany ? { ...known, ids, unknown: open } : { ...known, ids };
  const options = cause === undefined ? { details } : { details, cause };
  return new BusError(
    'PUBLISH_UNKNOWN',
    `the server may or may not have stored it: ${reason}`,
    options,
  );
}
