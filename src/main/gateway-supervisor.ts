/**
 * Keeps one gateway's thread alive, as `shard-supervisor.ts` does a shard's: when it dies, another one is started on
 * the same port. Its clients reconnect and resume from their cursors. Used by the thread that opened the bus.
 */

import type { EndpointInternals } from '../endpoint/internals.js';
import { SYSTEM_TOPICS } from '../endpoint/system-events.js';
import { GATEWAY_FAILED, GATEWAY_LISTENING, GATEWAY_RESTARTING } from '../link/bus-counters.js';
import { BusError } from '../protocol/errors.js';
import {
  FIGURE_SAMPLES_MAX,
  GATEWAY_HUNG_MS,
  GATEWAY_RESTART_WAIT_MS_MAX,
  GATEWAY_RESTARTS_MAX,
  GATEWAY_STALLED_SECONDS,
} from '../protocol/limits/gateway.js';
import { GATEWAYS_MAX } from '../protocol/limits/links.js';
import type { FigureSample } from '../protocol/operations.js';
import { messageOf } from '../protocol/thrown.js';
import type { Bus } from './bus.js';
import { GatewayLife } from './gateway-life.js';
import {
  GATEWAY_CRASH,
  GATEWAY_EXHAUST,
  GATEWAY_HANG,
  type GatewayLog,
  type GatewayOrder,
} from './gateway-messages.js';
import type { GatewayOptions } from './gateway-options.js';
import { type RestartLimits, RestartPolicy } from './restart-policy.js';
import type { GatewayHarm } from './test-hooks.js';

/** How often to check that the thread's loop runs, ms. */
const WATCH_MS = 5000;

export interface GatewayHooks {
  /** The lowest level that `onLog` gets; frames, without their payloads, are `debug`. Default `info`. */
  logLevel?: GatewayLog['level'];
  onLog?: (log: GatewayLog) => void;
  /** For tests: when to give a dying thread up. */
  restarts?: RestartLimits;
  /** For tests: the thread's heap limit, MiB. */
  heapMiB?: number;
}

const RESTARTS: RestartLimits = {
  triesMax: GATEWAY_RESTARTS_MAX,
  waitMsMax: GATEWAY_RESTART_WAIT_MS_MAX,
};

export class GatewaySupervisor {
  host = '';
  port = 0;
  restarts = 0;
  /** Resolves when the first thread listens; rejects with the error that prevented it. */
  readonly listening: Promise<void>;
  /** Resolves when it has closed; rejects with `GATEWAY_FAILED` when it was given up. */
  readonly closed: Promise<void>;
  readonly #bus: Pick<Bus, 'attachment'>;
  readonly #internals: EndpointInternals;
  readonly #options: GatewayOptions;
  readonly #hooks: GatewayHooks;
  readonly #joins: boolean;
  readonly #gateway: number;
  readonly #policy: RestartPolicy;
  readonly #watch: NodeJS.Timeout;
  /** The figures of the last 15 minutes, for a thread that follows this one. */
  readonly #samples: FigureSample[] = [];
  #life: GatewayLife | undefined;
  #isClosing = false;
  #hasListened = false;
  #hasFailed = false;
  #isKilled = false;
  #silentLooks = 0;
  #backoff: NodeJS.Timeout | undefined;
  #started: (error?: BusError) => void = () => {};
  #ended: (error?: BusError) => void = () => {};

