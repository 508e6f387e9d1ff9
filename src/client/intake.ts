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
 * What arrives for a subscription, up to where it waits to be consumed. What has been here before is passed over, events
 * that are to be coalesced are gathered for a while, and whatever stands between events keeps its place.
 */

export interface IntakeHost {
  /** These events of the server are done with, without having been handed out. */
  onConsumed(events: number, chars: number): void;
  /** A function of `coalesce` has failed: the subscription has to end, and with it this. */
  onFailed(error: Error): void;
}

/** A frame holds at most this much beyond the window. */
const WINDOW_TOLERANCE_EVENTS = 1024;

export class Intake<P> {
  readonly #options: ParsedSubscribeOptions<P>;
  readonly #arrivals: ArrivalQueue<P>;
  readonly #pump: Pick<Pump<Event<P>>, 'flush'>;
  readonly #host: IntakeHost;
  readonly #coalescer: Coalescer<P> | undefined;
  /** Up to where events have arrived; `undefined` before the first opening. */
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

  /** Events that are being gathered. */
  get gathered(): number {
    return this.#coalescer?.events ?? 0;
  }

  /** The last position that the server has told; `undefined` before the first. */
  get reached(): string | undefined {
    return this.#reached;
  }

  /**
   * A server that does not keep to the window must not fill the memory.
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
   * `length`: of the frame that brought them, in characters.
   * @throws BusError `MESSAGE_INVALID`, `CURSOR_INVALID`: nothing was taken then
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

  /** Something that has its place between the events. */
  mark(cursor: string | undefined, tell?: () => void): void {
    this.flush();
    if (this.#isOver) return;
    this.#arrivals.mark({
      ...(cursor === undefined ? {} : { cursor }),
      ...(tell === undefined ? {} : { tell }),
    });
    this.#pump.flush();
  }

  /** The next opening goes on from here. @throws BusError `CURSOR_INVALID` */
  reach(cursor: string): void {
    const { epoch, positions } = decodeCursor(cursor);
    this.#arrived = { epoch, positions: [...positions] };
    this.#reached = cursor;
  }

  /** What was gathered goes on, whether its time is over or not. */
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
      // Its length was not kept; that a window in bytes is not held up, `WindowReport` sees to.
      this.#arrivals.push({ event, isStep: false, events: at === last ? events : 0, chars: 0 });
    }
    this.#arrivals.mark({ cursor: encodeCursor(this.#arrived!) });
    this.#pump.flush();
  }

  /** Nothing waits any more: a consumer that is slower than the time of gathering gets more in one. */
  onIdle(): void {
    if (this.#isFlushDue) queueMicrotask(() => this.#isFlushDue && this.flush());
  }

  /** What is being gathered is dropped. */
  clear(): void {
    this.#coalescer?.clear();
    clearTimeout(this.#flushTimer);
  }

  /** Nothing more is taken; what is being gathered can still go on. */
  stop(): void {
    this.#isOver = true;
  }

  /**
   * Before any is taken: of a frame that ends the connection nothing may have arrived, for it comes again.
   * @throws BusError `CURSOR_INVALID`; `MESSAGE_INVALID` for a shard that the cursor does not know
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

  /** False where the event stands for itself: what was gathered goes before it, with a position before it. */
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
