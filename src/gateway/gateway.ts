import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ulid } from 'ulid';
import { WebSocketServer } from 'ws';
import type { BusEndpoint, GatewayOptions } from '../main/bus.js';
import { internalsOf } from '../main/internals.js';
import { SYSTEM_TOPICS } from '../main/system-events.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { EventType } from '../protocol/event.js';
import {
  EVENT_TEXTS_MAX,
  GATEWAY_DRAIN_MS,
  GATEWAY_GOODBYE_MS,
  PLAIN_CONNECTIONS_MAX,
} from '../protocol/limits.js';
import { quote } from '../protocol/quote.js';
import { WIRE_PATH, WIRE_PROTOCOL } from '../protocol/wire.js';
import { Connection, type ConnectionContext } from './connection.js';
import { EventTexts } from './event-texts.js';
import type { GatewayLogger } from './gateway-log.js';
import { answerHttp, pathOf, refuseUpgrade } from './http.js';
import { normaliseAddress } from './loopback.js';
import { type GatewaySettings, isOriginAllowed, parseGatewaySettings } from './settings.js';
import { SharedFrames } from './shared-frames.js';
import { TurnQueue } from './turn-queue.js';
import { SERVER_NAME } from './version.js';

/**
 * The HTTP server with its WebSocket endpoint, over one endpoint of the bus. It lives on the event
 * loop of the thread that opens it and owns neither the thread nor the endpoint.
 */
export class Gateway {
  readonly #settings: GatewaySettings;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #context: ConnectionContext;
  readonly #log: GatewayLogger;
  readonly #connections = new Set<Connection>();
  readonly #connectionsByAddress = new Map<string, number>();
  #heartbeat: NodeJS.Timeout | undefined;
  #isClosing = false;

  /** @throws BusError `OPTION_INVALID`, `INSECURE_BIND` */
  constructor(endpoint: BusEndpoint, options: GatewayOptions, log: GatewayLogger) {
    const settings = parseGatewaySettings(options);
    this.#settings = settings;
    this.#log = log;
    const frames = new SharedFrames();
    this.#context = {
      endpoint,
      settings,
      log,
      texts: new EventTexts(EVENT_TEXTS_MAX),
      frames,
      turns: new TurnQueue(() => frames.forget()),
      server: SERVER_NAME,
    };
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Pings are answered by the connection, which looks at what waits already.
      autoPong: false,
      maxPayload: settings.maxFrameBytes,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(WIRE_PROTOCOL) ? WIRE_PROTOCOL : false),
    });
    this.#server = createServer((request, response) => this.#onRequest(request, response));
    this.#server.maxConnections = settings.maxConnections + PLAIN_CONNECTIONS_MAX;
    this.#server.on('upgrade', (request, stream, head) => this.#onUpgrade(request, stream, head));
  }

  get host(): string {
    return this.#settings.host;
  }

  /** The port that was bound, known after `listen()`. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** @throws BusError `OPTION_INVALID` if the port cannot be bound */
  async listen(): Promise<void> {
    const { host, port } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        reject(bindFailure(host, port, error));
      });
      this.#server.listen(port, host, resolve);
    });
    this.#server.removeAllListeners('error');
    this.#server.on('error', (error) =>
      this.#log('error', 'server error', { error: error.message }),
    );
    this.#heartbeat = setInterval(() => this.#beat(), this.#settings.heartbeatMs);
  }

  /** Accepts no more, answers what was accepted, says goodbye; what takes too long is cut. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#heartbeat);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const connections = [...this.#connections];
    await within(GATEWAY_DRAIN_MS, Promise.allSettled(connections.map((one) => one.close())));
    await within(GATEWAY_GOODBYE_MS, Promise.allSettled(connections.map((one) => one.ended)));
    for (const connection of this.#connections) connection.terminate();
    await Promise.allSettled(connections.map((one) => one.ended));
    this.#server.closeAllConnections();
    await closed;
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', (error) => this.#log('debug', 'response error', { error: error.message }));
    answerHttp(request, response);
  }

  #onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on('error', (error) => this.#log('debug', 'socket error', { error: error.message }));
    const address = normaliseAddress(request.socket.remoteAddress);
    const refusal = this.#refusal(request, address);
    if (refusal !== undefined) {
      const [status, error] = refusal;
      this.#log('info', 'connection refused', { address, status, reason: error.message });
      refuseUpgrade(stream, status, error);
      return;
    }
    this.#sockets.handleUpgrade(request, stream, head, (socket) => {
      this.#add(new Connection(ulid(), address, socket, request, this.#context));
    });
  }

  /** Why this upgrade is refused, with its HTTP status, or `undefined`. */
  #refusal(request: IncomingMessage, address: string): [number, ErrorData] | undefined {
    const path = pathOf(request);
    if (path !== WIRE_PATH) {
      return [404, { code: 'MESSAGE_INVALID', message: `there is no WebSocket at ${quote(path)}` }];
    }
    if (this.#isClosing) return [503, { code: 'BUS_CLOSED', message: 'the server is stopping' }];
    const { origin } = request.headers;
    if (!isOriginAllowed(origin, this.#settings)) {
      const message = `pages of ${quote(origin)} may not connect; see the option allowedOrigins`;
      return [403, { code: 'FORBIDDEN', message }];
    }
    const offered = request.headers['sec-websocket-protocol'];
    if (offered !== undefined && !offersProtocol(offered)) {
      const message = `subprotocol ${quote(offered)} is not spoken here; ${WIRE_PROTOCOL} is`;
      return [400, { code: 'MESSAGE_INVALID', message }];
    }
    return this.#overLimit(address);
  }

  #overLimit(address: string): [number, ErrorData] | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#settings;
    if (this.#connections.size >= maxConnections) {
      const message = `the server has ${maxConnections} connections, which is the limit`;
      return [503, { code: 'LIMIT_EXCEEDED', message, details: { maxConnections } }];
    }
    if ((this.#connectionsByAddress.get(address) ?? 0) < maxConnectionsPerAddress) return undefined;
    const message = `${address} has ${maxConnectionsPerAddress} connections, which is the limit`;
    return [429, { code: 'LIMIT_EXCEEDED', message, details: { maxConnectionsPerAddress } }];
  }

  #add(connection: Connection): void {
    const { address, id } = connection;
    const counts = this.#connectionsByAddress;
    this.#connections.add(connection);
    counts.set(address, (counts.get(address) ?? 0) + 1);
    this.#log('info', 'connection opened', { connection: id, address });
    const internals = internalsOf(this.#context.endpoint);
    const told = { connection: id, address };
    internals?.countConnections(1);
    internals?.publishSystem(SYSTEM_TOPICS.opened, EventType.CONNECTION_ESTABLISHED, told);
    void connection.ended.finally(() => {
      internals?.countConnections(-1);
      internals?.publishSystem(SYSTEM_TOPICS.closed, EventType.CONNECTION_CLOSED, told);
      this.#connections.delete(connection);
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
  }

  #beat(): void {
    for (const connection of this.#connections) connection.beat();
  }
}

function offersProtocol(header: string): boolean {
  return header.split(',').some((name) => name.trim() === WIRE_PROTOCOL);
}

function bindFailure(host: string, port: number, error: NodeJS.ErrnoException): BusError {
  const reason = error.code === 'EADDRINUSE' ? 'it is in use' : error.message;
  const message = `port ${port} on ${host} cannot be bound: ${reason}`;
  return new BusError('OPTION_INVALID', message, {
    cause: error,
    details: { host, port, errno: error.code },
  });
}

/** Waits for `work`, but no longer than this. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
