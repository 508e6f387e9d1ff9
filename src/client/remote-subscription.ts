import { BusError } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';
import { CLIENT_SUBSCRIBE_RETRY_MS, CLIENT_WINDOW_BYTES } from '../protocol/limits/client.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import type { ServerPayloads } from '../protocol/wire.js';
import { retryAfterMs, spreadMs } from './backoff.js';
import { FilterUpdates } from './filter-updates.js';
import type { Requests } from './requests.js';
import { isTransient, knownCode } from './server-frame.js';
import type { ParsedSubscribeOptions } from './subscribe-options.js';
import { WindowReport } from './window-report.js';

/**
 * The server's side of a subscription, driven from here: opened over each connection anew, updated, informed of what
 * was consumed, and ended.
 *
 * The server may be ahead of the consumer by a window of events and bytes and holds back the rest, so a slow consumer
 * costs bounded memory here.
 */

export interface RemoteHost {
  readonly requests: Requests;
  isConnected(): boolean;
  send(frame: string): boolean;
  /** Ends the connection; another one follows. */
  cut(error: BusError): void;
}

type RemoteOptions = Omit<ParsedSubscribeOptions<unknown>, 'coalesce'> & {
  readonly coalesce: object | undefined;
};

/** The client's side of the subscription. */
export interface NearSide {
  /** How many events have arrived and are not consumed. */
  held(): number;
  /** Where the next opening is to begin. */
  start(): SubscribeFrom;
  onOpened(cursor: string): void;
  /** The server has another filter from this position on. */
  onUpdated(cursor: string): void;
  /** The server has ended the subscription, or refuses it. */
  onFailed(error: BusError): void;
}

/** `away`: the server does not have the subscription, as far as this side knows. */
type Stage = 'away' | 'opening' | 'open';

export class RemoteSubscription {
  readonly #name: string;
  readonly #options: RemoteOptions;
  readonly #host: RemoteHost;
  readonly #near: NearSide;
  readonly #report: WindowReport;
  readonly #filter: FilterUpdates;
  #stage: Stage = 'away';
  /** Counts openings, so that an answer to an earlier one is recognised and ignored. */
  #opening = 0;
  #isWaitingForRoom = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(
    name: string,
    filter: ParsedFilter,
    options: RemoteOptions,
    host: RemoteHost,
    near: NearSide,
  ) {
    this.#name = name;
    this.#options = options;
    this.#host = host;
    this.#near = near;
    this.#report = new WindowReport(options.windowEvents, options.coalesce !== undefined);
    this.#filter = new FilterUpdates(filter, (next, done) => this.#sendUpdate(next, done));
  }

  /** The server has the subscription; frames for its name belong to this opening. */
  get isOpen(): boolean {
    return this.#stage === 'open';
  }

  /** Opens the subscription on the server, if there is a connection and the subscription is not open yet. */
  open(): void {
    if (this.#isOver || this.#stage !== 'away' || !this.#host.isConnected()) return;
    const { overflow, maxBuffer, windowEvents } = this.#options;
    const held = this.#near.held();
    // The new window comes on top of the events held here, so these have to be few.
    this.#isWaitingForRoom = held > windowEvents / 2;
    if (this.#isWaitingForRoom) return;
    this.#stage = 'opening';
    this.#report.open(held);
    const opening = ++this.#opening;
    const request = {
      subscription: this.#name,
      filter: this.#filter.sending(),
      from: this.#near.start(),
      overflow,
      maxBuffer,
      window: { events: windowEvents, bytes: CLIENT_WINDOW_BYTES },
    };
    this.#host.requests.askOnce(
      'subscribe',
      JSON.stringify(request),
      ({ cursor }) => {
        if (opening === this.#opening) this.#onSubscribed(cursor);
      },
      (error) => {
        if (opening === this.#opening) this.#onRefused(error);
      },
    );
  }

  /** The connection is gone, and with it the server's side. */
  lost(): void {
    this.#away();
  }

  /** Resolves when the server has accepted this filter or a later one. */
  update(filter: ParsedFilter): Promise<void> {
    return this.#filter.want(filter);
  }

  consumed(events: number, chars: number): void {
    this.#report.consumed(events, chars);
    this.#reportConsumed();
    if (this.#isWaitingForRoom) this.open();
  }

  /** The server has ended the subscription. */
  ended({ code, message }: ServerPayloads['ended']): void {
    this.#stage = 'away';
    const error = new BusError(knownCode(code), message);
    // The server is stopping. The next connection opens the subscription again.
    if (error.code === 'BUS_CLOSED') this.#host.cut(error);
    else this.#near.onFailed(error);
  }

  /**
   * Ends the subscription. Resolves when the server has answered, or the connection is gone. Pending updates are
   * rejected with `reason`.
   */
  leave(reason: BusError): Promise<void> {
    const isAway = this.#stage === 'away';
    // First, so that nothing is reported as consumed from here on: another subscription may soon have this name.
    this.close(reason);
    if (isAway) return Promise.resolve();
    return new Promise((resolve) => {
      const payload = JSON.stringify({ subscription: this.#name });
      this.#host.requests.askOnce(
        'unsubscribe',
        payload,
        () => resolve(),
        () => resolve(),
      );
    });
  }

  /** As `leave`, but sends nothing to the server. */
  close(reason: BusError): void {
    this.#isOver = true;
    this.#away();
    this.#filter.fail(reason);
  }

  #away(): void {
    this.#stage = 'away';
    this.#opening++;
    this.#isWaitingForRoom = false;
    clearTimeout(this.#retryTimer);
  }

  #onSubscribed(cursor: string): void {
    this.#stage = 'open';
    this.#near.onOpened(cursor);
    this.#filter.sent();
  }

  #onRefused(error: BusError): void {
    this.#stage = 'away';
    if (error.code === 'CONNECTION_FAILED') return;
    if (error.code === 'BUS_CLOSED') this.#host.cut(error);
    else if (isTransient(error.code)) {
      const ms = spreadMs(retryAfterMs(error) || CLIENT_SUBSCRIBE_RETRY_MS, Math.random());
      this.#retryTimer = setTimeout(() => this.open(), ms);
    } else this.#near.onFailed(error);
  }

  #reportConsumed(): void {
    if (this.#stage !== 'open') return;
    const events = this.#report.take();
    if (events === 0) return;
    const payload = { subscription: this.#name, events };
    this.#host.send(JSON.stringify({ type: 'consumed', payload }));
  }

  #sendUpdate(filter: ParsedFilter, done: (error?: BusError) => void): boolean {
    if (this.#stage !== 'open') return false;
    const payload = JSON.stringify({ subscription: this.#name, filter });
    const opening = this.#opening;
    const onAnswer = ({ cursor }: ServerPayloads['subscribed']): void => {
      if (opening === this.#opening) this.#near.onUpdated(cursor);
      done();
    };
    this.#host.requests.askOnce('update', payload, onAnswer, done);
    return true;
  }
}
