import type { WebSocket } from 'ws';
import type { Principal } from '../../auth/principal.js';
import { internalsOf } from '../../endpoint/internals.js';
import { BusError } from '../../protocol/errors.js';
import { notePublishedTexts } from '../../protocol/frame-payloads.js';
import { HEARTBEATS_MISSED_MAX } from '../../protocol/limits/gateway.js';
import {
  AUTHENTICATE_FRAME_BYTES_MAX,
  CLOSE_HANDSHAKE_MS,
  REQUESTS_BYTES_PER_CONNECTION_MAX,
  REQUESTS_PER_CONNECTION_MAX,
} from '../../protocol/limits/websocket.js';
import type { ConnectionInfo } from '../../protocol/operations.js';
import { messageOf } from '../../protocol/thrown.js';
import { type ClientFrame, parseClientFrame, type RequestId } from '../../protocol/wire.js';
import type { Place } from '../admission.js';
import { PendingAuthentication, watchExpiry } from '../authentication.js';
import type { Budget } from '../budget/budget.js';
import { type Client, type Clients, DISCONNECTED } from '../clients.js';
import { ConnectionRecord } from '../connection-record.js';
import type { UpgradedClient } from '../door.js';
import { errorData } from '../error-data.js';
import type { GatewayLogger } from '../gateway-log.js';
import type { GatewaySettings } from '../settings.js';
import type { SignIns } from '../sign-ins.js';
import type { TurnQueue } from '../turn-queue.js';
import {
  CLOSE_DISCONNECTED,
  CLOSE_GOING_AWAY,
  CLOSE_POLICY,
  CLOSE_TRY_AGAIN,
  CLOSE_UNSUPPORTED_DATA,
  closeReason,
} from './close-codes.js';
import { costOf } from './frame-costs.js';
import { frameText } from './frames.js';
import { Incoming, type IncomingOwner } from './incoming.js';
import { Outbound, type OutboundOwner } from './outbound.js';
import { Renewals } from './renewals.js';
import { RequestAnswerer, type RequestContext } from './requests.js';
import { welcome } from './welcome.js';

/**
 * One WebSocket session, from the welcome to the end of the socket. A client can at worst end its own connection: a bad
 * frame is answered with a typed `error`, and a socket that breaks the WebSocket protocol is closed with the code of
 * RFC 6455. While too many requests are in flight, nothing more is read from the socket.
 */
export interface ConnectionContext extends RequestContext {
  readonly settings: GatewaySettings;
  readonly signIns: SignIns;
  readonly turns: TurnQueue;
  readonly clients: Clients;
  readonly server: string;
  readonly log: GatewayLogger;
  /** Whether each frame is logged, at `debug`. */
  readonly logsFrames: boolean;
}

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

interface HeldFrame {
  readonly frame: ClientFrame;
  readonly bytes: number;
}

export class Connection implements OutboundOwner, IncomingOwner, Client {
  readonly id: string;
  readonly address: string;
  /** Resolves when the socket is gone and its subscriptions are released. */
  readonly ended: Promise<void>;
  readonly onFrameSent: OutboundOwner['onFrameSent'];
  readonly #place: Place;
  readonly #socket: WebSocket;
  readonly #context: ConnectionContext;
  readonly #outbound: Outbound;
  readonly #incoming: Incoming;
  readonly #record: ConnectionRecord;
  #budget: Budget | undefined;
  #principal: Principal | undefined;
  #pending: PendingAuthentication<HeldFrame> | undefined;
  readonly #renewals: Renewals;
  #answerer: RequestAnswerer | undefined;
  #stopWatchingExpiry: () => void = () => {};
  #closeTimer: NodeJS.Timeout | undefined;
  #hasAsked = false;
  #requests = 0;
  #requestBytes = 0;
  #isReading = true;
  #isClosing = false;
  #hasSaidGoodbye = false;
  #missedHeartbeats = 0;
  #onIdle: () => void = () => {};

