import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ulid } from 'ulid';
import { type PerMessageDeflateOptions, WebSocketServer } from 'ws';
import { openAuthenticator } from '../auth/open-authenticator.js';
import type { Principal } from '../auth/principal.js';
import { RateLimiter } from '../auth/rate-limiter.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import { SYSTEM_TOPICS, SYSTEM_TYPES } from '../endpoint/system-events.js';
import type { GatewayOptions } from '../main/gateway-options.js';
import {
  GATEWAY_DRAIN_MS,
  GATEWAY_GOODBYE_MS,
  GATEWAY_REBIND_MS,
  HTTP_LINGER_MS,
} from '../protocol/limits.js';
import { quote } from '../protocol/quote.js';
import { WIRE_PATH, WIRE_PROTOCOL } from '../protocol/wire.js';
import { Admission, Refusal } from './admission.js';
import { Audit } from './audit.js';
import { Budgets } from './budget/budgets.js';
import { DeclinedUpgrades, isWebSocketUpgrade } from './declined-upgrades.js';
import { errorData } from './error-data.js';
import { TextsByPrincipal } from './event-texts.js';
import type { GatewayLogger } from './gateway-log.js';
import { createHttpApp, type HttpApp } from './http/http-app.js';
import { httpStatusOf } from './http/http-status.js';
import { busReadiness } from './http/probes.js';
import { answerRefusal, pathOf, refuseUpgrade } from './http.js';
import { GatewayListener } from './listener.js';
import { GatewayMetrics } from './metrics.js';
import { type GatewaySettings, parseGatewaySettings } from './settings.js';
import { SignIns } from './sign-ins.js';
import { ToldRefusals } from './told-refusals.js';
import type { Peer } from './trusted-proxies.js';
import { TurnQueue } from './turn-queue.js';
import { SERVER_NAME } from './version.js';
import { Connection, type ConnectionContext } from './websocket/connection.js';
import { SharedFrames } from './websocket/shared-frames.js';

/**
 * All doors over one endpoint of the bus: what answers the requests and upgrades of an HTTP server,
 * its own (`listen()`) or somebody else's. It lives on the event loop of the thread that opens it
 * and owns neither the thread nor the endpoint.
 */
export class Gateway {
  readonly #settings: GatewaySettings;
  readonly #signIns: SignIns;
  readonly #admission: Admission;
  readonly #sockets: WebSocketServer;
  readonly #context: ConnectionContext;
  readonly #log: GatewayLogger;
  readonly #connections = new Set<Connection>();
  readonly #told = new ToldRefusals();
  readonly #http: HttpApp;
  readonly #declined: DeclinedUpgrades;
  readonly #metrics: GatewayMetrics;
  readonly #heartbeat: NodeJS.Timeout;
  #listener: GatewayListener | undefined;
  #isClosing = false;

