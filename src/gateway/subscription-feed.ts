import { Queue } from '../collections/queue.js';
import type { Asker } from '../endpoint/asker.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { EventHandler, Gap, SubscribeOptions, Subscription } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import type { FilterData } from '../protocol/filter.js';
import { subscribeFor } from './asking.js';
import type { CursorTexts } from './cursor-texts.js';

/**
 * One subscription of one client, the same for every door. A feed is the handler of a subscription of the bus. While
 * the client is congested the handler's promise is pending: the bus then gives this subscription no credit, and its
 * overflow policy decides what happens to its events.
 *
 * A client may name a window: the most events, or bytes, that it is sent ahead of those that it reports as consumed. A
 * full window acts like congestion, for this subscription alone.
 *
 * A feed hands its encoder events and, in their places among them, gaps and other notices; the encoder writes them in
 * that order.
 */
export interface FeedEncoder {
  /** Takes an event, to be written now or with the next `flush`; returns its size in bytes. */
  add(event: Event): number;
  /** Writes the events that were taken and are not yet written. */
  flush(): void;
  gap(gap: Gap): void;
  caughtUp(): void;
  dropped(count: number): void;
  /** The bus, or the gateway, has ended the subscription. */
  ended(error: unknown): void;
}

/** The cursors that an encoder may ask of its feed. */
export interface FeedPlace {
  /** The cursor after the last event that the encoder has taken. */
  readonly cursor: string;
  /**
   * The cursor after an event that the encoder took or is taking; the bus moves its own only when the handler has
   * returned.
   */
  cursorAfter(event: Event): string;
}

/** The outbound of the client, as far as a feed waits for it. */
export interface FeedOutbound {
  readonly isCongested: boolean;
  relieved(): Promise<void>;
}

/** The most events, and bytes of events, that the client may be sent and has not consumed. */
export interface FeedWindow {
  readonly events: number;
  readonly bytes?: number;
}

export interface FeedRequest {
  readonly filter: FilterData;
  readonly options: SubscribeOptions;
  readonly window?: FeedWindow | undefined;
}

export class SubscriptionFeed implements FeedPlace {
  readonly #outbound: FeedOutbound;
  readonly #encoder: FeedEncoder;
  readonly #onEnded: () => void;
  readonly #announced: Promise<void>;
  #announce: () => void = () => {};
  #isAnnounced = false;
  #isOver = false;
  readonly #cursors: CursorTexts;
  #subscription: Subscription | undefined;
  #positions: () => readonly number[] = () => [];
  /** The last event that the encoder has taken. */
  #last: Event | undefined;
  /** Notices that came before `announce()`, in order, and at most one event among them. */
  #notices: (() => void)[] = [];
  #droppedCount = 0;
  #windowEvents = Number.POSITIVE_INFINITY;
  #windowBytes = Number.POSITIVE_INFINITY;
  /** The size of each event that was sent and that the client has not consumed; empty without a window. */
  readonly #unconsumed = new Queue<number>();
  #unconsumedBytes = 0;
  #windowRoom: Promise<void> | undefined;
  #openWindow: () => void = () => {};