  constructor(
    { id, place, socket, stream, principal, userAgent }: UpgradedClient,
    context: ConnectionContext,
  ) {
    this.id = id;
    this.#place = place;
    this.address = place.address;
    const connected = { id, address: place.address, kind: 'websocket', userAgent } as const;
    this.#record = new ConnectionRecord(connected, stream);
    this.#socket = socket;
    this.#context = context;
    this.#renewals = new Renewals(context.signIns, place.address);
    const { turns, settings, endpoint, server, logsFrames } = context;
    if (logsFrames) {
      this.onFrameSent = (type, bytes) => this.#log('debug', 'frame sent', { type, bytes });
    }
    this.#outbound = new Outbound(socket, stream, turns, settings, this);
    this.ended = new Promise((resolve) => {
      socket.once('close', (code) => resolve(this.#onClose(code)));
    });
    // Without a listener one bad frame would end the process. The socket closes itself with the right code.
    socket.on('error', (error) => this.#log('debug', 'connection error', { error: error.message }));
    this.#incoming = new Incoming(socket, stream, this);
    socket.on('ping', (data) => {
      this.#missedHeartbeats = 0;
      this.#outbound.pong(data);
    });
    socket.on('pong', () => {
      this.#missedHeartbeats = 0;
    });
    const { epoch, shards } = endpoint;
    const bus = internalsOf(endpoint);
    const session = { connection: id, epoch, shards, server, principal, bus };
    this.#outbound.send(frameText('welcome', welcome(settings, session)));
    if (principal === undefined) this.#pending = this.#awaitToken();
    else this.#become(principal);
  }

  /** The client's principal; undefined until the client has authenticated. */
  get principal(): Principal | undefined {
    return this.#principal;
  }

  /**
   * Sends a ping, or cuts a connection that has left `HEARTBEATS_MISSED_MAX` pings unanswered. Called once per
   * heartbeat interval.
   */
  beat(): void {
    // While the socket is not read no pong can arrive; a client that takes nothing is cut as stalled.
    if (!this.#isReading || !this.#outbound.isOpen) return;
    if (this.#missedHeartbeats >= HEARTBEATS_MISSED_MAX) {
      this.#log('info', 'connection cut: heartbeats missed');
      this.#socket.terminate();
      return;
    }
    if (this.#incoming.isOverdue) {
      this.#log('info', 'connection cut: a message did not end');
      this.#socket.terminate();
      return;
    }
    this.#missedHeartbeats++;
    this.#socket.ping();
  }

  /** Takes no more requests, answers those in flight, then says goodbye. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#pending?.dispose();
    this.#answerer?.stop();
    this.#updateReading();
    if (this.#requests > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#answerer?.close();
    this.#sayGoodbye(CLOSE_GOING_AWAY, 'the server is stopping');
  }

  terminate(): void {
    this.#socket.terminate();
  }

  describe(): ConnectionInfo {
    const subscriptions = this.#answerer?.subscriptions ?? 0;
    const heldBytes = this.#budget?.bytes.held ?? 0;
    return this.#record.describe(this.#principal, { subscriptions, heldBytes });
  }

  disconnect(): void {
    if (this.#isClosing) return;
    this.#log('info', 'connection ended', { reason: DISCONNECTED });
    this.#leave(CLOSE_DISCONNECTED, DISCONNECTED);
  }

  /** Ends the connection because its key or token was revoked. */
  revoke(): void {
    this.#expel(new BusError('UNAUTHENTICATED', 'the key or token was revoked or changed'));
  }

  onCongestionChange(): void {
    this.#updateReading();
  }

  onHeldUpChange(): void {
    this.#updateReading();
  }

  onOverlongStart(length: number): void {
    if (this.#isClosing) return;
    const message = `a first frame of ${length} bytes is longer than any with a token`;
    const error = new BusError('UNAUTHENTICATED', message);
    this.#expel(this.#context.signIns.failed(error, this.address, 'shown'));
  }

  onTooMuchHeld(heldBytes: number): void {
    this.#log('warn', 'connection cut: too many compressed messages wait', { heldBytes });
    this.#socket.terminate();
  }

  onStalled(): void {
    const bufferedBytes = this.#socket.bufferedAmount;
    this.#log('warn', 'connection cut: slow consumer', { code: 'SLOW_CONSUMER', bufferedBytes });
    this.#socket.terminate();
  }

  #awaitToken(requestId?: RequestId): PendingAuthentication<HeldFrame> {
    const { signIns, settings } = this.#context;
    return new PendingAuthentication(settings.authenticateMs, {
      judge: (token) => signIns.authenticate(token, this.address),
      onAuthenticated: (principal) => {
        this.#pending = undefined;
        this.#become(principal);
        this.#log('info', 'connection authenticated');
        this.#outbound.send(frameText('authenticated', identity(principal), requestId));
      },
      onRefused: (error, isJudged) => {
        if (!isJudged) signIns.failed(error, this.address, 'missing');
        this.#expel(error, requestId);
      },
      onHeld: ({ frame, bytes }) => this.#answer(frame, bytes),
    });
  }

  #become(principal: Principal): void {
    this.#place.identified();
    const { budgets } = this.#context;
    // Releases the budget of the anonymous principal that the connection has had until now.
    void this.#answerer?.close();
    const budget = budgets.open(principal, this.address);
    this.#outbound.account = budget;
    this.#budget = budget;
    this.#incoming.charge(budget);
    const asking = { principal, address: this.address, connection: this.id };
    this.#answerer = new RequestAnswerer(this.#context, asking, budget, this.#outbound);
    this.#updateReading();
    this.#hold(principal);
  }

  async #renew(
    answerer: RequestAnswerer,
    { payload, requestId }: FrameOf<'authenticate'>,
  ): Promise<void> {
    const principal = await this.#renewals.judge(this.#principal!, payload.token);
    if (this.#isClosing) return;
    this.#outbound.send(frameText('authenticated', identity(principal), requestId));
    answerer.renew(principal);
    this.#hold(principal);
  }

  /** Keeps the connection open until this principal's token expires or is revoked. */
  #hold(principal: Principal): void {
    this.#principal = principal;
    this.#stopWatchingExpiry();
    this.#stopWatchingExpiry = watchExpiry(principal.expiresAt, () => {
      this.#expel(new BusError('UNAUTHENTICATED', 'the token has expired'));
    });
    // The revocation may have been announced before this connection was registered with the principal.
    if (principal.isRevoked) this.revoke();
  }