  /**
   * `isMounted`: in a server of somebody else, of which it is not known who can reach it.
   * `logsFrames`: each frame is told at `debug`, without its payload.
   *
   * @throws BusError `OPTION_INVALID`, `INSECURE_BIND`
   */
  constructor(
    endpoint: BusEndpoint,
    options: GatewayOptions,
    log: GatewayLogger,
    { isMounted = false, logsFrames = false } = {},
  ) {
    const settings = parseGatewaySettings(options);
    internalsOf(endpoint)?.keepPayloadTexts();
    const { auth, maxFrameBytes } = settings;
    this.#settings = settings;
    this.#log = log;
    this.#admission = new Admission(settings, auth === undefined);
    if (!isMounted) this.#listener = new GatewayListener(settings, log);
    const audit = new Audit(
      (count) => internalsOf(endpoint)?.census.noteAtDoor(count),
      settings.audit ? log : undefined,
    );
    const authenticator = openAuthenticator(auth, { log });
    this.#signIns = new SignIns(authenticator, audit, settings.maxFailedSignInsPerSecond);
    this.#signIns.onRevoked((principal) => this.#revoke(principal));
    const shared = { endpoint, settings, signIns: this.#signIns, audit, log, logsFrames };
    this.#context = contextOf(shared);
    this.#declined = new DeclinedUpgrades(
      (request, response) => this.request(request, response),
      settings.keepAliveMs,
    );
    const { budgets } = this.#context;
    this.#metrics = new GatewayMetrics(
      endpoint,
      () => budgets.heldBytes,
      (count) => internalsOf(endpoint)?.census.atDoors(count) ?? 0,
    );
    this.#http = createHttpApp({
      ...this.#context,
      addressOf: (request) => this.#peerOf(request).address,
      enter: (address) => this.#admission.enter(address, true),
      readiness: () => busReadiness(endpoint, this.#isClosing),
      metrics: () => this.#metrics.metrics(),
    });
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Pings are answered by the connection, which looks at what waits already.
      autoPong: false,
      maxPayload: maxFrameBytes,
      perMessageDeflate: settings.compression ? COMPRESSION : false,
      handleProtocols: (offered) => (offered.has(WIRE_PROTOCOL) ? WIRE_PROTOCOL : false),
    });
    this.#heartbeat = setInterval(() => this.#beat(), settings.heartbeatMs);
    if (isMounted) this.#heartbeat.unref();
  }

  get host(): string {
    return this.#settings.host;
  }

  /** The port that was bound, known after `listen()`. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /**
   * `joins`: another thread has bound the port already, and shares it. `isSuccessor`: a thread that died had it, and
   * may have it still for a moment.
   *
   * @throws BusError `OPTION_INVALID` if the port cannot be bound
   */
  async listen({ joins = false, isSuccessor = false } = {}): Promise<void> {
    try {
      if (!joins) await this.#listener?.claim();
      await this.#listener?.listen(
        (request, response) => this.request(request, response),
        (request, stream, head) => this.upgrade(request, stream, head),
        isSuccessor ? GATEWAY_REBIND_MS : 0,
      );
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Answers one request of the server. Never throws. */
  request(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', (error) => this.#log('debug', 'response error', { error: error.message }));
    cutWhoGoesOnSending(request, response);
    const peer = this.#peerOf(request);
    try {
      this.#admission.checkRequest(request, peer);
    } catch (error) {
      this.#tellRefused(peer.address, error);
      answerRefusal(request, response, httpStatusOf(error), errorData(error));
      return;
    }
    this.#http.listener(request, response);
  }

  /** Takes over a request to upgrade, and with it the socket. Never throws. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!isWebSocketUpgrade(request)) {
      this.#declined.take(request, stream, head);
      return;
    }
    stream.on('error', (error) => this.#log('debug', 'socket error', { error: error.message }));
    const peer = this.#peerOf(request);
    let isWelcome = false;
    const onWelcome = (): void => {
      isWelcome = true;
    };
    this.#upgrade(request, stream, head, peer, onWelcome).catch((error: unknown) => {
      this.#tellRefused(peer.address, error);
      const refusal = { status: httpStatusOf(error), error: errorData(error) };
      // A page that may not connect at all learns nothing.
      if (isWelcome && this.#told.tell(request, stream, head, refusal)) return;
      refuseUpgrade(stream, refusal.status, refusal.error);
    });
  }

  /** Accepts no more, answers what was accepted, says goodbye; what takes too long is cut. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const closed = this.#listener?.close();
    this.#declined.close();
    const connections = [...this.#connections];
    const closing = [this.#http.close(), ...connections.map((one) => one.close())];
    await within(GATEWAY_DRAIN_MS, Promise.allSettled(closing));
    this.#http.cut();
    await within(GATEWAY_GOODBYE_MS, Promise.allSettled(connections.map((one) => one.ended)));
    for (const connection of this.#connections) connection.terminate();
    await Promise.allSettled(connections.map((one) => one.ended));
    this.#listener?.closeAllConnections();
    this.#declined.cut();
    this.#release();
    await closed;
  }

  /** @throws Refusal, BusError `UNAUTHENTICATED`; after `onWelcome`, of one that may connect by where it comes from */
  async #upgrade(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    peer: Peer,
    onWelcome: () => void,
  ): Promise<void> {
    this.#checkUpgrade(request, peer);
    onWelcome();
    if (this.#isClosing) throw stopping();
    const { address } = peer;
    const token = this.#signIns.tokenOf(request.headers.authorization, address);
    const isOpen = token !== undefined || !this.#signIns.isRequired;
    // Who shows a token at once must not be held up by those who have shown none.
    const place = this.#admission.enter(address, isOpen);
    // However the connection ends, and be it before it is one.
    stream.once('close', () => place.leave());
    if (stream.destroyed) place.leave();
    const principal = isOpen ? await this.#signIns.authenticate(token, address) : undefined;
    if (this.#isClosing) throw stopping();
    this.#sockets.handleUpgrade(request, stream, head, (socket) => {
      const id = ulid();
      this.#add(new Connection({ id, place, socket, stream, principal }, this.#context));
    });
  }

  /** @throws Refusal */
  #checkUpgrade(request: IncomingMessage, peer: Peer): void {
    const path = pathOf(request);
    if (path !== this.#settings.basePath + WIRE_PATH) {
      throw new Refusal(404, 'NOT_FOUND', `there is no WebSocket at ${quote(path)}`);
    }
    this.#admission.checkRequest(request, peer);
    const offered = request.headers['sec-websocket-protocol'];
    if (offered === undefined || offersProtocol(offered)) return;
    const message = `subprotocol ${quote(offered)} is not spoken here; ${WIRE_PROTOCOL} is`;
    throw new Refusal(400, 'MESSAGE_INVALID', message);
  }

  #peerOf(request: IncomingMessage): Peer {
    return this.#settings.trustedProxies.peerOf(request);
  }

  #tellRefused(address: string, error: unknown): void {
    const { message } = errorData(error);
    this.#log('info', 'connection refused', {
      address,
      status: httpStatusOf(error),
      reason: message,
    });
  }

  #add(connection: Connection): void {
    const { address, id, principal } = connection;
    this.#connections.add(connection);
    const who = { connection: id, address, principal: principal?.name };
    this.#log('info', 'connection opened', who);
    const internals = internalsOf(this.#context.endpoint);
    const told = { connection: id, address };
    internals?.countConnections(1);
    internals?.publishSystem(SYSTEM_TOPICS.opened, SYSTEM_TYPES.opened, told);
    void connection.ended.finally(() => {
      internals?.countConnections(-1);
      internals?.publishSystem(SYSTEM_TOPICS.closed, SYSTEM_TYPES.closed, told);
      this.#connections.delete(connection);
    });
  }

  #revoke(principal: Principal): void {
    for (const connection of this.#connections) {
      if (connection.principal === principal) connection.revoke();
    }
  }

  #beat(): void {
    for (const connection of this.#connections) connection.beat();
  }

  #release(): void {
    clearInterval(this.#heartbeat);
    this.#listener?.release();
    this.#signIns.close();
  }
}