  /** `onEnded` is called when the bus ends the subscription, or `expel` does. */
  constructor(
    outbound: FeedOutbound,
    cursors: CursorTexts,
    encoderOf: (place: FeedPlace) => FeedEncoder,
    onEnded: () => void = () => {},
  ) {
    this.#outbound = outbound;
    this.#cursors = cursors;
    this.#encoder = encoderOf(this);
    this.#onEnded = onEnded;
    this.#announced = new Promise((resolve) => {
      this.#announce = resolve;
    });
  }

  get cursor(): string {
    return this.#cursors.of(this.#positions(), this.#last);
  }

  cursorAfter(event: Event): string {
    return this.#cursors.of(this.#positions(), event);
  }

  /**
   * Subscribes; resolves when every shard that the filter needs has the subscription. Nothing is written before
   * `announce()`.
   *
   * @throws BusError as `subscribe` does
   */
  async open(
    endpoint: BusEndpoint,
    { filter, options, window }: FeedRequest,
    asker: Asker,
  ): Promise<void> {
    if (window !== undefined) {
      this.#windowEvents = window.events;
      this.#windowBytes = window.bytes ?? Number.POSITIVE_INFINITY;
    }
    const take: EventHandler = (event) => this.#take(event);
    const { subscription, positions } = subscribeFor(endpoint, asker, filter, take, options);
    this.#subscription = subscription;
    this.#positions = positions;
    // The promise `closed` reports the same error.
    subscription.on('error', () => {});
    subscription.on('gap', (gap) => this.#notify(() => this.#encoder.gap(gap)));
    subscription.on('caughtUp', () => this.#notify(() => this.#encoder.caughtUp()));
    subscription.on('dropped', ({ count }) => this.#addDropped(count));
    const ended = subscription.closed.then(
      () => this.#end(new BusError('BUS_CLOSED', 'the bus has ended the subscription')),
      (error: unknown) => this.#end(error),
    );
    await Promise.race([subscription.ready, ended.then((error) => Promise.reject(error))]);
  }

  /** The client has been told of its subscription: events may be written from now on. */
  announce(): void {
    this.#isAnnounced = true;
    this.#announce();
    const notices = this.#notices;
    this.#notices = [];
    for (const notice of notices) this.#notify(notice);
  }

  async update(filter: FilterData): Promise<void> {
    await this.#subscription?.update(filter);
  }

  /** Writes the events that the encoder took and has not written. */
  flush(): void {
    if (!this.#isOver) this.#encoder.flush();
  }

  /** Ends the subscription, and tells the client why. */
  async expel(error: unknown): Promise<void> {
    this.#end(error);
    await this.#subscription?.unsubscribe();
  }

  /**
   * Notes that the client has consumed so many more events; a number beyond the events that it was sent is cut to
   * those.
   */
  consumed(events: number): void {
    for (let i = 0; i < events && this.#unconsumed.length > 0; i++) {
      this.#unconsumedBytes -= this.#unconsumed.shift()!;
    }
    if (!this.#isWindowFull) this.#openWindow();
  }

  /** Ends the subscription for the client: events that were taken are still written, and nothing after them. */
  async close(): Promise<void> {
    this.flush();
    this.#stop();
    await this.#subscription?.unsubscribe();
  }

  /** Takes one event; the bus hands in the next one when the promise, where one is returned, has resolved. */
  #take(event: Event): void | Promise<void> {
    if (!this.#isAnnounced) {
      // A gap that came before this event has to reach the client before it.
      this.#notices.push(() => this.#append(event));
      return this.#announced.then(() => this.#room());
    }
    this.#append(event);
    if (this.#outbound.isCongested || this.#isWindowFull) return this.#room();
  }

  /** Resolves when the next event may be sent, or the feed is over. */
  async #room(): Promise<void> {
    while (!this.#isOver && (this.#outbound.isCongested || this.#isWindowFull)) {
      if (this.#outbound.isCongested) await this.#outbound.relieved();
      else await this.#windowOpened();
    }
  }

  get #isWindowFull(): boolean {
    const { length } = this.#unconsumed;
    return length >= this.#windowEvents || this.#unconsumedBytes >= this.#windowBytes;
  }

  #windowOpened(): Promise<void> {
    this.#windowRoom ??= new Promise((resolve) => {
      this.#openWindow = () => {
        this.#windowRoom = undefined;
        this.#openWindow = () => {};
        resolve();
      };
    });
    return this.#windowRoom;
  }

  #append(event: Event): void {
    if (this.#isOver) return;
    const bytes = this.#encoder.add(event);
    this.#last = event;
    if (this.#windowEvents === Number.POSITIVE_INFINITY) return;
    this.#unconsumed.push(bytes);
    this.#unconsumedBytes += bytes;
  }

  /** Writes a notice in its place among the events, or keeps it until `announce()`. */
  #notify(notice: () => void): void {
    if (this.#isOver) return;
    if (!this.#isAnnounced) {
      this.#notices.push(notice);
      return;
    }
    this.#encoder.flush();
    notice();
  }

  /**
   * Counts dropped events. Their sum is sent once the client is not congested: being slow must not cause more traffic
   * to it.
   */
  #addDropped(count: number): void {
    if (this.#isOver) return;
    const isFirst = this.#droppedCount === 0;
    this.#droppedCount += count;
    if (isFirst) void this.#notifyDroppedWhenRelieved();
  }

  async #notifyDroppedWhenRelieved(): Promise<void> {
    await this.#announced;
    while (this.#outbound.isCongested && !this.#isOver) await this.#outbound.relieved();
    this.#notifyDropped();
  }

  #notifyDropped(): void {
    const count = this.#droppedCount;
    if (count === 0 || this.#isOver) return;
    this.#droppedCount = 0;
    this.#notify(() => this.#encoder.dropped(count));
  }

  /** Ends the feed where the bus or the gateway, not the client, has ended the subscription. */
  #end(error: unknown): unknown {
    if (this.#isOver) return error;
    this.#encoder.flush();
    if (!this.#outbound.isCongested) this.#notifyDropped();
    this.#stop();
    this.#onEnded();
    if (this.#isAnnounced) this.#encoder.ended(error);
    return error;
  }

  /** Stops all writing, and resolves the promises that `#take` returned. */
  #stop(): void {
    this.#isOver = true;
    this.#announce();
    this.#openWindow();
  }
}