  onMessage(bytes: Buffer, isBinary: boolean): void {
    this.#missedHeartbeats = 0;
    if (this.#isClosing) return;
    if (isBinary) {
      this.#refuse(new BusError('MESSAGE_INVALID', 'the frame is binary; frames are JSON text'));
      this.#leave(CLOSE_UNSUPPORTED_DATA, 'frames are JSON text');
      return;
    }
    if (this.#principal === undefined && bytes.length > AUTHENTICATE_FRAME_BYTES_MAX) {
      this.onOverlongStart(bytes.length);
      return;
    }
    const text = bytes.toString();
    const parsed = parseClientFrame(text);
    if (this.#context.logsFrames) this.#logReceived(parsed, bytes.length);
    if ('error' in parsed) this.#onBadFrame(parsed.error, parsed.requestId);
    else {
      notePublishedTexts(parsed.frame, text);
      this.#take(parsed.frame, bytes.length);
    }
  }

  /** Logs a frame's type and requestId, and nothing else of it: it may hold a payload or a token. */
  #logReceived(parsed: ReturnType<typeof parseClientFrame>, bytes: number): void {
    const { type, requestId } =
      'error' in parsed ? { type: parsed.error.code, requestId: parsed.requestId } : parsed.frame;
    this.#log('debug', 'frame received', { type, requestId, bytes });
  }

  #onBadFrame(error: BusError, requestId: RequestId | undefined): void {
    this.#hasAsked = true;
    if (this.#principal === undefined) this.#expel(error, requestId);
    else this.#refuse(error, requestId);
  }

  #take(frame: ClientFrame, bytes: number): void {
    const isFirst = !this.#hasAsked;
    this.#hasAsked = true;
    const isSomebody = this.#principal?.isAnonymous === false;
    if (isFirst && !isSomebody && frame.type === 'authenticate') this.#authenticate(frame);
    else if (this.#pending !== undefined) this.#pending.hold({ frame, bytes });
    else this.#answer(frame, bytes);
  }

  /** Authenticates by the first frame; also an anonymous client, which may get more grants by its token. */
  #authenticate({ payload, requestId }: FrameOf<'authenticate'>): void {
    this.#pending?.dispose();
    this.#pending = this.#awaitToken(requestId);
    this.#pending.judge(payload.token);
    this.#updateReading();
  }

