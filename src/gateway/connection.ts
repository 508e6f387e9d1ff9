import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { BusEndpoint } from '../main/bus.js';
import { BusError } from '../protocol/errors.js';
import {
  EVENTS_PER_FRAME_MAX,
  HEARTBEATS_MISSED_MAX,
  PAYLOAD_BYTES_MAX,
  REQUESTS_BYTES_PER_CONNECTION_MAX,
  REQUESTS_PER_CONNECTION_MAX,
} from '../protocol/limits.js';
import {
  type ClientFrame,
  parseClientFrame,
  type RequestId,
  WIRE_PROTOCOL,
  type WireLimits,
} from '../protocol/wire.js';
import { errorData } from './error-data.js';
import type { EventTexts } from './event-texts.js';
import { frameText } from './frames.js';
import type { GatewayLogger } from './gateway-log.js';
import { Outbound, type OutboundOwner } from './outbound.js';
import { RequestAnswerer } from './requests.js';
import type { GatewaySettings } from './settings.js';
import type { SharedFrames } from './shared-frames.js';
import type { TurnQueue } from './turn-queue.js';

/**
 * One WebSocket session, from the welcome to the end of the socket. Whatever a client sends, it
 * ends at worst its own connection: a bad frame is answered with a typed `error`, a socket that
 * breaks the WebSocket protocol is closed with the code that RFC 6455 has for it, and requests in
 * flight are bounded by not reading on.
 */
export interface ConnectionContext {
  readonly endpoint: BusEndpoint;
  readonly settings: GatewaySettings;
  readonly texts: EventTexts;
  readonly frames: SharedFrames;
  readonly turns: TurnQueue;
  readonly server: string;
  readonly log: GatewayLogger;
}

/** RFC 6455, 7.4.1. */
const CLOSE_GOING_AWAY = 1001;
const CLOSE_UNSUPPORTED_DATA = 1003;

export class Connection implements OutboundOwner {
  readonly id: string;
  readonly address: string;
  /** Resolves when the socket is gone and its subscriptions are released. */
  readonly ended: Promise<void>;
  readonly #socket: WebSocket;
  readonly #context: ConnectionContext;
  readonly #outbound: Outbound;
  readonly #answerer: RequestAnswerer;
  #requests = 0;
  #requestBytes = 0;
  #isReading = true;
  #isClosing = false;
  #missedHeartbeats = 0;
  #onIdle: () => void = () => {};

  constructor(
    id: string,
    address: string,
    socket: WebSocket,
    request: IncomingMessage,
    context: ConnectionContext,
  ) {
    this.id = id;
    this.address = address;
    this.#socket = socket;
    this.#context = context;
    const stream: Duplex = request.socket;
    this.#outbound = new Outbound(socket, stream, context.turns, context.settings, this);
    this.#answerer = new RequestAnswerer(context, this.#outbound);
    this.ended = new Promise((resolve) => {
      socket.once('close', (code) => resolve(this.#onClose(code)));
    });
    // Without a listener one bad frame would end the process. The socket closes by itself, with the
    // right code.
    socket.on('error', (error) => this.#log('debug', 'connection error', { error: error.message }));
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('ping', (data) => {
      this.#missedHeartbeats = 0;
      this.#outbound.pong(data);
    });
    socket.on('pong', () => {
      this.#missedHeartbeats = 0;
    });
    this.#welcome();
  }

  /**
   * Pings; cuts a connection that has left two pings unanswered. Called once per heartbeat
   * interval.
   */
  beat(): void {
    // While nothing is read no pong can arrive; a client that takes nothing is cut as stalled.
    if (!this.#isReading || !this.#outbound.isOpen) return;
    if (this.#missedHeartbeats >= HEARTBEATS_MISSED_MAX) {
      this.#log('info', 'connection cut: heartbeats missed');
      this.#socket.terminate();
      return;
    }
    this.#missedHeartbeats++;
    this.#socket.ping();
  }

  /** Takes no more requests, answers those in flight, then says goodbye. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#updateReading();
    if (this.#requests > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#answerer.close();
    this.#socket.resume();
    this.#socket.close(CLOSE_GOING_AWAY, 'the server is stopping');
  }

  terminate(): void {
    this.#socket.terminate();
  }

  onCongestionChange(): void {
    this.#updateReading();
  }

  onStalled(): void {
    const bufferedBytes = this.#socket.bufferedAmount;
    this.#log('warn', 'connection cut: slow consumer', { code: 'SLOW_CONSUMER', bufferedBytes });
    this.#socket.terminate();
  }

  #welcome(): void {
    const { settings, endpoint, server } = this.#context;
    const { heartbeatMs } = settings;
    const { epoch, shards } = endpoint;
    const limits = wireLimits(settings);
    const welcome = {
      protocol: WIRE_PROTOCOL,
      server,
      epoch,
      shards,
      connection: this.id,
      heartbeatMs,
      limits,
    };
    this.#outbound.send(frameText('welcome', welcome));
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    this.#missedHeartbeats = 0;
    if (this.#isClosing) return;
    if (isBinary) {
      this.#refuse(new BusError('MESSAGE_INVALID', 'the frame is binary; frames are JSON text'));
      this.#socket.close(CLOSE_UNSUPPORTED_DATA, 'frames are JSON text');
      return;
    }
    // The default `binaryType` makes every message one Buffer.
    const bytes = data as Buffer;
    const parsed = parseClientFrame(bytes.toString());
    if ('error' in parsed) this.#refuse(parsed.error, parsed.requestId);
    else this.#answer(parsed.frame, bytes.length);
  }

  #answer(frame: ClientFrame, bytes: number): void {
    const answer = this.#answerer.answer(frame);
    this.#requests++;
    this.#requestBytes += bytes;
    this.#updateReading();
    answer
      .catch((error: unknown) => this.#refuse(error, frame.requestId))
      .finally(() => {
        this.#requests--;
        this.#requestBytes -= bytes;
        this.#updateReading();
        if (this.#requests === 0) this.#onIdle();
      });
  }

  #refuse(error: unknown, requestId?: RequestId): void {
    const data = errorData(error);
    if (!(error instanceof BusError))
      this.#log('error', 'request failed', { error: String(error) });
    this.#outbound.send(frameText('error', data, requestId));
  }

  #updateReading(): void {
    const isReading =
      !this.#isClosing &&
      !this.#outbound.isCongested &&
      this.#requests < REQUESTS_PER_CONNECTION_MAX &&
      this.#requestBytes < REQUESTS_BYTES_PER_CONNECTION_MAX;
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    if (isReading) this.#socket.resume();
    else this.#socket.pause();
  }

  async #onClose(code: number): Promise<void> {
    this.#outbound.dispose();
    this.#log('info', 'connection closed', { closeCode: code });
    await this.#answerer.close();
  }

  #log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: object = {}): void {
    this.#context.log(level, message, { connection: this.id, address: this.address, ...fields });
  }
}

function wireLimits(settings: GatewaySettings): WireLimits {
  const limits = {
    frameBytes: settings.maxFrameBytes,
    payloadBytes: PAYLOAD_BYTES_MAX,
    subscriptions: settings.maxSubscriptions,
    eventsPerFrame: EVENTS_PER_FRAME_MAX,
    outboundBytes: settings.maxOutboundBytes,
  };
  const { maxPublishPerSecond } = settings;
  return maxPublishPerSecond === 0 ? limits : { ...limits, publishPerSecond: maxPublishPerSecond };
}
