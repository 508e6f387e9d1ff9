import { BusError } from '../protocol/errors.js';
import { CLIENT_PROBE_MS } from '../protocol/limits/client.js';
import { quote } from '../protocol/quote.js';
import { errorOf, messageOf } from '../protocol/thrown.js';
import type { ServerFrame, Welcome } from '../protocol/wire.js';
import { WIRE_PROTOCOL } from '../protocol/wire-name.js';
import type { ParsedConnectOptions } from './options.js';
import { invalid, parseServerFrame, serverError } from './server-frame.js';
import type { OpenSocket, Socket, SocketListener } from './socket.js';
import { TokenRenewal } from './token-renewal.js';

/**
 * One connection, from asking for a token to its end. The end is reported exactly once, whatever its cause: a refusal,
 * a close, silence, a malformed frame. The connection is ready when the server has sent its welcome and, if a token was
 * sent, has accepted it.
 */

export interface ConnectionListener {
  onReady(welcome: Welcome): void;
  /** Called with every frame but the welcome and the answer to the token, and with the frame's text. */
  onFrame(frame: ServerFrame, text: string): void;
  onEnd(error: BusError): void;
}

/** The requestId of `authenticate`; the requests of a client count from 1. */
const AUTHENTICATE_ID = 0;
const CLOSE_NORMAL = 1000;
/** From the range for applications (RFC 6455, 7.4.2): the server's frame made no sense. */
const CLOSE_NONSENSE = 4002;
const CLOSE_SILENCE = 4008;

export class Connection implements SocketListener {
  readonly #options: ParsedConnectOptions;
  readonly #listener: ConnectionListener;
  #socket: Socket | undefined;
  #token: string | undefined;
  #welcome: Welcome | undefined;
  #isAuthenticated: boolean;
  #isReady = false;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heardAt = 0;
  #askedAt: number | undefined;
  #probeMs: number;
  #isPaused = false;
  readonly #renewal = new TokenRenewal(() => void this.#renew());

