import { BusError } from '../../protocol/errors.js';
import {
  SINK_LOGS_PER_MINUTE,
  SINK_RESTART_MS,
  SINK_RESTART_MS_MAX,
  SINK_STOP_MS,
} from '../../protocol/limits/cli.js';
import type { ShownSink, SinkPlace, SinkState } from '../../protocol/sink-figures.js';
import { messageOf } from '../../protocol/thrown.js';
import { failureOf, figuresOf } from '../../sinks/figures-of.js';
import { pause } from '../../sinks/pause.js';
import type { Sink, SinkBus } from '../../sinks/sink.js';
import type { CommandLog } from '../log.js';
import { startSink } from './run-sink.js';
import type { SinkSection } from './sink-sections.js';

/**
 * Runs the sink of one section for as long as the server runs. A sink that ends with an error is started again, after a
 * wait that doubles; one that another start cannot help stays stopped. Both are logged, and told on `$sys.sink.NAME`.
 */

/** What a runner needs of the server. */
export interface SinkHost {
  readonly bus: SinkBus;
  readonly log: Pick<CommandLog, 'info' | 'warn' | 'error'>;
  /** Shows the sinks of the bus's programs; this one shows itself. */
  readonly place: SinkPlace | undefined;
  /** Publishes an event of the bus's own. */
  publishSystem(topic: string, type: string, payload: object): void;
  /** A sink has failed for which the server has to stop. */
  stop(error: BusError): void;
}

/** After these codes another start finds the same. */
const FINAL_CODES = new Set(['ENDPOINT_GONE', 'AUDIT_BROKEN']);
const MINUTE_MS = 60_000;

type Figures = ReturnType<ShownSink['figures']>;

export class SinkRunner implements ShownSink {
  readonly #section: SinkSection;
  readonly #host: SinkHost;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #sink: Sink | undefined;
  #state: SinkState = 'starting';
  #since = now();
  #retryAt: string | undefined;
  /** Of the sinks that have ended. */
  #done = 0;
  #failed = 0;
  #past: Partial<Figures> = {};
  #pending: (() => number | undefined) | undefined;
  #restarts = 0;
  #failuresInARow = 0;
  #logMinute = 0;
  #logged = 0;
  #unlogged = 0;

  constructor(section: SinkSection, host: SinkHost) {
    this.#section = section;
    this.#host = host;
    this.#ended = this.#run();
  }

