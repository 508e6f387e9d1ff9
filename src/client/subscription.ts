import type { Drained } from '../async-context/drain-in-handler.js';
import type { Turns } from '../handout/dispatcher.js';
import { Pump } from '../handout/pump.js';
import { SubscriptionLife } from '../handout/subscription-life.js';
import type { EventHandler, Subscription, SubscriptionEvents } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { type FilterInput, type ParsedFilter, parseFilter } from '../protocol/filter.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import type { ServerFrame } from '../protocol/wire.js';
import { ArrivalQueue } from './arrivals.js';
import { Intake } from './intake.js';
import { type RemoteHost, RemoteSubscription } from './remote-subscription.js';
import { type ParsedSubscribeOptions, wireFrom } from './subscribe-options.js';

/**
 * A subscription of a client, as its user sees it. It is opened anew over each connection, behind the last event that
 * arrived, and keeps the events that wait here. So no event comes twice and none is left out, however often the
 * connection is lost.
 */

export interface SubscriptionHost extends RemoteHost {
  readonly turns: Turns;
  forget(subscription: ClientSubscription): void;
  report(error: BusError): void;
}

/** A client's subscription as its user gets it. */
export interface SubscriptionHandle<P = unknown> extends Subscription<P> {
  off<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this;
}

export class ClientSubscription<P = unknown> implements SubscriptionHandle<P> {
  readonly id: string;
  readonly #host: SubscriptionHost;
  readonly #arrivals: ArrivalQueue<P>;
  readonly #pump: Pump<Event<P>>;
  readonly #life: SubscriptionLife<Event<P>>;
  readonly #intake: Intake<P>;
  readonly #remote: RemoteSubscription;
  /** Where the subscription begins if the server has sent no position yet. */
  readonly #from: SubscribeFrom;
  #dropped = 0;
  #isEnded = false;

  constructor(
    id: string,
    filter: ParsedFilter,
    options: ParsedSubscribeOptions<P>,
    handler: EventHandler<P> | undefined,
    host: SubscriptionHost,
  ) {
    this.id = id;
    this.#host = host;
    this.#from = wireFrom(options.from);
    const { from } = options;
    const start = typeof from === 'object' && 'after' in from ? from.after : '';
    const onConsumed = (events: number, chars: number): void =>
      this.#remote.consumed(events, chars);
    const fail = (error: Error): void => this.#life.fail(error);
    this.#arrivals = new ArrivalQueue(start, { onConsumed, onIdle: () => this.#intake.onIdle() });
    this.#pump = new Pump(this.#arrivals, handler, host.turns, fail);
    this.#life = new SubscriptionLife(
      {
        id,
        clear: () => this.#clear(),
        leave: () => this.#leave(),
        report: (error) => host.report(error),
      },
      this.#pump,
    );
    this.#intake = new Intake(options, this.#arrivals, this.#pump, { onConsumed, onFailed: fail });
    this.#remote = new RemoteSubscription(id, filter, options, host, {
      held: () => this.lag,
      start: () => this.#start(),
      onOpened: (cursor) => this.#onOpened(cursor),
      onUpdated: (cursor) => this.#onUpdated(cursor),
      onFailed: (error) => this.giveUp(error),
    });
    this.#life.endOnAbort(options.signal);
  }

  get ready(): Promise<void> {
    return this.#life.ready;
  }

  get closed(): Promise<void> {
    return this.#life.closed;
  }

  get cursor(): string {
    return this.#arrivals.position.cursor;
  }

  get pending(): number {
    return this.#arrivals.pending + this.#intake.gathered;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** How many events have arrived and are not consumed. Events that the server holds back are not counted. */
  get lag(): number {
    return this.#arrivals.held + this.#intake.gathered;
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#life.on(event, listener);
    return this;
  }

  off<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#life.off(event, listener);
    return this;
  }

  async update(filter: FilterInput<P>): Promise<void> {
    const parsed = parseFilter(filter);
    if (this.#isEnded) throw this.#endedError();
    await this.#remote.update(parsed);
  }

  unsubscribe(): Promise<void> {
    return this.#life.unsubscribe();
  }

  drain(): Promise<void> {
    return this.#life.drain();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unsubscribe();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Event<P>> {
    return this.#life.iterator();
  }

  /** The subscription's handler, for a `drain()` of the client. */
  get drained(): Drained {
    return this.#life.drained;
  }

  /** Resolves when every event that has arrived is consumed. */
  emptied(): Promise<void> {
    this.#intake.flush();
    return this.#pump.emptied();
  }

  /** The client is connected. */
  open(): void {
    this.#remote.open();
  }

  /** The connection is lost. */
  lost(): void {
    this.#remote.lost();
  }

  /** @throws BusError `MESSAGE_INVALID`, `CURSOR_INVALID` if the frame breaks the protocol */
  onFrame(frame: ServerFrame, length: number): void {
    if (!this.#remote.isOpen) return;
    this.#intake.checkBounds(frame.type === 'events' ? frame.payload.events.length : 0);
    switch (frame.type) {
      case 'events':
        this.#intake.take(frame.payload, length);
        break;
      case 'caughtUp': {
        const { cursor } = frame.payload;
        this.#intake.reach(cursor);
        this.#intake.mark(cursor, () => this.#life.emit('caughtUp', { cursor }));
        break;
      }
      case 'gap': {
        const { shard, from, to, reason } = frame.payload;
        this.#intake.mark(undefined, () => this.#life.emit('gap', { shard, from, to, reason }));
        break;
      }
      case 'dropped':
        this.#dropped += frame.payload.count;
        this.#life.emit('dropped', { count: frame.payload.count });
        break;
      case 'ended':
        this.#remote.ended(frame.payload);
    }
  }

  /** Fails the subscription: the server refuses it, or the client has given up. */
  giveUp({ code, message, details }: BusError): void {
    this.#life.fail(new BusError(code, message, { details: { ...details, cursor: this.cursor } }));
  }

  /** The client closes. */
  close(): void {
    this.#isEnded = true;
    this.#intake.stop();
    this.#remote.close(this.#endedError());
    this.#life.close();
  }

  #start(): SubscribeFrom {
    const { reached } = this.#intake;
    return reached === undefined ? this.#from : { after: reached };
  }

  #onOpened(cursor: string): void {
    this.#reach(cursor);
    this.#life.begin();
  }

  /** Else the next opening would judge by the new filter again what the server has passed over by the old one. */
  #onUpdated(cursor: string): void {
    if (this.#intake.isAhead(cursor)) this.#reach(cursor);
  }

  /** The server has sent, or passed over, everything up to here, by the filter that it had. */
  #reach(cursor: string): void {
    this.#intake.reach(cursor);
    // Behind the events that wait: the log may be of a new epoch, and the cursor must not be reached before them.
    this.#intake.mark(cursor);
  }

  #clear(): void {
    this.#arrivals.clear();
    this.#intake.clear();
  }

  /** Takes no more events; the gathered ones are still handed out. */
  #leave(): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    this.#isEnded = true;
    this.#intake.stop();
    this.#host.forget(this as ClientSubscription);
    const answered = this.#remote.leave(this.#endedError());
    this.#intake.flush();
    return answered;
  }

  #endedError(): BusError {
    return new BusError('SUBSCRIPTION_UNKNOWN', `subscription ${this.id} has ended`);
  }
}
