import { internalsOf } from '../endpoint/internals.js';
import { BusError } from '../protocol/errors.js';
import type { Bus } from './bus.js';
import type { GatewayHandle, GatewayOptions } from './gateway-options.js';
import { withAbsolutePaths } from './gateway-paths.js';
import { type GatewayHooks, GatewaySupervisor } from './gateway-supervisor.js';
import { offerGatewayHooks } from './test-hooks.js';

/** Starts a gateway in threads of its own; the handle lives in the thread that opened the bus. */

/**
 * @throws BusError `INSECURE_BIND` for a host beyond this machine, `OPTION_INVALID` for a faulty option or a port that
 * cannot be bound, `LIMIT_EXCEEDED`
 */
export async function startGateway(
  bus: Bus,
  given: GatewayOptions = {},
  hooks: GatewayHooks = {},
): Promise<GatewayHandle> {
  const options = withAbsolutePaths(given);
  const internals = internalsOf(bus);
  if (internals === undefined) {
    throw new BusError('OPTION_INVALID', 'serve: not a bus that this copy of the package opened');
  }
  const start = (settings: GatewayOptions, joins: boolean): GatewaySupervisor =>
    new GatewaySupervisor(bus, internals, settings, hooks, joins);
  const first = start(options, false);
  await first.listening;
  const { gateways = 1 } = options;
  // The first thread has checked the options and, for port 0, found a free port that the others join.
  const shared = { ...options, port: first.port };
  const all = [first];
  const handle = new SupervisedGateway(all, options);
  try {
    while (all.length < gateways) all.push(start(shared, true));
    await Promise.all(all.map((one) => one.listening));
  } catch (error) {
    await Promise.all(all.map((one) => one.close()));
    throw error;
  }
  handle.watch();
  return handle;
}

/**
 * The supervised threads that share a port. If one is given up, all are closed: otherwise some connections would be
 * refused at random.
 */
class SupervisedGateway implements GatewayHandle {
  readonly closed: Promise<void>;
  readonly #threads: readonly GatewaySupervisor[];
  readonly #scheme: string;
  readonly #basePath: string;
  #settle: (closed: Promise<unknown>) => void = () => {};

  constructor(threads: readonly GatewaySupervisor[], { tls, basePath = '' }: GatewayOptions) {
    this.#threads = threads;
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#basePath = basePath.replace(/\/$/, '');
    this.closed = new Promise<unknown>((resolve) => {
      this.#settle = resolve;
    }).then(() => {});
    offerGatewayHooks(this, threads[0]!);
    // The bus's `onError` reports the failure too, so an unhandled rejection would only repeat it.
    this.closed.catch(() => {
      for (const one of threads) if (!one.hasFailed) void one.close();
    });
  }

  /** Called once all threads listen. */
  watch(): void {
    this.#settle(Promise.all(this.#threads.map((one) => one.closed)));
  }

  get host(): string {
    return this.#threads[0]!.host;
  }

  get port(): number {
    return this.#threads[0]!.port;
  }

  get url(): string {
    const { host, port } = this;
    const name = host.includes(':') ? `[${host}]` : host;
    return `${this.#scheme}://${name}:${port}${this.#basePath}`;
  }

  get restarts(): number {
    return this.#threads.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** Stops accepting, answers accepted requests, closes the connections. Idempotent; never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((one) => one.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
