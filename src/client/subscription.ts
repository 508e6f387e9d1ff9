import type { Drained } from '../async-context/drain-in-handler.js';
import type { Turns } from '../handout/dispatcher.js';
import { Pump } from '../handout/pump.js';
import { SubscriptionLife } from '../handout/subscription-life.js';
import type {
  EventHandler,
  SubscribeFrom,
  Subscription,
  SubscriptionEvents,
} from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { type FilterInput, type ParsedFilter, parseFilter } from '../protocol/filter.js';
import type { ServerFrame } from '../protocol/wire.js';
import { ArrivalQueue } from './arrivals.js';
import { Intake } from './intake.js';
import { type RemoteHost, RemoteSubscription } from './remote-subscription.js';
import { type ParsedSubscribeOptions, wireFrom } from './subscribe-options.js';

/**
 * A subscription of a client, as its user sees it. Over each connection it is opened anew, behind the last event that arrived; the
 * events that have arrived and wait here stay. So nothing comes twice and nothing is left out, however often the connection is lost.
 */

export interface SubscriptionHost extends RemoteHost {
  readonly turns: Turns;
  forget(subscription: ClientSubscription): void;
  report(error: BusError): void;
}

/** The calls that its user has. */
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
  /** Where it begins if the server has told no position yet. */
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

  /** Events here that are not consumed; those that the server holds back are not known and not counted. */
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

  /** As a `drain()` of the client has to see it. */
  get drained(): Drained {
    return this.#life.drained;
  }

  /** Resolves when all that has arrived is consumed. */
  emptied(): Promise<void> {
    this.#intake.flush();
    return this.#pump.emptied();
  }

  /** There is a connection. */
  open(): void {
    this.#remote.open();
  }

  /** There is none any more. */
  lost(): void {
    this.#remote.lost();
  }

  /** @throws BusError `MESSAGE_INVALID`, `CURSOR_INVALID` where the server talks nonsense */
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

  /** It cannot go on: the server does not let it, or the client has given up. */
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
    this.#intake.reach(cursor);
    // Behind whatever waits: an epoch may have begun in between.
    this.#intake.mark(cursor);
    this.#life.begin();
  }

  #clear(): void {
    this.#arrivals.clear();
    this.#intake.clear();
  }

  /** Takes no more events; those that are being gathered are handed out all the same. */
  #leave(): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    this.#isEnded = true;
    this.#intake.stop();
    this.#host.forget(this as ClientSubscription);
    const left = this.#remote.leave(this.#endedError());
    this.#intake.flush();
    return left;
  }

  #endedError(): BusError {
    return new BusError('SUBSCRIPTION_UNKNOWN', `subscription ${this.id} has ended`);
  }
}
