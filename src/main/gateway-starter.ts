import { Worker } from 'node:worker_threads';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { threadFlags } from '../threads/exec-argv.js';
import type { BusAttachment, GatewayHandle, GatewayOptions } from './bus.js';

/**
 * Starts the gateway in a thread of its own and stands for it in the thread that opened the bus.
 * The thread is found by URL: nothing of the gateway is imported here, so a program that never
 * serves never loads it.
 */

export interface GatewayLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface GatewayHooks {
  /** The least that `onLog` is told; frames, without their payloads, are `debug`. Default `info`. */
  logLevel?: GatewayLog['level'];
  onLog?: (log: GatewayLog) => void;
  /** The gateway's thread died. Default: a process warning. */
  onError?: (error: BusError) => void;
}

/** What the thread is started with. */
export interface GatewayThreadData {
  readonly attachment: unknown;
  readonly options: GatewayOptions;
  readonly logLevel: GatewayLog['level'];
  /** Another thread has bound the port already, and shares it. */
  readonly joins: boolean;
}

export type GatewayThreadMessage =
  | { readonly type: 'listening'; readonly host: string; readonly port: number }
  | { readonly type: 'failed'; readonly error: ErrorData }
  | { readonly type: 'log'; readonly log: GatewayLog }
  | { readonly type: 'closed' };

/** The one message towards the thread. */
export const GATEWAY_CLOSE = 'close';

/** After its last word the thread ends by itself; this long after, it is ended. */
const EXIT_WAIT_MS = 1000;
/** The longest time that a thread may take to say that it has closed. */
const CLOSE_WAIT_MS = 4000;

const THREAD_URL = new URL('../gateway/gateway-thread.js', import.meta.url);

/**
 * @throws BusError `INSECURE_BIND` for a host beyond this machine, `OPTION_INVALID` for a faulty
 * option or a port that cannot be bound
 */
export async function startGateway(
  bus: { attachment(): BusAttachment },
  options: GatewayOptions = {},
  hooks: GatewayHooks = {},
): Promise<GatewayHandle> {
  const first = startThread(bus, options, hooks, false);
  await first.listening;
  const { gateways = 1 } = options;
  if (gateways === 1) return first;
  // The first has found a free port, if one was to be found, and has judged the options.
  const shared = { ...options, port: first.port };
  const others = Array.from({ length: gateways - 1 }, () => startThread(bus, shared, hooks, true));
  const group = new GatewayGroup([first, ...others]);
  try {
    await Promise.all(others.map((one) => one.listening));
  } catch (error) {
    await group.close();
    throw error;
  }
  return group;
}

function startThread(
  bus: { attachment(): BusAttachment },
  options: GatewayOptions,
  hooks: GatewayHooks,
  joins: boolean,
): GatewayThreadProxy {
  const { data, transferList } = bus.attachment();
  const workerData: GatewayThreadData = {
    attachment: data,
    options,
    logLevel: hooks.logLevel ?? 'info',
    joins,
  };
  const worker = new Worker(THREAD_URL, {
    workerData,
    transferList,
    name: 'millrace-gateway',
    ...threadFlags(),
  });
  return new GatewayThreadProxy(worker, hooks, options.tls !== undefined);
}

/** Threads that share a port: one that dies takes the others with it, or clients would be turned away at random. */
class GatewayGroup implements GatewayHandle {
  readonly closed: Promise<void>;
  readonly #threads: readonly GatewayThreadProxy[];

  constructor(threads: readonly GatewayThreadProxy[]) {
    this.#threads = threads;
    this.closed = Promise.all(threads.map((one) => one.closed)).then(() => {});
    this.closed.catch(() => void this.close());
  }

  get host(): string {
    return this.#threads[0]!.host;
  }

  get port(): number {
    return this.#threads[0]!.port;
  }

  get url(): string {
    return this.#threads[0]!.url;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((one) => one.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class GatewayThreadProxy implements GatewayHandle {
  host = '';
  port = 0;
  readonly listening: Promise<void>;
  readonly closed: Promise<void>;
  readonly #worker: Worker;
  readonly #hooks: GatewayHooks;
  readonly #scheme: string;
  #closing = false;
  #closeTimer: NodeJS.Timeout | undefined;
  #started: (error?: BusError) => void = () => {};
  #ended: (error?: BusError) => void = () => {};

  constructor(worker: Worker, hooks: GatewayHooks, isSecure: boolean) {
    this.#worker = worker;
    this.#hooks = hooks;
    this.#scheme = isSecure ? 'https' : 'http';
    this.listening = new Promise((resolve, reject) => {
      this.#started = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.closed = new Promise((resolve, reject) => {
      this.#ended = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Whoever does not look at it is told through `onError`.
    this.closed.catch(() => {});
    worker.on('message', (message: GatewayThreadMessage) => this.#onMessage(message));
    worker.on('error', (error) =>
      this.#onDeath(`the gateway's thread died: ${error.message}`, error),
    );
    worker.on('exit', (code) => this.#onExit(code));
  }

  get url(): string {
    return `${this.#scheme}://${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
  }

  /**
   * Stops accepting, answers what was accepted, says goodbye to the clients. Idempotent; never
   * rejects.
   */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#worker.postMessage(GATEWAY_CLOSE);
      this.#terminateAfter(CLOSE_WAIT_MS);
    }
    await this.closed.catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onMessage(message: GatewayThreadMessage): void {
    switch (message.type) {
      case 'listening':
        this.host = message.host;
        this.port = message.port;
        this.#started();
        break;
      case 'failed':
        this.#closing = true;
        this.#started(BusError.from(message.error));
        this.#terminateAfter(EXIT_WAIT_MS);
        break;
      case 'log':
        this.#hooks.onLog?.(message.log);
        break;
      case 'closed':
        this.#closing = true;
        this.#terminateAfter(EXIT_WAIT_MS);
    }
  }

  #terminateAfter(milliseconds: number): void {
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => void this.#worker.terminate(), milliseconds);
  }

  #onExit(code: number): void {
    clearTimeout(this.#closeTimer);
    if (this.#closing) this.#ended();
    else this.#onDeath(`the gateway's thread ended by itself with code ${code}`, undefined);
  }

  #onDeath(message: string, cause: unknown): void {
    if (this.#closing) return;
    this.#closing = true;
    const error = new BusError('BUS_CLOSED', message, { cause });
    const wasListening = this.port !== 0;
    this.#started(error);
    this.#ended(error);
    if (!wasListening) return;
    if (this.#hooks.onError !== undefined) this.#hooks.onError(error);
    else process.emitWarning(error);
  }
}
