import type { ServerResponse } from 'node:http';
import type { Principal } from '../../auth/principal.js';
import type { Asker } from '../../endpoint/asker.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { EventHandler, SubscribeOptions, Subscription } from '../../protocol/bus-api.js';
import { cursorAfter } from '../../protocol/cursor.js';
import { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import type { Filter } from '../../protocol/filter.js';
import { subscribeFor } from '../asking.js';
import { errorData } from '../error-data.js';
import type { GatewayLogger } from '../gateway-log.js';
import type { TurnQueue } from '../turn-queue.js';
import { beginStream, retryLine, streamEvent } from './event-stream-frames.js';
import { HttpOutbound, type HttpOutboundLimits } from './http-outbound.js';

/**
 * One subscription as Server-Sent Events. Every event's `id` is the cursor behind it, so a browser that connects again
 * goes on where it was, without anybody's doing. A `heartbeat` now and then keeps proxies from cutting the connection, shows
 * a page that its stream lives, and brings the cursor along: also a client to which nothing was sent for an hour resumes
 * at the end of that hour.
 *
 * As long as the client does not take what waits for it the handler's promise is pending: the bus gives the subscription no credit,
 * and its overflow policy decides what becomes of its events.
 */
export interface EventStreamSource {
  readonly turns: TurnQueue;
  readonly settings: HttpOutboundLimits;
  readonly log: GatewayLogger;
}

/** An event as it is sent: one line of JSON. */
export type TextOf = (event: Event) => string;

export class EventStream {
  readonly principal: Principal;
  /** Resolves when the answer is over and the subscription released. */
  readonly ended: Promise<void>;
  readonly #response: ServerResponse;
  readonly #outbound: HttpOutbound;
  readonly #textOf: TextOf;
  #subscription: Subscription | undefined;
  #last: Event | undefined;
  #dropped = 0;
  #isOver = false;

  constructor(
    response: ServerResponse,
    principal: Principal,
    textOf: TextOf,
    { turns, settings, log }: EventStreamSource,
  ) {
    this.principal = principal;
    this.#response = response;
    this.#textOf = textOf;
    this.#outbound = new HttpOutbound(response, turns, settings, () => {
      log('warn', 'stream cut: slow consumer', {
        code: 'SLOW_CONSUMER',
        principal: principal.name,
      });
    });
    this.ended = new Promise((resolve) => {
      response.once('close', () => {
        this.#isOver = true;
        const left = this.#subscription?.unsubscribe() ?? Promise.resolve();
        left.catch(() => {}).finally(resolve);
      });
    });
  }

  /**
   * Subscribes; the answer begins when every shard has the subscription, or with the first event.
   *
   * @throws BusError what `subscribe` does: no answer has begun then
   */
  async open(
    endpoint: BusEndpoint,
    filter: Filter,
    options: SubscribeOptions,
    asker: Asker,
  ): Promise<void> {
    const take: EventHandler = (event) => this.#take(event);
    const subscription = subscribeFor(endpoint, asker, filter, take, options);
    this.#subscription = subscription;
    // `closed` tells it too.
    subscription.on('error', () => {});
    subscription.on('gap', (gap) => this.#tell('gap', gap));
    subscription.on('caughtUp', ({ cursor }) => this.#tell('caughtUp', { cursor }));
    subscription.on('dropped', ({ count }) => this.#addDropped(count));
    subscription.closed.then(
      () => this.end(new BusError('BUS_CLOSED', 'the bus has ended the subscription')),
      (error: unknown) => this.end(error),
    );
    await subscription.ready;
    if (!this.#isOver) this.#begin();
  }

  /** After the last event that was sent. */
  get cursor(): string {
    const cursor = this.#subscription?.cursor ?? '';
    const last = this.#last;
    return last?.sequence === undefined ? cursor : cursorAfter(cursor, last.shard, last.sequence);
  }

  beat(): void {
    if (this.#isOver || !this.#response.headersSent || this.#outbound.isCongested) return;
    const data = JSON.stringify({ time: new Date().toISOString() });
    this.#outbound.write(streamEvent('heartbeat', this.cursor, data));
  }

  /** Says why, and ends the answer. Before it has begun, whoever opens it tells the error. */
  end(error: unknown): void {
    if (this.#isOver || !this.#response.headersSent) return;
    const { code, message } = errorData(error);
    this.#tell('ended', { code, message, cursor: this.cursor });
    this.#isOver = true;
    this.#outbound.end();
  }

  cut(): void {
    this.#response.destroy();
  }

  #take(event: Event): void | Promise<void> {
    if (this.#isOver) return;
    // An endpoint may call before it has answered; the cursor is the subscription's.
    if (this.#subscription === undefined) return Promise.resolve().then(() => this.#take(event));
    this.#begin();
    this.#last = event;
    this.#outbound.write(`${this.#id()}data: ${this.#textOf(event)}\n\n`);
    if (this.#outbound.isCongested) return this.#outbound.relieved();
  }

  #begin(): void {
    if (this.#response.headersSent) return;
    beginStream(this.#response);
    // An id without data: whoever loses the connection before the first event resumes here.
    this.#outbound.write(`${retryLine()}${this.#id()}\n`);
  }

  #id(): string {
    return `id: ${this.cursor}\n`;
  }

  #tell(name: string, data: object): void {
    if (this.#isOver) return;
    this.#begin();
    this.#outbound.write(streamEvent(name, this.cursor, JSON.stringify(data)));
  }

  /** Counted, and told once there is room: a congested client must not be sent more because it is slow. */
  #addDropped(count: number): void {
    const isFirst = this.#dropped === 0;
    this.#dropped += count;
    if (isFirst) void this.#tellDropped();
  }

  async #tellDropped(): Promise<void> {
    await this.#outbound.relieved();
    const count = this.#dropped;
    this.#dropped = 0;
    this.#tell('dropped', { count });
  }
}
