/**
 * The connection of one thread to the servers. It reconnects by itself, to any of them, and tells when it is down and
 * up. The client is loaded when the first connection is made.
 */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { ConnectionOptions, Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { BusError } from '../../protocol/errors.js';
import {
  NATS_ASK_AGAIN_MS,
  NATS_OPEN_MS,
  NATS_PING_MS,
  NATS_RECONNECT_MS,
  NATS_REQUEST_MS,
  NATS_RETRY_MS,
} from '../../protocol/limits/nats.js';
import { elapsedMs } from '../../threads/elapsed.js';
import {
  apiFaultOf,
  callFault,
  closedError,
  connectFault,
  endedFault,
  nameOf,
  permissionFault,
  placeOf,
  silentFault,
} from './nats-faults.js';
import type { NatsSettings } from './nats-options.js';

/** The oldest server that is supported: it has direct gets, and flow control that works. */
const NATS_VERSION_MIN = '2.9.0';

type Client = typeof import('@nats-io/transport-node');

export class NatsLink {
  readonly connection: NatsConnection;
  /** Calls about streams and consumers; each fails after a time. */
  readonly manager: JetStreamManager;
  readonly #client: Client;
  readonly #watchers = new Set<LinkWatcher>();
  readonly #waiting = new Set<() => void>();
  /** Names the servers, and the setting that has them. */
  readonly place: string;
  /** A call without an answer fails after so long. A bus that opens sets it; later all calls wait. */
  patienceMs = Number.POSITIVE_INFINITY;
  isUp = true;
  isClosed = false;
  /** Grows with each connection: an answer that has not come by then does not come any more. */
  generation = 1;
  /** What the server last complained of: a permission that is missing makes a call wait in vain. */
  #complaint: Error | undefined;
  #failure: BusError | undefined;
  #maxPayload: number;

  private constructor(
    client: Client,
    connection: NatsConnection,
    manager: JetStreamManager,
    settings: NatsSettings,
  ) {
    this.#client = client;
    this.connection = connection;
    this.manager = manager;
    this.place = placeOf(settings);
    this.#maxPayload = connection.info!.max_payload;
    void this.#follow();
    void connection.closed().then((error) => this.#end(settings, error));
  }

  /**
   * Connects; `isPatient`: waits for as long as no server can be reached.
   * @throws BusError `OPTION_INVALID`, `STORE_FAILED`
   */
  static async open(settings: NatsSettings, name: string, isPatient: boolean): Promise<NatsLink> {
    const { client, jetstream } = await loaded();
    const options = connectionOptions(client, settings, name);
    const connection = await connect(client, options, settings, isPatient);
    try {
      checkVersion(connection);
      const manager = await jetstream.jetstreamManager(connection, {
        timeout: NATS_REQUEST_MS,
        checkAPI: false,
      });
      const link = new NatsLink(client, connection, manager, settings);
      if (!isPatient) link.patienceMs = NATS_OPEN_MS;
      return link;
    } catch (error) {
      await connection.close();
      throw callFault('servers', error);
    }
  }

  /** The most bytes that a message may have, by the server that was connected last. */
  get maxPayload(): number {
    this.#maxPayload = this.connection.info?.max_payload ?? this.#maxPayload;
    return this.#maxPayload;
  }

  /** Of the server that is connected. */
  get version(): string {
    return this.connection.info?.version ?? NATS_VERSION_MIN;
  }

  headers(): MsgHdrs {
    return this.#client.headers();
  }

  newInbox(): string {
    return this.#client.createInbox();
  }

  /** A name that nothing else has. */
  newName(): string {
    return this.#client.nuid.next();
  }

  watch(watcher: LinkWatcher): void {
    this.#watchers.add(watcher);
  }

  /** Resolves when there is a connection. @throws BusError if there will be none any more, or none within `limitMs` */
  async up(limitMs = this.patienceMs): Promise<void> {
    const endsAt = elapsedMs() + limitMs;
    while (!this.isUp) {
      if (this.isClosed) break;
      const leftMs = endsAt - elapsedMs();
      if (leftMs <= 0) throw silentFault(this.place, 'a connection', limitMs);
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        if (leftMs < Number.POSITIVE_INFINITY) setTimeout(resolve, leftMs).unref();
      });
    }
    if (this.isClosed) throw this.#failure ?? closedError();
  }

  /**
   * Asks until an answer comes: while there is no connection, no leader, or no answer in time.
   * @throws what `ask` throws, if `isFinal` says so of it, or the server after `limitMs`; else `STORE_FAILED` then
   */
  async insist<T>(
    what: string,
    ask: () => Promise<T>,
    isFinal: (error: unknown) => boolean,
    limitMs = Number.POSITIVE_INFINITY,
  ): Promise<T> {
    const mostMs = Math.min(limitMs, this.patienceMs);
    const endsAt = elapsedMs() + mostMs;
    for (;;) {
      await this.up(endsAt - elapsedMs());
      try {
        return await ask();
      } catch (error) {
        if (this.isClosed) throw this.#failure ?? closedError();
        if (isFinal(error)) throw error;
        const forbidden = permissionFault(this.#complaint);
        if (forbidden !== undefined) throw forbidden;
        if (elapsedMs() >= endsAt) {
          if (apiFaultOf(error) !== undefined) throw error;
          if (this.#complaint !== undefined) throw callFault(what, this.#complaint);
          throw silentFault(this.place, what, mostMs);
        }
        await afterMs(NATS_RETRY_MS);
      }
    }
  }

  /**
   * Asks, and asks again beside the first question while no answer comes; the first answer counts. A server leaves
   * questions unanswered that reach it while the stream has no leader, or while the leader dies. Only for what may be
   * asked twice, and costs little.
   */
  soon<T>(ask: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const askOnce = (): void => {
        if (this.isUp) {
          ask()
            .then(resolve, reject)
            .finally(() => clearInterval(again));
        } else if (this.isClosed) {
          clearInterval(again);
          reject(this.#failure ?? closedError());
        }
      };
      const again = setInterval(askOnce, NATS_ASK_AGAIN_MS);
      askOnce();
    });
  }

  /** Asks once, and fails after a time. */
  async within<T>(limitMs: number, ask: () => Promise<T>): Promise<T> {
    const timer = new AbortController();
    const late = afterMs(limitMs, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`no answer within ${limitMs} ms`);
    });
    try {
      return await Promise.race([ask(), late]);
    } finally {
      timer.abort();
      late.catch(() => {});
    }
  }

  request(subject: string, body: string, headers?: MsgHdrs): Promise<Msg> {
    return this.connection.request(subject, body, {
      timeout: NATS_REQUEST_MS,
      ...(headers === undefined ? {} : { headers }),
    });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#wake();
    await this.connection.close();
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') {
        this.isUp = false;
        for (const watcher of this.#watchers) watcher.onDown?.();
      } else if (status.type === 'reconnect') {
        this.isUp = true;
        this.generation++;
        for (const watcher of this.#watchers) watcher.onUp?.();
        this.#wake();
      } else if (status.type === 'error') this.#complaint = status.error;
    }
  }

  #end(settings: NatsSettings, error: unknown): void {
    if (!this.isClosed) {
      this.#failure = endedFault(settings, error);
      for (const watcher of this.#watchers) watcher.onFailure?.(this.#failure);
    }
    this.isUp = false;
    this.isClosed = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export interface LinkWatcher {
  onDown?(): void;
  onUp?(): void;
  /** The servers take this client no more. */
  onFailure?(error: BusError): void;
}

async function loaded() {
  try {
    const [client, jetstream] = await Promise.all([
      import('@nats-io/transport-node'),
      import('@nats-io/jetstream'),
    ]);
    return { client, jetstream };
  } catch (error) {
    const message =
      'natsStore needs the packages @nats-io/transport-node and @nats-io/jetstream: ' +
      'npm install @nats-io/transport-node @nats-io/jetstream';
    throw new BusError('OPTION_INVALID', message, { cause: error });
  }
}

async function connect(
  client: Client,
  options: ConnectionOptions,
  settings: NatsSettings,
  isPatient: boolean,
): Promise<NatsConnection> {
  const endsAt = elapsedMs() + NATS_OPEN_MS;
  for (;;) {
    try {
      return await client.connect(options);
    } catch (error) {
      const fault = connectFault(settings, error);
      if (fault.code === 'OPTION_INVALID') throw fault;
      if (!isPatient && (elapsedMs() >= endsAt || isRefused(error))) throw fault;
      await afterMs(NATS_RECONNECT_MS);
    }
  }
}

/** No process listens there: waiting would only make a wrong address slow to find. */
function isRefused(error: unknown): boolean {
  return nameOf(error) === 'ConnectionError' && /refused/i.test((error as Error).message);
}

function connectionOptions(
  client: Client,
  { servers, credentials, tls }: NatsSettings,
  name: string,
): ConnectionOptions {
  return {
    servers: [...servers],
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: NATS_RECONNECT_MS,
    reconnectJitter: NATS_RECONNECT_MS,
    pingInterval: NATS_PING_MS,
    maxPingOut: 2,
    timeout: NATS_REQUEST_MS,
    noAsyncTraces: true,
    ...authentication(client, credentials),
    ...(tls === undefined ? {} : { tls: { ...tls } }),
  };
}

function authentication(
  client: Client,
  credentials: NatsSettings['credentials'],
): Pick<ConnectionOptions, 'token' | 'user' | 'pass' | 'authenticator'> {
  if (credentials === undefined) return {};
  if ('token' in credentials) return { token: credentials.token };
  if ('user' in credentials) return { user: credentials.user, pass: credentials.password };
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const authenticator =
    'creds' in credentials
      ? client.credsAuthenticator(encode(credentials.creds))
      : client.nkeyAuthenticator(encode(credentials.nkeySeed));
  return { authenticator };
}

function checkVersion({ info }: NatsConnection): void {
  if (info === undefined || !isBefore(info.version, NATS_VERSION_MIN)) return;
  const { version, host, port } = info;
  throw new BusError(
    'OPTION_INVALID',
    `natsStore: servers: ${host}:${port} runs nats-server ${version}: it has to be ${NATS_VERSION_MIN} or later`,
  );
}

export function isBefore(version: string, least: string): boolean {
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).slice(0, 3).map(Number);
  const [here, there] = [numbers(version), numbers(least)];
  const at = there.findIndex((part, index) => part !== here[index]);
  return at >= 0 && (here[at] ?? 0) < there[at]!;
}