  figures(): Figures {
    const { name, kind, consumer } = this.#section;
    const own = { state: this.#state, since: this.#since, done: 0, failed: 0 };
    const shown = this.#shown() ?? own;
    return {
      ...{ ...this.#past, ...shown },
      ...{ name, kind, restarts: this.#restarts },
      ...(consumer === undefined ? {} : { consumer: consumer.name }),
      done: this.#done + shown.done,
      failed: this.#failed + shown.failed,
      ...(this.#retryAt === undefined ? {} : { retryAt: this.#retryAt }),
    };
  }

  pending(): number | undefined {
    return this.#sink === undefined ? undefined : this.#pending?.();
  }

  /** What the sink says of itself; that of an app's own may throw, and so may what it returns. */
  #shown(): Figures | undefined {
    try {
      return this.#sink && figuresOf(this.#sink.info());
    } catch {
      return undefined;
    }
  }

  /** Lets the sink end what it has begun. Resolves at the latest after `SINK_STOP_MS`; never rejects. */
  async stop(): Promise<void> {
    this.#stop.abort();
    void this.#stopSink();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, SINK_STOP_MS);
    });
    await Promise.race([this.#ended, late]);
    clearTimeout(timer);
  }

  /** That of an app's own may fail at it: `closed` says how it has ended. */
  async #stopSink(): Promise<void> {
    try {
      await this.#sink?.stop();
    } catch {}
  }

  async #run(): Promise<void> {
    const { name, kind, onFailure } = this.#section;
    const { log } = this.#host;
    while (!this.#stop.signal.aborted) {
      const startedAt = performance.now();
      const error = await this.#runOnce();
      if (error === undefined) {
        this.#enter('stopped');
        log.info({ sink: name, kind }, `sink ${name} has stopped`);
        return;
      }
      this.#failed++;
      this.#past = { ...this.#past, lastError: failureOf(error), lastFailedAt: now() };
      // One that has worked for a while begins with the shortest wait again.
      if (performance.now() - startedAt > SINK_RESTART_MS_MAX) this.#failuresInARow = 0;
      const isFinal = onFailure === 'stop' || FINAL_CODES.has(error.code);
      const retryInMs = isFinal ? undefined : this.#retryMs();
      this.#enter(isFinal ? 'failed' : 'waiting', retryInMs);
      this.#tell(error, retryInMs);
      if (onFailure === 'stop') this.#host.stop(error);
      if (retryInMs === undefined) return;
      await pause(retryInMs, this.#stop.signal);
      this.#restarts++;
      this.#enter('starting');
    }
  }

  /** Returns the error with which the sink has ended, if it did. */
  async #runOnce(): Promise<BusError | undefined> {
    const { signal } = this.#stop;
    const { name, kind } = this.#section;
    try {
      const { bus, log } = this.#host;
      const sink = await startSink(this.#section, bus, signal, (error) => this.#warn(error));
      // Shown by this runner, which goes on after its end.
      this.#pending = this.#host.place?.take(sink.closed)?.pending;
      this.#sink = sink;
      // An app's own sink need not know the signal, which may have come while it was made.
      if (signal.aborted) await this.#stopSink();
      await sink.ready;
      if (!signal.aborted) log.info({ sink: name, kind }, `sink ${name} runs`);
      await sink.closed;
      return undefined;
    } catch (error) {
      // The server stops, and takes the bus away.
      if (signal.aborted) return undefined;
      if (error instanceof BusError) return error;
      return new BusError('SINK_FAILED', messageOf(error), { cause: error });
    } finally {
      this.#keep();
      this.#sink = undefined;
    }
  }

  /** Keeps what the sink that ends has counted. */
  #keep(): void {
    const shown = this.#shown();
    if (shown === undefined) return;
    const { since: _, ...kept } = shown;
    this.#done += kept.done;
    this.#failed += kept.failed;
    this.#past = { ...this.#past, ...kept };
  }

  #enter(state: SinkState, retryInMs?: number): void {
    this.#state = state;
    this.#since = now();
    this.#retryAt =
      retryInMs === undefined ? undefined : new Date(Date.now() + retryInMs).toISOString();
  }

  #retryMs(): number {
    const most = Math.min(SINK_RESTART_MS * 2 ** this.#failuresInARow, SINK_RESTART_MS_MAX);
    this.#failuresInARow = Math.min(this.#failuresInARow + 1, 30);
    return Math.round(most / 2 + (Math.random() * most) / 2);
  }

  #tell(error: BusError, retryInMs: number | undefined): void {
    const { name, kind } = this.#section;
    const { code, message } = error;
    const next = retryInMs === undefined ? { isGivenUp: true } : { retryInMs };
    this.#host.log.error(
      { sink: name, kind, code, ...next },
      `sink ${name} has failed: ${message}`,
    );
    const payload = { sink: name, kind, error: failureOf(error), ...next };
    this.#host.publishSystem(`$sys.sink.${name}`, 'sink_failed', payload);
  }

  /** Logs a failure after which the sink goes on: not all of them, if a receiver fails for each of many events. */
  #warn({ code, message }: BusError): void {
    const minute = Math.floor(performance.now() / MINUTE_MS);
    if (minute !== this.#logMinute) {
      this.#logMinute = minute;
      this.#logged = 0;
    }
    if (this.#logged >= SINK_LOGS_PER_MINUTE) {
      this.#unlogged++;
      return;
    }
    this.#logged++;
    const { name, kind } = this.#section;
    const untold = this.#unlogged === 0 ? {} : { untold: this.#unlogged };
    this.#unlogged = 0;
    this.#host.log.warn({ sink: name, kind, code, ...untold }, message);
  }
}

function now(): string {
  return new Date().toISOString();
}
