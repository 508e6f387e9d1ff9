import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { openAuthenticator } from '../auth/open-authenticator.js';
import { RateLimiter } from '../auth/rate-limiter.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type { GatewayOptions } from '../main/gateway-options.js';
import { GATEWAY_DRAIN_MS, GATEWAY_REBIND_MS } from '../protocol/limits/gateway.js';
import { HTTP_LINGER_MS } from '../protocol/limits/http.js';
import { within } from '../threads/within.js';
import { Admission } from './admission.js';
import { Audit } from './audit.js';
import { Budgets } from './budget/budgets.js';
import { Clients } from './clients.js';
import { GatewayConsumers } from './consumers/gateway-consumers.js';
import { DeclinedUpgrades, isWebSocketUpgrade } from './declined-upgrades.js';
import type { Door, DoorContext } from './door.js';
import { openDoors } from './doors.js';
import { errorData } from './error-data.js';
import { TextsByPrincipal } from './event-texts.js';
import { FiguresHistory, type KeptFigures } from './figures/figures-history.js';
import { type GatewayLogger, withoutTokens } from './gateway-log.js';
import { BodyBudget } from './http/body.js';
import { httpStatusOf } from './http/http-status.js';
import { Router } from './http/router.js';
import { GatewayLater } from './later/gateway-later.js';
import { GatewayListener } from './listener.js';
import { GatewayMetrics } from './metrics/gateway-metrics.js';
import { Operations } from './operations.js';
import { Peers } from './peers.js';
import { busReadiness } from './readiness.js';
import { answerRefusal } from './refusal.js';
import { type GatewaySettings, parseGatewaySettings } from './settings.js';
import { SignIns } from './sign-ins.js';
import { TurnQueue } from './turn-queue.js';
import { Upgrades } from './upgrades.js';
import { SERVER_NAME } from './version.js';

interface GatewayMeans {
  readonly isMounted?: boolean;
  readonly logsFrames?: boolean;
  readonly open?: typeof openDoors;
  readonly figures?: KeptFigures;
}

/**
 * All doors over one endpoint of the bus. A gateway answers the requests and upgrades of an HTTP server, its own
 * (`listen()`) or a mounted one's. It admits clients, hands each request to the door of its path, and closes all doors
 * together. It runs on the event loop of the thread that opens it and owns neither the thread nor the endpoint.
 */
export class Gateway {
  readonly #settings: GatewaySettings;
  readonly #signIns: SignIns;
  readonly #admission: Admission;
  readonly #log: GatewayLogger;
  readonly #doors: readonly Door[];
  readonly #router: Router;
  readonly #upgrades: Upgrades;
  readonly #declined: DeclinedUpgrades;
  readonly #figures: FiguresHistory;
  readonly #clients = new Clients();
  readonly #peers: Peers;
  readonly #closing = new AbortController();
  #listener: GatewayListener | undefined;

