import type { BusError } from '../protocol/errors.js';
import { CLIENT_STABLE_MS } from '../protocol/limits/client.js';
import type { ServerFrame, Welcome } from '../protocol/wire.js';
import { retryAfterMs, retryMs } from './backoff.js';
import { Connection } from './connection.js';
import type { ParsedConnectOptions } from './options.js';
import type { OpenSocket } from './socket.js';

/**
 * Keeps a connection: opens one, and when it ends opens another, after a wait that grows with each try that gave no
 * lasting connection. The listener decides what is sent and received over it.
 */

export type ClientState =
  | 'idle'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'failed'
  | 'closed';

export interface StateChange {
  readonly state: ClientState;
  readonly previous: ClientState;
  /** The error that ended the last connection or try. */
  readonly error?: BusError;
  /** Only while `reconnecting`: the number of tries in a row, the coming one included, and the wait before it. */
  readonly attempt?: number;
  readonly retryInMs?: number;
}

export interface ReconnectorListener {
  onState(change: StateChange): void;
  /** The server of a new connection describes itself; `onState` and `onConnected` follow. */
  onWelcome(welcome: Welcome): void;
  onConnected(): void;
  /** The connection of the last `onConnected` is over. */
  onLost(error: BusError): void;
  /** `text`: the frame as it came. */
  onFrame(frame: ServerFrame, text: string): void;
  /** The client gives up: there are no more tries. */
  onFailed(error: BusError): void;
}

export class Reconnector {
  readonly #openSocket: OpenSocket;
  readonly #options: ParsedConnectOptions;
  readonly #listener: ReconnectorListener;
  #state: ClientState = 'idle';
  #connection: Connection | undefined;
  /** Tries in a row that did not lead to a lasting connection. */
  #attempts = 0;
  #refusals = 0;
  #reconnects = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    openSocket: OpenSocket,
    options: ParsedConnectOptions,
    listener: ReconnectorListener,
  ) {
    this.#openSocket = openSocket;
    this.#options = options;
    this.#listener = listener;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** How many connections were made after the first. */
  get reconnects(): number {
    return Math.max(0, this.#reconnects - 1);
  }

  /** Begins to connect if the state is `idle` or `failed`; otherwise does nothing. */
  connect(): void {
    if (this.#state !== 'idle' && this.#state !== 'failed') return;
    this.#attempts = 0;
    this.#refusals = 0;
    this.#become('connecting');
    this.#try();
  }

  close(): void {
    if (this.#state === 'closed') return;
    clearTimeout(this.#timer);
    this.#connection?.close();
    this.#connection = undefined;
    this.#become('closed');
  }

  /** Sends the frame; false, and nothing sent, if there is no connection. */
  send(frame: string): boolean {
    return this.#state === 'connected' && this.#connection!.send(frame);
  }

  cut(error: BusError): void {
    if (this.#state === 'connected') this.#connection!.cut(error);
  }

  /**
   * The platform says that the network or the page is back: tries at once instead of waiting, and probes an open
   * connection.
   */
  wake(): void {
    if (this.#state === 'connected') this.#connection!.probe();
    if (this.#state !== 'reconnecting' || this.#connection !== undefined) return;
    clearTimeout(this.#timer);
    this.#try();
  }

  #try(): void {
    const connection: Connection = new Connection(this.#openSocket, this.#options, {
      onReady: (welcome) => this.#onReady(welcome),
      onFrame: (frame, text) => {
        if (this.#connection === connection) this.#listener.onFrame(frame, text);
      },
      onEnd: (error) => {
        if (this.#connection === connection) this.#onEnd(error);
      },
    });
    this.#connection = connection;
  }

  #onReady(welcome: Welcome): void {
    this.#reconnects++;
    this.#refusals = 0;
    this.#timer = setTimeout(() => {
      this.#attempts = 0;
    }, CLIENT_STABLE_MS);
    this.#listener.onWelcome(welcome);
    this.#become('connected');
    this.#listener.onConnected();
  }

  #onEnd(error: BusError): void {
    clearTimeout(this.#timer);
    this.#connection = undefined;
    const wasConnected = this.#state === 'connected';
    const { maxReconnectAttempts } = this.#options;
    const isOver = maxReconnectAttempts >= 0 && this.#attempts >= maxReconnectAttempts;
    const isFinal = isOver || this.#isFinal(error, wasConnected);
    if (!isFinal) this.#reconnect(error);
    else this.#become('failed', { error });
    if (wasConnected) this.#listener.onLost(error);
    if (isFinal && this.#state === 'failed') this.#listener.onFailed(error);
  }

  #reconnect(error: BusError): void {
    const { reconnectBaseMs, reconnectMaxMs, reconnectFloorMs } = this.#options;
    const limits = { baseMs: reconnectBaseMs, maxMs: reconnectMaxMs, floorMs: reconnectFloorMs };
    const retryInMs = retryMs(this.#attempts, limits, retryAfterMs(error), Math.random());
    this.#attempts++;
    this.#timer = setTimeout(() => this.#try(), retryInMs);
    this.#become('reconnecting', { error, attempt: this.#attempts, retryInMs });
  }

  /**
   * Whether the error rules out further tries. A refused token may just have expired, so with `getToken` a new one gets
   * a second try.
   */
  #isFinal({ code }: BusError, wasConnected: boolean): boolean {
    if (code === 'FORBIDDEN') return true;
    if (code !== 'UNAUTHENTICATED') return false;
    if (this.#options.getToken === undefined) return true;
    // If it was connected, the server had accepted the token, which has expired since.
    return !wasConnected && ++this.#refusals > 1;
  }

  #become(state: ClientState, rest: Omit<StateChange, 'state' | 'previous'> = {}): void {
    const previous = this.#state;
    this.#state = state;
    this.#listener.onState({ state, previous, ...rest });
  }
}