  constructor(openSocket: OpenSocket, options: ParsedConnectOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#isAuthenticated = options.getToken === undefined;
    this.#probeMs = options.heartbeatMs / 2;
    this.#timer = setTimeout(() => this.#onConnectTimeout(), options.connectTimeoutMs);
    // Not at once, so that the caller has this object before `onEnd` can be called.
    queueMicrotask(() => void this.#open(openSocket));
  }

  /** Sends the frame; false, and nothing sent, if the connection is not ready or is over. */
  send(frame: string): boolean {
    if (!this.#isReady || this.#isOver) return false;
    this.#socket!.send(frame);
    return true;
  }

  /** Asks the server whether it is there, and waits less long than usual for an answer. */
  probe(): void {
    if (!this.#isReady || this.#isOver) return;
    this.#probeMs = Math.min(CLIENT_PROBE_MS, this.#options.heartbeatMs / 2);
    this.#ask();
  }

  /** Stops reading, where the platform can. While paused, silence does not end the connection. */
  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause?.();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.onSign();
    this.#socket?.resume?.();
  }

  /** Ends the connection without calling `onEnd`. */
  close(): void {
    this.#leave(CLOSE_NORMAL, 'bye');
  }

  /** Ends the connection and calls `onEnd` with the error. */
  cut(error: BusError, code = CLOSE_NONSENSE): void {
    if (this.#isOver) return;
    // RFC 6455, 5.5: a close frame holds at most 123 bytes of reason; the code says enough.
    this.#leave(code, '');
    this.#listener.onEnd(error);
  }

  onOpen(): void {
    if (this.#token === undefined) return;
    this.#show(this.#token);
    this.#token = undefined;
  }

  /**
   * Shows the server a new token. If none can be had, the connection goes on with the old one, which is still valid.
   */
  async #renew(): Promise<void> {
    try {
      const token = await this.#options.getToken?.();
      if (!this.#isOver && token) this.#show(token);
    } catch {
      // Tried again as planned below; at the latest the next connection asks for a token, and reports its failure.
    }
    if (!this.#isOver) this.#renewal.plan();
  }

  #show(token: string): void {
    const payload = { token };
    const frame = { type: 'authenticate', requestId: AUTHENTICATE_ID, payload };
    this.#socket!.send(JSON.stringify(frame));
  }

  onText(text: string): void {
    if (this.#isOver) return;
    this.onSign();
    if (text.length > this.#options.maxFrameBytes) {
      const { maxFrameBytes } = this.#options;
      this.cut(invalid(`a frame of ${text.length} characters; ${maxFrameBytes} is the limit`));
      return;
    }
    try {
      const frame = parseServerFrame(text);
      if (frame !== undefined) this.#take(frame, text);
    } catch (error) {
      this.cut(error instanceof BusError ? error : invalid(messageOf(error), error));
    }
  }

  onBinary(): void {
    this.cut(invalid('the server sent a binary message'));
  }

  onSign(): void {
    this.#heardAt = performance.now();
    this.#askedAt = undefined;
  }

  onClose(code: number, reason: string, cause?: Error): void {
    if (this.#isOver) return;
    this.#leave(CLOSE_NORMAL, '');
    const said = reason === '' ? '' : `, ${quote(reason)}`;
    const isMade = cause === undefined || this.#isReady;
    const what = isMade ? `was closed with code ${code}${said}` : `was not made: ${reason}`;
    const isRefusal = cause instanceof BusError;
    this.#listener.onEnd(
      isRefusal ? cause : this.#failure(what, { closeCode: code, closeReason: reason }, cause),
    );
  }

  async #open(openSocket: OpenSocket): Promise<void> {
    const { url, maxFrameBytes, getToken } = this.#options;
    try {
      const token = await getToken?.();
      if (this.#isOver) return;
      if (getToken !== undefined && (typeof token !== 'string' || token === '')) {
        throw new BusError('UNAUTHENTICATED', 'getToken gave no token');
      }
      this.#token = token;
      this.#socket = openSocket({ url, protocol: WIRE_PROTOCOL, maxFrameBytes }, this);
    } catch (cause) {
      const error = errorOf(cause);
      if (error instanceof BusError) this.cut(error);
      else this.cut(this.#failure(`could not be begun: ${messageOf(cause)}`, {}, cause));
    }
  }

  #take(frame: ServerFrame, text: string): void {
    // UNAUTHENTICATED without a requestId: the token of this connection is no longer valid.
    const isUnasked = frame.type === 'error' && frame.requestId === undefined;
    if (isUnasked && frame.payload.code === 'UNAUTHENTICATED') throw serverError(frame.payload);
    if (frame.type === 'welcome') this.#onWelcome(frame.payload);
    else if (frame.requestId === AUTHENTICATE_ID) this.#onAuthenticated(frame);
    else if (this.#isReady) this.#listener.onFrame(frame, text);
    else if (frame.type === 'error') throw serverError(frame.payload);
  }

  #onWelcome(welcome: Welcome): void {
    const { protocol } = welcome;
    if (protocol !== WIRE_PROTOCOL) {
      throw invalid(`the server speaks ${quote(protocol)}, this client ${WIRE_PROTOCOL}`);
    }
    if (this.#welcome !== undefined) throw invalid('the server said welcome twice');
    if (welcome.principal === undefined && this.#isAuthenticated) {
      const message = 'the server wants a token; give connect a getToken';
      throw new BusError('UNAUTHENTICATED', message);
    }
    this.#welcome = welcome;
    this.#begin();
  }

  #onAuthenticated(frame: ServerFrame): void {
    if (this.#isReady && frame.type === 'error') return;
    if (frame.type === 'error') throw serverError(frame.payload);
    if (frame.type !== 'authenticated') throw invalid(`${frame.type} is no answer to a token`);
    this.#isAuthenticated = true;
    this.#renewal.taken(frame.payload.expiresAt);
    this.#begin();
  }

  #begin(): void {
    if (this.#isReady || this.#welcome === undefined || !this.#isAuthenticated) return;
    this.#isReady = true;
    clearTimeout(this.#timer);
    this.#watch(this.#options.heartbeatMs);
    this.#listener.onReady(this.#welcome);
  }

  #watch(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onQuiet(), ms);
  }

  /** The timer is not reset by each message; when it fires, it compares times and is set again for the rest. */
  #onQuiet(): void {
    const { heartbeatMs } = this.#options;
    const now = performance.now();
    if (this.#isPaused) this.onSign();
    if (this.#askedAt !== undefined) {
      const left = this.#askedAt + this.#probeMs - now;
      if (left > 0) this.#watch(left);
      else this.cut(this.#failure('was silent for too long', {}), CLOSE_SILENCE);
      return;
    }
    this.#probeMs = heartbeatMs / 2;
    const left = this.#heardAt + heartbeatMs - now;
    if (left > 0) this.#watch(left);
    else this.#ask();
  }

  #ask(): void {
    this.#askedAt = performance.now();
    this.#socket!.send('{"type":"ping"}');
    this.#watch(this.#probeMs);
  }

  #onConnectTimeout(): void {
    const { connectTimeoutMs } = this.#options;
    const message = `was not ready within ${connectTimeoutMs} ms`;
    this.cut(this.#failure(message, { connectTimeoutMs }), CLOSE_SILENCE);
  }

  #leave(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#renewal.stop();
    this.#socket?.close(code, reason);
  }

  #failure(what: string, details: Record<string, unknown>, cause?: unknown): BusError {
    const { url } = this.#options;
    return new BusError('CONNECTION_FAILED', `the connection to ${url} ${what}`, {
      details: { url, ...details },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