  /**
   * `joins`: another thread has bound the port already and shares it.
   *
   * @throws BusError `LIMIT_EXCEEDED`
   */
  constructor(
    bus: Pick<Bus, 'attachment'>,
    internals: EndpointInternals,
    options: GatewayOptions,
    hooks: GatewayHooks,
    joins: boolean,
  ) {
    this.#bus = bus;
    this.#internals = internals;
    this.#options = options;
    this.#hooks = hooks;
    this.#policy = new RestartPolicy(hooks.restarts ?? RESTARTS);
    this.#joins = joins;
    const gateway = internals.busCounters.enterGateway();
    if (gateway === undefined) {
      const message = `this bus has ${GATEWAYS_MAX} gateways, which is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit: GATEWAYS_MAX } });
    }
    this.#gateway = gateway;
    this.listening = new Promise((resolve, reject) => {
      this.#started = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.closed = new Promise((resolve, reject) => {
      this.#ended = (error) => (error === undefined ? resolve() : reject(error));
    });
    // The bus's `onError` reports the failure too, so an unhandled rejection would only repeat it.
    this.closed.catch(() => {});
    this.#watch = setInterval(() => this.#look(), WATCH_MS).unref();
    this.#launch();
  }

  /** True once it was given up. It is counted as failed until it is closed. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Closes the thread and ends the supervision. Idempotent; never rejects. */
  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      clearTimeout(this.#backoff);
      if (this.#life === undefined) this.#end();
      else this.#life.close();
    }
    await this.closed.catch(() => {});
  }

  /** For tests: terminates the thread, or makes it throw, exhaust its heap or hang. */
  async hurt(how: GatewayHarm): Promise<void> {
    const life = this.#life;
    this.#isKilled = true;
    if (how === 'kill') await life?.terminate('it was killed');
    else life?.order(ORDERS[how]);
  }

  #launch(): void {
    this.#backoff = undefined;
    this.#policy.started(0);
    this.#isKilled = false;
    this.#silentLooks = 0;
    // A successor listens on the same port, even if the options asked for any free one.
    const options = this.#hasListened ? { ...this.#options, port: this.port } : this.#options;
    const settings = {
      options,
      logLevel: this.#hooks.logLevel ?? 'info',
      gateway: this.#gateway,
      joins: this.#joins || this.#hasListened,
      isSuccessor: this.#hasListened,
      heapMiB: this.#hooks.heapMiB,
      samples: this.#samples,
    };
    try {
      this.#life = new GatewayLife(this.#bus.attachment(), settings, {
        onListening: (host, port) => this.#onListening(host, port),
        onLog: (log) => this.#hooks.onLog?.(log),
        onSample: (sample) => this.#onSample(sample),
        onEnd: (end) => this.#onEnd(end),
      });
    } catch (error) {
      // `attachment` throws if the bus has begun to close meanwhile.
      this.#isClosing = true;
      const refusal =
        error instanceof BusError ? error : new BusError('INTERNAL', messageOf(error));
      this.#started(refusal);
      this.#end();
    }
  }

  #onListening(host: string, port: number): void {
    this.host = host;
    this.port = port;
    this.#hasListened = true;
    this.#policy.ready(performance.now());
    this.#internals.busCounters.setGateway(this.#gateway, GATEWAY_LISTENING);
    const { restarts } = this;
    // The caller that started the gateway logs the first start itself.
    this.#log(restarts === 0 ? 'debug' : 'info', 'gateway listening', { restarts });
    const address = { gateway: this.#gateway, host, port, restarts };
    this.#internals.publishSystem(SYSTEM_TOPICS.gatewayStarted, 'gateway_started', address);
    this.#started();
  }

  #onSample(sample: FigureSample): void {
    this.#samples.push(sample);
    if (this.#samples.length > FIGURE_SAMPLES_MAX) this.#samples.shift();
  }

  #onEnd(end: 'closed' | BusError): void {
    this.#life = undefined;
    if (this.#isClosing) this.#end();
    else if (!this.#hasListened) this.#refuse(end);
    // It closed without an order because its bus has closed.
    else if (end === 'closed') this.#end();
    else this.#restart(end);
  }

  /** The thread never listened: its caller gets the error, and there is no restart. */
  #refuse(end: 'closed' | BusError): void {
    const why = end === 'closed' ? new BusError('BUS_CLOSED', 'the bus is closed') : end;
    this.#isClosing = true;
    this.#started(why);
    this.#end(why);
  }

  #restart(cause: BusError): void {
    const { busCounters } = this.#internals;
    const waitMs = this.#policy.ended(performance.now(), 0, this.#isKilled);
    if (waitMs === undefined) {
      this.#hasFailed = true;
      clearInterval(this.#watch);
      busCounters.setGateway(this.#gateway, GATEWAY_FAILED);
      const failure = this.#failure(cause, 'it was given up', { isGivenUp: true });
      this.#report(failure);
      this.#ended(failure);
      return;
    }
    this.restarts++;
    busCounters.noteGatewayRestart(this.#gateway);
    busCounters.setGateway(this.#gateway, GATEWAY_RESTARTING);
    const next = waitMs === 0 ? 'it starts again' : `it starts again in ${waitMs} ms`;
    this.#report(this.#failure(cause, next, { retryInMs: waitMs }));
    this.#backoff = setTimeout(() => this.#launch(), waitMs);
  }

  #failure(cause: BusError, next: string, outcome: object): BusError {
    const { host, port, restarts } = this;
    const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const reason = cause.message;
    const message = `the gateway's thread on ${where} died: ${reason}; ${next}`;
    const details = { gateway: this.#gateway, host, port, reason, restarts, ...outcome };
    return new BusError('GATEWAY_FAILED', message, { cause, details });
  }

  #report(failure: BusError): void {
    const { message, details } = failure;
    this.#log('error', message, { code: failure.code, ...details });
    this.#internals.publishSystem(SYSTEM_TOPICS.gatewayDied, 'gateway_died', { ...details });
    this.#internals.report(failure);
  }

  #log(level: GatewayLog['level'], message: string, fields: GatewayLog['fields']): void {
    this.#hooks.onLog?.({ level, message, fields: { gateway: this.#gateway, ...fields } });
  }

  #end(error?: BusError): void {
    clearInterval(this.#watch);
    this.#internals.busCounters.leaveGateway(this.#gateway);
    this.#ended(error);
  }

  /** Ends a thread that hangs. Counts checks instead of time: after a sleep of the machine one check proves nothing. */
  #look(): void {
    const own = this.#internals.busCounters.gateways.find(
      ({ gateway }) => gateway === this.#gateway,
    );
    const isSilent =
      own?.state === GATEWAY_LISTENING && own.silentSeconds > GATEWAY_STALLED_SECONDS;
    this.#silentLooks = isSilent ? this.#silentLooks + 1 : 0;
    if (this.#silentLooks * WATCH_MS < GATEWAY_HUNG_MS) return;
    this.#silentLooks = 0;
    void this.#life?.terminate(`its loop has not turned for ${own?.silentSeconds} s`);
  }
}

const ORDERS: Readonly<Record<Exclude<GatewayHarm, 'kill'>, GatewayOrder>> = {
  crash: GATEWAY_CRASH,
  exhaust: GATEWAY_EXHAUST,
  hang: GATEWAY_HANG,
};