  #answer(frame: ClientFrame, bytes: number): void {
    const answerer = this.#answerer;
    if (answerer === undefined || this.#isClosing) return;
    const answer =
      frame.type === 'authenticate' ? this.#renew(answerer, frame) : answerer.answer(frame);
    const work = isWrite(frame) ? this.#budget?.work : undefined;
    this.#requests++;
    this.#requestBytes += bytes;
    work?.begin(bytes);
    const cost = costOf(frame);
    if (cost > 0) this.#budget?.work.charge(cost);
    this.#updateReading();
    answer
      .catch((error: unknown) => this.#refuse(error, frame.requestId))
      .finally(() => {
        this.#requests--;
        this.#requestBytes -= bytes;
        work?.end(bytes);
        this.#updateReading();
        if (this.#requests === 0) this.#onIdle();
      });
  }

  #refuse(error: unknown, requestId?: RequestId): void {
    const data = errorData(error);
    if (!(error instanceof BusError))
      this.#log('error', 'request failed', { error: messageOf(error) });
    this.#outbound.send(frameText('error', data, requestId));
  }

  /** Ends a connection that has failed to authenticate, or whose token is no longer valid. */
  #expel(error: BusError, requestId?: RequestId): void {
    if (this.#isClosing) return;
    this.#log('info', 'connection ended', { code: error.code, reason: error.message });
    this.#refuse(error, requestId);
    const isForNow = error.code === 'AUTH_UNAVAILABLE' || error.code === 'RATE_LIMITED';
    this.#leave(isForNow ? CLOSE_TRY_AGAIN : CLOSE_POLICY, error.message);
  }

  /** Stops all work for the client; events that its subscriptions have batched are sent before the goodbye. */
  #leave(code: number, reason: string): void {
    this.#isClosing = true;
    this.#pending?.dispose();
    void this.#answerer?.close();
    this.#sayGoodbye(code, reason);
  }

  #sayGoodbye(code: number, reason: string): void {
    this.#hasSaidGoodbye = true;
    // The socket is read again, because the client's close frame has to arrive.
    this.#socket.resume();
    this.#socket.close(code, closeReason(reason));
    this.#closeTimer ??= setTimeout(() => {
      this.#log('info', 'connection cut: no goodbye came');
      this.#socket.terminate();
    }, CLOSE_HANDSHAKE_MS).unref();
  }

  #updateReading(): void {
    if (this.#hasSaidGoodbye) return;
    const isReading =
      !this.#isClosing &&
      !this.#outbound.isCongested &&
      this.#pending?.isJudging !== true &&
      this.#requests < REQUESTS_PER_CONNECTION_MAX &&
      this.#requestBytes < REQUESTS_BYTES_PER_CONNECTION_MAX &&
      !this.#incoming.isHeldUp;
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    if (isReading) this.#socket.resume();
    else this.#socket.pause();
  }

  async #onClose(code: number): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#closeTimer);
    this.#stopWatchingExpiry();
    this.#incoming.dispose();
    this.#pending?.dispose();
    this.#outbound.dispose();
    this.#log('info', 'connection closed', { closeCode: code });
    await this.#answerer?.close('died');
  }

  #log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: object = {}): void {
    const { name } = this.#principal ?? {};
    const who = { connection: this.id, address: this.address, principal: name };
    this.#context.log(level, message, { ...who, ...fields });
  }
}

/** Whether others wait behind it in a commit. Queries have turns of their own, and pulls may wait for long. */
function isWrite({ type }: ClientFrame): boolean {
  return type === 'publish' || type === 'ackAndPublish' || type === 'settle';
}

function identity({ name, expiresAt }: Principal): { principal: string; expiresAt?: string } {
  if (expiresAt === undefined) return { principal: name };
  return { principal: name, expiresAt: new Date(expiresAt).toISOString() };
}
