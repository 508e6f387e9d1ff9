import { Queue } from '../../collections/queue.js';
import type { Asker } from '../../endpoint/asker.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { EventHandler, Gap, SubscribeOptions, Subscription } from '../../protocol/bus-api.js';
import { cursorAfter } from '../../protocol/cursor.js';
import { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import { EVENTS_FRAME_BYTES_MAX, EVENTS_PER_FRAME_MAX } from '../../protocol/limits.js';
import type { RequestPayload } from '../../protocol/wire.js';
import { subscribeFor } from '../asking.js';
import { errorData } from '../error-data.js';
import type { EventText, EventTexts } from '../event-texts.js';
import { frameText } from './frames.js';
import type { Flushable, Outbound } from './outbound.js';
import type { SharedFrames } from './shared-frames.js';

/**
 * One subscription of one client. It is the handler of a subscription of the bus: while the
 * client's outbound is congested the handler's promise is pending, so the bus gives this
 * subscription no credit and its overflow policy decides what happens to its events.
 *
 * A client that named a window at `subscribe` is sent no more than that beyond what it says it has
 * consumed; a full window is like a congested outbound, for this subscription alone.
 *
 * Events due in one turn leave in one frame, and its cursor stands behind the last of them. The bus
 * moves its cursor when a handler is done with an event, so one that is batched while its handler
 * still runs is added (`#last`).
 */
export interface FeedSources {
  /** What this client may see of events. */
  readonly texts: EventTexts;
  readonly frames: SharedFrames;
}

export class Feed implements Flushable {
  readonly name: string;
  readonly #outbound: Outbound;
  #texts: EventTexts;
  readonly #frames: SharedFrames;
  readonly #onEnded: (feed: Feed) => void;
  readonly #head: string;
  readonly #announced: Promise<void>;
  #announce: () => void = () => {};
  #isAnnounced = false;
  #isOver = false;
  #isFlushDue = false;
  #subscription: Subscription | undefined;
  /** The bus may not know yet that its last event was batched. */
  #isTaking = false;
  /** The last event that was batched. */
  #last: Event | undefined;
  /** What came before the client knew of its subscription, in order: one event at the most, and what was told around it. */
  #notices: (() => void)[] = [];
  #batch: EventText[] = [];
  #batchBytes = 0;
  #droppedCount = 0;
  #windowEvents = Number.POSITIVE_INFINITY;
  #windowBytes = Number.POSITIVE_INFINITY;
  /** The bytes of each event that was sent and that the client has not consumed; only with a window. */
  readonly #unconsumed = new Queue<number>();
  #unconsumedBytes = 0;
  #windowRoom: Promise<void> | undefined;
  #openWindow: () => void = () => {};

  constructor(
    name: string,
    outbound: Outbound,
    { texts, frames }: FeedSources,
    onEnded: (feed: Feed) => void,
  ) {
    this.name = name;
    this.#outbound = outbound;
    this.#texts = texts;
    this.#frames = frames;
    this.#onEnded = onEnded;
    this.#head = `{"type":"events","payload":{"subscription":${JSON.stringify(name)},"events":[`;
    this.#announced = new Promise((resolve) => {
      this.#announce = resolve;
    });
  }

  /** After the last event that was sent or is batched. */
  get cursor(): string {
    const cursor = this.#subscription?.cursor ?? '';
    const last = this.#isTaking ? this.#last : undefined;
    return last?.sequence === undefined ? cursor : cursorAfter(cursor, last.shard, last.sequence);
  }

  /**
   * Subscribes; when it resolves every shard has the subscription. No frame leaves before
   * `announce()`.
   */
  async open(
    endpoint: BusEndpoint,
    request: RequestPayload<'subscribe'>,
    asker: Asker,
  ): Promise<void> {
    const { from, overflow, maxBuffer, window } = request;
    if (window !== undefined) {
      this.#windowEvents = window.events;
      this.#windowBytes = window.bytes ?? Number.POSITIVE_INFINITY;
    }
    const options: SubscribeOptions = { name: this.name };
    if (from !== undefined) options.from = from;
    if (overflow !== undefined) options.overflow = overflow;
    if (maxBuffer !== undefined) options.maxBuffer = maxBuffer;
    const take: EventHandler = (event) => this.#take(event);
    const subscription = subscribeFor(endpoint, asker, request.filter, take, options);
    this.#subscription = subscription;
    // `closed` tells it too.
    subscription.on('error', () => {});
    subscription.on('gap', (gap) => this.#notify(() => this.#sendGap(gap)));
    subscription.on('caughtUp', () => this.#notify(() => this.#sendCaughtUp()));
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

  async update(request: RequestPayload<'update'>): Promise<void> {
    await this.#subscription?.update(request.filter);
  }

  /** What follows is shown like this: its client has shown another token. */
  show(texts: EventTexts): void {
    this.flush();
    this.#texts = texts;
  }

  /** Ends it, and tells the client why. */
  async expel(error: unknown): Promise<void> {
    this.#end(error);
    await this.#subscription?.unsubscribe();
  }

  /** The client has consumed this many events more; what it was never sent does not count. */
  consumed(events: number): void {
    for (let i = 0; i < events && this.#unconsumed.length > 0; i++) {
      this.#unconsumedBytes -= this.#unconsumed.shift()!;
    }
    if (!this.#isWindowFull) this.#openWindow();
  }

  /** What was batched before still leaves; nothing follows it. */
  async close(): Promise<void> {
    this.flush();
    this.#isOver = true;
    this.#announce();
    this.#openWindow();
    await this.#subscription?.unsubscribe();
  }

  flush(): void {
    this.#isFlushDue = false;
    if (this.#isOver) return;
    if (this.#droppedCount > 0 && !this.#outbound.isCongested) this.#sendDropped();
    if (this.#batch.length === 0) return;
    const frame = this.#frames.of(this.#head, this.#batch, this.cursor);
    const bytes = this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#outbound.addUnframed(-bytes);
    this.#outbound.sendShared(frame);
  }

  /** One event at a time: the next one comes when the promise, if there is one, has resolved. */
  #take(event: Event): void | Promise<void> {
    this.#isTaking = true;
    if (!this.#isAnnounced) {
      // A gap that was told before it has to reach the client before it.
      this.#notices.push(() => this.#append(event));
      return this.#announced.then(() => this.#room());
    }
    this.#append(event);
    if (this.#outbound.isCongested || this.#isWindowFull) return this.#room();
    this.#isTaking = false;
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
    const text = this.#texts.of(event);
    const bytes = text.bytes + 1;
    if (this.#batchBytes + bytes > EVENTS_FRAME_BYTES_MAX) this.flush();
    this.#batch.push(text);
    this.#batchBytes += bytes;
    this.#last = event;
    this.#outbound.addUnframed(bytes);
    if (this.#windowEvents !== Number.POSITIVE_INFINITY) {
      this.#unconsumed.push(bytes);
      this.#unconsumedBytes += bytes;
    }
    if (this.#batch.length === EVENTS_PER_FRAME_MAX) this.flush();
    else this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#outbound.flushAtEndOfTurn(this);
  }

  /** Tells the client something that has its place among the events. */
  #notify(notice: () => void): void {
    if (this.#isOver) return;
    if (!this.#isAnnounced) {
      this.#notices.push(notice);
      return;
    }
    this.flush();
    notice();
  }

  #sendGap(gap: Gap): void {
    const { shard, from, to, reason } = gap;
    const payload = { subscription: this.name, shard, from, to, reason };
    this.#outbound.send(frameText('gap', payload));
  }

  #sendCaughtUp(): void {
    const payload = { subscription: this.name, cursor: this.cursor };
    this.#outbound.send(frameText('caughtUp', payload));
  }

  /**
   * Counted, and told once there is room: a congested client must not be sent more because it is
   * slow.
   */
  #addDropped(count: number): void {
    if (this.#isOver) return;
    const isFirst = this.#droppedCount === 0;
    this.#droppedCount += count;
    if (isFirst) void this.#flushWhenRelieved();
  }

  async #flushWhenRelieved(): Promise<void> {
    await this.#announced;
    while (this.#outbound.isCongested && !this.#isOver) await this.#outbound.relieved();
    this.#flushSoon();
  }

  #sendDropped(): void {
    const payload = { subscription: this.name, count: this.#droppedCount };
    this.#droppedCount = 0;
    this.#outbound.send(frameText('dropped', payload));
  }

  /** The bus ended it, not the client. */
  #end(error: unknown): unknown {
    if (this.#isOver) return error;
    this.flush();
    this.#isOver = true;
    this.#announce();
    this.#openWindow();
    this.#onEnded(this);
    if (this.#isAnnounced) {
      const { code, message } = errorData(error);
      const payload = { subscription: this.name, code, message, cursor: this.cursor };
      this.#outbound.send(frameText('ended', payload));
    }
    return error;
  }
}