/** Every message by itself, so that an idle connection holds no window of 300 KiB. */
const COMPRESSION: PerMessageDeflateOptions = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: 1024,
  zlibDeflateOptions: { level: 3 },
};

type Given = 'endpoint' | 'settings' | 'signIns' | 'audit' | 'log' | 'logsFrames';

function contextOf(given: Pick<ConnectionContext, Given>): ConnectionContext {
  const { settings } = given;
  const { maxPublishPerSecond, maxSubscribePerSecond, maxQueriesPerSecond } = settings;
  const perConnection = {
    ...(maxPublishPerSecond > 0 && { publishPerSecond: maxPublishPerSecond }),
    ...(maxSubscribePerSecond > 0 && { subscribePerSecond: maxSubscribePerSecond }),
    ...(maxQueriesPerSecond > 0 && { queryPerSecond: maxQueriesPerSecond }),
  };
  const frames = new SharedFrames();
  return {
    ...given,
    rates: new RateLimiter({ perConnection }),
    budgets: new Budgets(settings),
    texts: new TextsByPrincipal(),
    frames,
    turns: new TurnQueue(() => frames.forget()),
    server: SERVER_NAME,
  };
}

function stopping(): Refusal {
  return new Refusal(503, 'BUS_CLOSED', 'the server is stopping');
}

function offersProtocol(header: string): boolean {
  return header.split(',').some((name) => name.trim() === WIRE_PROTOCOL);
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

/**
 * A request may be answered before it has arrived: refused, or at fault in its first line. Its sender needs some time
 * to notice, but not for ever.
 */
function cutWhoGoesOnSending(request: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    if (request.complete) return;
    const timer = setTimeout(() => request.socket.destroy(), HTTP_LINGER_MS);
    timer.unref();
    request.once('close', () => clearTimeout(timer));
  });
}
