import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import {
  type AddressInfo,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientNetwork } from '../auth/client-network.js';
import { BusError } from '../protocol/errors.js';
import {
  CLOSING_CONNECTIONS_MAX,
  PLAIN_CONNECTIONS_MAX,
  PLAIN_CONNECTIONS_PER_ADDRESS_MAX,
} from '../protocol/limits/gateway.js';
import type { GatewayLogger } from './gateway-log.js';
import { IdleSockets } from './idle-sockets.js';
import { normaliseAddress } from './loopback.js';
import type { GatewaySettings } from './settings.js';
import { TlsFiles } from './tls-files.js';

/** The time between two attempts to bind a port that is in use. */
const BIND_RETRY_MS = 50;

/** Node 20 does not know `reusePort`, and neither do its types. */
interface BindOptions {
  readonly host: string;
  readonly port: number;
  reusePort?: boolean;
}

/**
 * The gateway's own HTTP or HTTPS server: it binds the port, alone or shared with other threads, and hands on requests
 * and upgrades.
 */
export class GatewayListener {
  readonly #settings: GatewaySettings;
  readonly #log: GatewayLogger;
  readonly #server: Server | HttpsServer;
  readonly #tls: TlsFiles | undefined;
  readonly #idle: IdleSockets;
  /** The number of open sockets by `clientNetwork`; an entry goes with the last of them. */
  readonly #sockets = new Map<string, number>();

  /** @throws BusError `OPTION_INVALID` for TLS files that cannot be used */
  constructor(settings: GatewaySettings, log: GatewayLogger) {
    this.#settings = settings;
    this.#log = log;
    const { tls } = settings;
    if (tls === undefined) this.#server = createHttpServer();
    else {
      this.#tls = new TlsFiles(tls, log);
      this.#server = createHttpsServer(this.#tls.pair);
    }
    const socketsMax = settings.maxConnections + PLAIN_CONNECTIONS_MAX;
    this.#server.maxConnections = socketsMax + CLOSING_CONNECTIONS_MAX;
    this.#idle = new IdleSockets(socketsMax);
    this.#server.on('request', ({ socket }, response) => this.#idle.ask(socket, response));
    this.#server.on('upgrade', ({ socket }) => this.#idle.forget(socket));
    // The reader of a body has time limits of its own: a body of lines may take any time in all.
    this.#server.requestTimeout = 0;
    this.#server.keepAliveTimeout = settings.keepAliveMs;
    this.#server.on('connection', (socket: Socket) => this.#admit(socket));
  }

  /** The port that was bound, known after `listen()`. */
  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    return address?.port ?? 0;
  }

  /**
   * Makes sure that no other server has the port: threads that share a port would otherwise share it with that server.
   *
   * @throws BusError `OPTION_INVALID` if the port cannot be bound
   */
  async claim(): Promise<void> {
    const { host, port } = this.#settings;
    const probe = createNetServer();
    await bind(probe, { host, port });
    await new Promise((resolve) => probe.close(resolve));
  }

  /**
   * Binds the port, and retries for `waitMs` while it is in use.
   *
   * @throws BusError `OPTION_INVALID` if the port cannot be bound
   */
  async listen(
    onRequest: RequestListener,
    onUpgrade: (request: IncomingMessage, stream: Duplex, head: Buffer) => void,
    waitMs = 0,
  ): Promise<void> {
    const server = this.#server;
    const { host, port, gateways } = this.#settings;
    server.on('request', onRequest);
    server.on('upgrade', onUpgrade);
    // Each thread has a listening socket of its own on the port; the system spreads connections over them.
    const options: BindOptions = { host, port };
    if (gateways > 1) options.reusePort = true;
    await bind(server, options, waitMs, () => {
      this.#log('info', 'the port is in use still', { host, port, waitMs });
    });
    server.on('error', (error) => this.#log('error', 'server error', { error: error.message }));
    this.#watchCertificate();
  }

  /** Accepts no more; resolves when all connections are gone. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    return closed;
  }

  closeAllConnections(): void {
    this.#server.closeAllConnections();
  }

  /** Stops watching the certificate's files. */
  release(): void {
    this.#tls?.close();
  }

  #admit(socket: Socket): void {
    if (this.#isTooMany(socket)) return;
    this.#idle.enter(socket);
  }

  /** Refuses a socket of a network that has too many; one on which no request arrives is counted nowhere else. */
  #isTooMany(socket: Socket): boolean {
    const address = normaliseAddress(socket.remoteAddress);
    // A trusted proxy carries many clients, which are counted by their own addresses.
    if (this.#settings.trustedProxies.has(address)) return false;
    const network = clientNetwork(address);
    const most = this.#settings.maxConnectionsPerAddress + PLAIN_CONNECTIONS_PER_ADDRESS_MAX;
    const count = this.#sockets.get(network) ?? 0;
    if (count >= most) {
      this.#log('debug', 'socket refused', { address, sockets: count });
      socket.destroy();
      return true;
    }
    this.#sockets.set(network, count + 1);
    socket.once('close', () => {
      const left = this.#sockets.get(network)! - 1;
      if (left > 0) this.#sockets.set(network, left);
      else this.#sockets.delete(network);
    });
    return false;
  }

  #watchCertificate(): void {
    const server = this.#server;
    if (!('setSecureContext' in server)) return;
    this.#tls?.watch((pair) => server.setSecureContext(pair));
    // A client that speaks no TLS, or does not trust the certificate, is no error of the server.
    server.on('tlsClientError', (error) =>
      this.#log('debug', 'TLS handshake failed', { error: error.message }),
    );
  }
}

/**
 * Binds the port, and retries for `waitMs` while it is in use. `onWait` is called once, before the first retry.
 *
 * @throws BusError `OPTION_INVALID` if the port cannot be bound
 */
async function bind(
  server: NetServer,
  options: BindOptions,
  waitMs = 0,
  onWait: () => void = () => {},
): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (let tries = 1; ; tries++) {
    const error = await tryToBind(server, options);
    if (error === undefined) return;
    const isInUse = error.code === 'EADDRINUSE';
    if (!isInUse || performance.now() >= deadline) {
      throw bindFailure(options.host, options.port, error);
    }
    if (tries === 1) onWait();
    await sleep(BIND_RETRY_MS);
  }
}

async function tryToBind(
  server: NetServer,
  options: BindOptions,
): Promise<NodeJS.ErrnoException | undefined> {
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(options, () => resolve(undefined));
  });
  server.removeAllListeners('error');
  server.removeAllListeners('listening');
  return error;
}

function bindFailure(host: string, port: number, error: NodeJS.ErrnoException): BusError {
  const reason =
    error.code === 'EADDRINUSE'
      ? 'it is in use; choose another, or 0 for a free one'
      : error.message;
  const message = `port ${port} on ${host} cannot be bound: ${reason}`;
  return new BusError('OPTION_INVALID', message, {
    cause: error,
    details: { host, port, errno: error.code },
  });
}
