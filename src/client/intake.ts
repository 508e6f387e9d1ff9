import type { Pump } from '../handout/pump.js';
import { decodeCursor, encodeCursor } from '../protocol/cursor.js';
import type { Event } from '../protocol/event.js';
import { errorOf } from '../protocol/thrown.js';
import type { ServerPayloads } from '../protocol/wire.js';
import type { ArrivalQueue } from './arrivals.js';
import { Coalescer, coalesced } from './coalescer.js';
import { invalid } from './server-frame.js';
import type { ParsedSubscribeOptions } from './subscribe-options.js';

/**
 * Takes the frames that arrive for a subscription and puts their events where they wait to be consumed. Events that
 * arrived before are skipped, events to be coalesced are gathered for a while, and marks keep their place between
 * events.
 */

export interface IntakeHost {
  /** This many of the server's events count as consumed without having been handed out, as they had arrived before. */
  onConsumed(events: number, chars: number): void;
  /** `key` or `merge` of `coalesce` threw. The subscription has to end, and to stop this intake. */
  onFailed(error: Error): void;
}

/** The events of one frame that may come beyond the window. */
const WINDOW_TOLERANCE_EVENTS = 1024;

export class Intake<P> {
  readonly #options: ParsedSubscribeOptions<P>;
  readonly #arrivals: ArrivalQueue<P>;
  readonly #pump: Pick<Pump<Event<P>>, 'flush'>;
  readonly #host: IntakeHost;
  readonly #coalescer: Coalescer<P> | undefined;
  /** The position of the last event that arrived; `undefined` before the first opening. */
  #arrived: { epoch: string; positions: number[] } | undefined;
  #reached: string | undefined;
  #isFlushDue = false;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(
    options: ParsedSubscribeOptions<P>,
    arrivals: ArrivalQueue<P>,
    pump: Pick<Pump<Event<P>>, 'flush'>,
    host: IntakeHost,
  ) {
    this.#options = options;
    this.#arrivals = arrivals;
    this.#pump = pump;
    this.#host = host;
    const { coalesce } = options;
    this.#coalescer = coalesce === undefined ? undefined : new Coalescer(coalesce);
  }

  /** How many events are being gathered to be coalesced. */
  get gathered(): number {
    return this.#coalescer?.events ?? 0;
  }

  /** The cursor that the server sent last; `undefined` before the first. */
  get reached(): string | undefined {
    return this.#reached;
  }

  /**
   * Refuses events far beyond the window, so that a faulty server does not fill the memory.
   * @throws BusError `MESSAGE_INVALID`
   */
  checkBounds(events: number): void {
    const { windowEvents } = this.#options;
    const most = 2 * windowEvents + WINDOW_TOLERANCE_EVENTS;
    const { held, marks } = this.#arrivals;
    if (held + this.gathered + events <= most && marks <= most) return;
    throw invalid(`${events} events came beyond the window of ${windowEvents}`);
  }

  /**
   * Takes the events of a frame. `length` is the frame's, in characters.
   * @throws BusError `MESSAGE_INVALID`, `CURSOR_INVALID`; then no event was taken
   */
  take({ events, cursor }: ServerPayloads['events'], length: number): void {
    this.#checkEvents(events, cursor);
    const chars = length / Math.max(1, events.length);
    for (const event of events) {
      if (this.#isOver) return;
      if (this.#isNew(event)) this.#arrive(event as Event<P>, chars);
      else this.#host.onConsumed(1, chars);
    }
    if (this.#isOver) return;
    this.reach(cursor);
    if (this.gathered === 0) this.mark(cursor);
    else this.#pump.flush();
  }

  /** Puts a mark behind the events that have arrived. */
  mark(cursor: string | undefined, notify?: () => void): void {
    this.flush();
    if (this.#isOver) return;
    this.#arrivals.mark({
      ...(cursor === undefined ? {} : { cursor }),
      ...(notify === undefined ? {} : { notify }),
    });
    this.#pump.flush();
  }

  /** Sets the position from which the next opening goes on. @throws BusError `CURSOR_INVALID` */
  reach(cursor: string): void {
    const { epoch, positions } = decodeCursor(cursor);
    this.#arrived = { epoch, positions: [...positions] };
    this.#reached = cursor;
  }

  /** True if the cursor lies nowhere before the events that have arrived. @throws BusError `CURSOR_INVALID` */
  isAhead(cursor: string): boolean {
    const { epoch, positions } = decodeCursor(cursor);
    const arrived = this.#arrived;
    return (
      arrived?.epoch === epoch &&
      arrived.positions.every((position, at) => positions[at]! >= position)
    );
  }

  /** Passes the gathered events on, even if their window is not over. */
  flush(): void {
    const coalescer = this.#coalescer;
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.#isFlushDue = false;
    if (coalescer === undefined || coalescer.events === 0) return;
    const { events } = coalescer;
    let batch: Event<P>[];
    try {
      batch = coalescer.flush();
    } catch (error) {
      this.#host.onFailed(errorOf(error));
      return;
    }
    const last = batch.length - 1;
    for (const [at, event] of batch.entries()) {
      // The lengths of the gathered events were not kept, so `chars` is 0. `WindowReport` then reports promptly, which
      // keeps the server's window in bytes moving.
      this.#arrivals.push({ event, isStep: false, events: at === last ? events : 0, chars: 0 });
    }
    this.#arrivals.mark({ cursor: encodeCursor(this.#arrived!) });
    this.#pump.flush();
  }

  /**
   * No event waits any more. A flush that became due while events waited is done now, so a slow consumer gets more
   * events in one.
   */
  onIdle(): void {
    if (this.#isFlushDue) queueMicrotask(() => this.#isFlushDue && this.flush());
  }

  /** Drops the events that are being gathered. */
  clear(): void {
    this.#coalescer?.clear();
    clearTimeout(this.#flushTimer);
  }

  /** Takes no more events; the gathered ones can still be flushed. */
  stop(): void {
    this.#isOver = true;
  }

  /**
   * Checks all events before any is taken. A faulty frame ends the connection and its events come again, so none of
   * them may have arrived.
   * @throws BusError `CURSOR_INVALID`; `MESSAGE_INVALID` for an event of a shard that does not exist
   */
  #checkEvents(events: readonly Event[], cursor: string): void {
    decodeCursor(cursor);
    const { length } = this.#arrived!.positions;
    const stray = events.find(({ shard }) => shard >= length);
    if (stray !== undefined) throw invalid(`an event of shard ${stray.shard} is not of this bus`);
  }

  #isNew({ shard, sequence }: Event): boolean {
    return sequence === undefined || sequence > this.#arrived!.positions[shard]!;
  }

  #arrive(event: Event<P>, chars: number): void {
    const isGathered = this.#gather(event);
    if (this.#isOver) return;
    const { shard, sequence } = event;
    if (sequence !== undefined) this.#arrived!.positions[shard] = sequence;
    if (isGathered) {
      this.#scheduleFlush();
      return;
    }
    const item = this.#coalescer === undefined ? event : coalesced([event]);
    this.#arrivals.push({ event: item, isStep: true, events: 1, chars });
  }

  /**
   * False if the event is not to be coalesced. The gathered events are then flushed, with a position in front of the
   * event.
   */
  #gather(event: Event<P>): boolean {
    if (this.#coalescer === undefined) return false;
    try {
      if (this.#coalescer.take(event)) return true;
    } catch (error) {
      this.#host.onFailed(errorOf(error));
    }
    this.flush();
    return false;
  }

  #scheduleFlush(): void {
    if (this.gathered * 2 >= this.#options.windowEvents) this.flush();
    if (this.#isOver || this.#flushTimer !== undefined || this.#isFlushDue) return;
    this.#flushTimer = setTimeout(() => {
      this.#flushTimer = undefined;
      this.#isFlushDue = true;
      if (this.#arrivals.pending === 0) this.flush();
    }, this.#options.coalesce!.windowMs);
  }
}