  /**
   * `isMounted`: the requests come from the user's own HTTP server, so this gateway opens none.
   * `logsFrames`: each frame is logged at `debug`, without its payload. `open`: opens the doors. `figures`: those of the
   * thread that this gateway replaces.
   *
   * @throws BusError `OPTION_INVALID`, `INSECURE_BIND`
   */
  constructor(
    endpoint: BusEndpoint,
    options: GatewayOptions,
    onLog: GatewayLogger,
    { isMounted = false, logsFrames = false, open = openDoors, figures }: GatewayMeans = {},
  ) {
    const settings = parseGatewaySettings(options);
    const { auth, basePath } = settings;
    this.#settings = settings;
    const log = withoutTokens(onLog);
    this.#log = log;
    this.#admission = new Admission(settings, auth === undefined);
    if (!isMounted) this.#listener = new GatewayListener(settings, log);
    const audit = new Audit(
      (count) => internalsOf(endpoint)?.busCounters.noteAtDoor(count),
      settings.audit ? log : undefined,
    );
    const authenticator = openAuthenticator(auth, { log });
    this.#signIns = new SignIns(authenticator, audit, settings.maxFailedSignInsPerSecond);
    const budgets = new Budgets(settings);
    const source = { stats: () => endpoint.stats(), heldBytes: () => budgets.heldBytes };
    this.#figures = new FiguresHistory(source, figures);
    this.#peers = new Peers(endpoint, this.#clients);
    const context = this.#contextOf(endpoint, audit, budgets, logsFrames);
    this.#doors = open(context);
    const routes = this.#doors.flatMap((door) => door.routes ?? []);
    this.#router = new Router(routes, context);
    const upgrades = this.#doors.flatMap((door) => door.upgrades ?? []);
    this.#upgrades = new Upgrades(upgrades, {
      basePath,
      admission: this.#admission,
      signIns: this.#signIns,
      closing: this.#closing.signal,
      onRefused: (address, error) => this.#logRefusal(address, error),
    });
    this.#declined = new DeclinedUpgrades(
      (request, response) => this.request(request, response),
      settings.keepAliveMs,
    );
    this.#figures.start();
  }

  get host(): string {
    return this.#settings.host;
  }

  /** The port that was bound, known after `listen()`. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /**
   * `joins`: another thread has bound the port already, and shares it. `isSuccessor`: this gateway replaces a thread
   * that died, whose port may stay bound for a moment; binding is retried for `GATEWAY_REBIND_MS`.
   *
   * @throws BusError `OPTION_INVALID` if the port cannot be bound
   */
  async listen({ joins = false, isSuccessor = false } = {}): Promise<void> {
    try {
      const { gateways, port } = this.#settings;
      if (!joins && gateways > 1 && port !== 0) await this.#listener?.claim();
      await this.#listener?.listen(
        (request, response) => this.request(request, response),
        (request, stream, head) => this.upgrade(request, stream, head),
        isSuccessor ? GATEWAY_REBIND_MS : 0,
      );
    } catch (error) {
      this.#closing.abort();
      await this.#closeDoors();
      this.#release();
      throw error;
    }
  }

  /** Answers one request of the server. Never throws. */
  request(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', (error) => this.#log('debug', 'response error', { error: error.message }));
    destroyIfStillUploading(request, response);
    const peer = this.#settings.trustedProxies.peerOf(request);
    try {
      this.#admission.checkRequest(request, peer);
    } catch (error) {
      this.#logRefusal(peer.address, error);
      answerRefusal(request, response, httpStatusOf(error), errorData(error));
      return;
    }
    this.#router.listener(request, response);
  }

  /** Takes over a request to upgrade, and with it the socket. Never throws. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!isWebSocketUpgrade(request)) {
      this.#declined.take(request, stream, head);
      return;
    }
    stream.on('error', (error) => this.#log('debug', 'socket error', { error: error.message }));
    this.#upgrades.take(request, stream, head, this.#settings.trustedProxies.peerOf(request));
  }

  /**
   * Accepts no more, answers what was accepted, says goodbye; cuts connections that are open after `GATEWAY_DRAIN_MS`.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    const closed = this.#listener?.close();
    this.#declined.close();
    await within(GATEWAY_DRAIN_MS, Promise.all([this.#closeDoors(), this.#router.idle()]));
    await Promise.allSettled(this.#doors.map((door) => door.cut?.()));
    this.#listener?.closeAllConnections();
    this.#declined.cut();
    this.#release();
    await closed;
  }

  async #closeDoors(): Promise<void> {
    await Promise.allSettled(this.#doors.map((door) => door.close?.()));
  }

  #contextOf(
    endpoint: BusEndpoint,
    audit: Audit,
    budgets: Budgets,
    logsFrames: boolean,
  ): DoorContext {
    const settings = this.#settings;
    const closing = this.#closing.signal;
    const metrics = new GatewayMetrics(
      endpoint,
      () => budgets.heldBytes,
      (count) => internalsOf(endpoint)?.busCounters.atDoors(count) ?? 0,
    );
    return {
      endpoint,
      settings,
      signIns: this.#signIns,
      consumers: new GatewayConsumers(endpoint, audit),
      later: new GatewayLater(endpoint, audit),
      operations: new Operations(endpoint, audit, this.#figures, this.#peers),
      rates: ratesOf(settings),
      budgets,
      texts: new TextsByPrincipal(),
      turns: new TurnQueue(),
      clients: this.#clients,
      bodies: new BodyBudget(),
      server: SERVER_NAME,
      log: this.#log,
      logsFrames,
      closing,
      addressOf: (request) => settings.trustedProxies.peerOf(request).address,
      enter: (address) => this.#admission.enter(address, true),
      readiness: () => busReadiness(endpoint, closing.aborted),
      metrics: () => metrics.metrics(),
    };
  }

  #logRefusal(address: string, error: unknown): void {
    const { message } = errorData(error);
    this.#log('info', 'connection refused', {
      address,
      status: httpStatusOf(error),
      reason: message,
    });
  }

  #release(): void {
    this.#figures.stop();
    this.#peers.close();
    this.#listener?.release();
    this.#signIns.close();
  }
}

function ratesOf(settings: GatewaySettings): RateLimiter {
  const { maxPublishPerSecond, maxSubscribePerSecond, maxQueriesPerSecond } = settings;
  const perConnection = {
    ...(maxPublishPerSecond > 0 && { publishPerSecond: maxPublishPerSecond }),
    ...(maxSubscribePerSecond > 0 && { subscribePerSecond: maxSubscribePerSecond }),
    ...(maxQueriesPerSecond > 0 && { queryPerSecond: maxQueriesPerSecond }),
  };
  return new RateLimiter({ perConnection });
}

/**
 * A request may be answered before its body has arrived, because it is refused or its first line is at fault. Its
 * sender gets `HTTP_LINGER_MS` to notice; then its socket is destroyed.
 */
function destroyIfStillUploading(request: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    if (request.complete) return;
    // The rest of the body is read and discarded; unread bytes could make TCP reset the connection and lose the answer.
    request.resume();
    const timer = setTimeout(() => request.socket.destroy(), HTTP_LINGER_MS);
    timer.unref();
    request.once('close', () => clearTimeout(timer));
  });
}
