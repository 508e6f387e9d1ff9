import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Bus } from '../main/bus.js';
import type { Gap, Subscription } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { Event, EventInput } from '../protocol/event.js';
import { MIRROR_BUFFER_EVENTS, MIRROR_POSITION_MS } from '../protocol/limits/mirror.js';
import { PAYLOAD_TEXT, payloadTextOf, type WithPayloadText } from '../protocol/payload-text.js';
import { messageOf } from '../protocol/thrown.js';
import { KnownEvents } from './known-events.js';
import type { RemoteBus } from './mirror-options.js';
import type { Position, PositionFile } from './position.js';

/** What flows in: the events of the remote bus, into the local log, in their order and each once. See docs/adr/0088. */
export interface InflowParts {
  readonly remote: RemoteBus;
  /** Has one shard. */
  readonly log: Bus;
  readonly file: PositionFile;
  readonly topics: readonly string[];
  readonly name: string;
  readonly onGap: (gap: Gap) => void;
  /** It cannot go on. */
  readonly onFailure: (error: unknown) => void;
}

export class Inflow {
  /** How many events this process has stored. */
  stored = 0;
  /** The last sequence of the log. */
  head = 0;
  readonly #parts: InflowParts;
  readonly #known = new KnownEvents();
  #subscription!: Subscription;
  /** The last cursor, with the sequence that the log had there. */
  #position!: Position;
  /** What the file says. */
  #written!: Position;
  #timer: NodeJS.Timeout | undefined;
  /** Consumed, and not in the log yet. */
  #buffer: Event[] = [];
  #flushing: Promise<void> | undefined;
  /** The subscription waits until there is room in the buffer. */
  #goOn: (() => void) | undefined;
  /** All that was there at the beginning has come. */
  #hasCaughtUp = false;
  #isEnded = false;

  private constructor(parts: InflowParts) {
    this.#parts = parts;
  }

  static async start(parts: InflowParts): Promise<Inflow> {
    const inflow = new Inflow(parts);
    await inflow.#start();
    return inflow;
  }

  /** Stores what has been consumed, and notes the position. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#goOn?.();
    await this.#subscription.unsubscribe().catch(() => {});
    await this.#flushing;
    this.#write();
  }

  async #start(): Promise<void> {
    const { remote, log, file, topics, name, onGap } = this.#parts;
    const position = file.read();
    this.#position = position;
    this.#written = position;
    this.head = position.head;
    for await (const event of log.read({ topic: '*', reverse: true })) {
      const { sequence = 0 } = event;
      if (sequence <= position.head) break;
      this.head = Math.max(this.head, sequence);
      this.#known.add(event);
    }
    const from = position.cursor === undefined ? 'earliest' : { after: position.cursor };
    const filter = { topics: [...topics] };
    this.#subscription = remote
      .subscribe(filter, (event) => this.#take(event), { from, name })
      .on('gap', onGap)
      .on('caughtUp', () => {
        this.#hasCaughtUp = true;
        this.#begin();
      });
    this.#subscription.closed.then(
      () => this.#fail(new BusError('BUS_CLOSED', 'the remote bus was closed')),
      (error) => this.#fail(error),
    );
  }

  /** An event counts as consumed when this has returned, or its promise has resolved; it is in the buffer by then. */
  #take(event: Event): void | Promise<void> {
    if (this.#buffer.length < MIRROR_BUFFER_EVENTS) return this.#push(event);
    return new Promise<void>((resolve) => {
      this.#goOn = resolve;
    }).then(() => this.#push(event));
  }

  #push(event: Event): void {
    // What is not stored over there either is nothing that can be copied.
    if (event.sequence === undefined) return;
    this.#buffer.push(event);
    this.#begin();
  }

  #begin(): void {
    if (this.#isEnded && this.#flushing === undefined && this.#buffer.length === 0) return;
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
  }

  async #flush(): Promise<void> {
    try {
      do {
        // By then every event in the buffer counts as consumed, so that the cursor is right behind them.
        await nextTurn();
        await this.#store();
      } while (this.#buffer.length > 0);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #store(): Promise<void> {
    const { cursor } = this.#subscription;
    const hasCaughtUp = this.#hasCaughtUp;
    const events = this.#buffer;
    this.#buffer = [];
    this.#goOn?.();
    this.#goOn = undefined;
    const fresh = events.filter((event) => !this.#known.take(event));
    if (hasCaughtUp) this.#known.clear();
    if (fresh.length > 0) {
      const acks = await this.#parts.log.publishMany(fresh.map(inputOf), { persist: true });
      this.head = acks.at(-1)!.sequence!;
      this.stored += fresh.length;
    }
    this.#position = { cursor, head: this.head };
    this.#timer ??= setTimeout(() => this.#onTimer(), MIRROR_POSITION_MS).unref();
  }

  #onTimer(): void {
    try {
      this.#write();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** As long as known events are still to come, the position that they come from is the right one. */
  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { cursor, head } = this.#position;
    const isNew = cursor !== this.#written.cursor || head !== this.#written.head;
    if (!isNew || this.#known.size > 0) return;
    this.#parts.file.write(this.#position);
    this.#written = this.#position;
  }

  #fail(error: unknown): void {
    if (this.#isEnded) return;
    const thrown =
      error instanceof BusError ? error : new BusError('SINK_FAILED', messageOf(error));
    this.#parts.onFailure(thrown);
  }
}

function inputOf(event: Event): EventInput & WithPayloadText {
  const { id, topic, type, payload, source, timestamp } = event;
  const { correlationId, causationId, attributes, expiresAt } = event;
  return {
    ...{ id, topic, type, payload, source, timestamp },
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(causationId === undefined ? {} : { causationId }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    [PAYLOAD_TEXT]: payloadTextOf(event),
  };
}
