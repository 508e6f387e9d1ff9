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
 * One subscription of one client, whatever the door. It is the handler of a subscription of the bus: while the client is
 * congested the handler's promise is pending, so the bus gives this subscription no credit and its overflow policy decides
 * what happens to its events.
 *
 * A client that named a window is sent no more than that beyond what it says it has consumed; a full window is like
 * congestion, for this subscription alone.
 *
 * An encoder writes what the feed hands it, in that order: events, and among them gaps and the like.
 */
export interface FeedEncoder {
  /** Takes an event, to be written now or with the next `flush`; returns its bytes. */
  add(event: Event): number;
  /** Writes the events that were taken and not written. */
  flush(): void;
  gap(gap: Gap): void;
  caughtUp(): void;
  dropped(count: number): void;
  /** The bus, or the gateway, has ended the subscription. */
  ended(error: unknown): void;
}

/** What an encoder may ask of its feed. */
export interface FeedPlace {
  /** Behind the last event that the encoder has taken. */
  readonly cursor: string;
  /** Behind an event that it has taken, or takes just now: the bus moves its own cursor when the handler is done with it. */
  cursorAfter(event: Event): string;
}

/** Where what is encoded leaves for the client. */
export interface FeedOutbound {
  readonly isCongested: boolean;
  relieved(): Promise<void>;
}

/** How far the client may be sent events that it has not consumed. */
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
  /** What came before the client knew of its subscription, in order: one event at the most, and what was told around it. */
  #notices: (() => void)[] = [];
  #droppedCount = 0;
  #windowEvents = Number.POSITIVE_INFINITY;
  #windowBytes = Number.POSITIVE_INFINITY;
  /** The bytes of each event that was sent and that the client has not consumed; only with a window. */
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
   * Subscribes; when it resolves every shard that it needs has the subscription. Nothing is written before `announce()`.
   *
   * @throws BusError what `subscribe` does
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
    // `closed` tells it too.
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

  /** The client knows its subscription by now: events may follow. */
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

  /** Writes the events that were taken and not written. */
  flush(): void {
    if (!this.#isOver) this.#encoder.flush();
  }

  /** Ends it, and tells the client why. */
  async expel(error: unknown): Promise<void> {
    this.#end(error);
    await this.#subscription?.unsubscribe();
  }

  /** The client has consumed this many events more; events that it was never sent do not count. */
  consumed(events: number): void {
    for (let i = 0; i < events && this.#unconsumed.length > 0; i++) {
      this.#unconsumedBytes -= this.#unconsumed.shift()!;
    }
    if (!this.#isWindowFull) this.#openWindow();
  }

  /** Events that were taken before still leave; nothing follows them. */
  async close(): Promise<void> {
    this.flush();
    this.#stop();
    await this.#subscription?.unsubscribe();
  }

  /** One event at a time: the next one comes when the promise, if there is one, has resolved. */
  #take(event: Event): void | Promise<void> {
    if (!this.#isAnnounced) {
      // A gap that was told before it has to reach the client before it.
      this.#notices.push(() => this.#append(event));
      return this.#announced.then(() => this.#room());
    }
    this.#append(event);
    if (this.#outbound.isCongested || this.#isWindowFull) return this.#room();
  }

  /** Resolves when the next event may be sent, or none will be. */
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

  /** Tells the client something that has its place among the events. */
  #notify(notice: () => void): void {
    if (this.#isOver) return;
    if (!this.#isAnnounced) {
      this.#notices.push(notice);
      return;
    }
    this.#encoder.flush();
    notice();
  }

  /** Counted, and told once there is room: a congested client must not be sent more because it is slow. */
  #addDropped(count: number): void {
    if (this.#isOver) return;
    const isFirst = this.#droppedCount === 0;
    this.#droppedCount += count;
    if (isFirst) void this.#tellDroppedWhenRelieved();
  }

  async #tellDroppedWhenRelieved(): Promise<void> {
    await this.#announced;
    while (this.#outbound.isCongested && !this.#isOver) await this.#outbound.relieved();
    this.#tellDropped();
  }

  #tellDropped(): void {
    const count = this.#droppedCount;
    if (count === 0 || this.#isOver) return;
    this.#droppedCount = 0;
    this.#notify(() => this.#encoder.dropped(count));
  }

  /** The bus ended it, or the gateway; the client did not. */
  #end(error: unknown): unknown {
    if (this.#isOver) return error;
    this.#encoder.flush();
    if (!this.#outbound.isCongested) this.#tellDropped();
    this.#stop();
    this.#onEnded();
    if (this.#isAnnounced) this.#encoder.ended(error);
    return error;
  }

  /** Nothing is written any more, and nobody waits. */
  #stop(): void {
    this.#isOver = true;
    this.#announce();
    this.#openWindow();
  }
}
