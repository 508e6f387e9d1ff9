import { Lifetime } from '../handout/lifetime.js';
import { watchSignal } from '../handout/watch-signal.js';
import { BusError } from '../protocol/errors.js';
import { SINK_RETRY_MS, SINK_RETRY_MS_MAX } from '../protocol/limits/sinks.js';
import {
  aFunction,
  anAbortSignal,
  type OptionCheck,
  subscriptionName,
} from '../protocol/options.js';
import { messageOf } from '../protocol/thrown.js';
import { pause } from './pause.js';
import type { Sink, SinkInfo, SinkOptions, SinkState } from './sink.js';

/**
 * The life of a sink, the part that all sinks share: states, counts, errors, the stop. A sink hands in its work, a function
 * that runs until `signal` aborts; the sink ends when that function does. Any thread.
 */

/** The checks of `SinkOptions`, for the options of every sink. */
export const SINK_CHECKS: readonly (readonly [string, OptionCheck])[] = [
  ['name', subscriptionName],
  ['signal', anAbortSignal],
  ['onError', aFunction],
];

export class SinkLife {
  readonly kind: string;
  readonly name: string;
  readonly #onError: (error: BusError) => void;
  readonly #stop = new AbortController();
  readonly #lifetime = new Lifetime();
  #state: SinkState = 'starting';
  #done = 0;
  #failed = 0;
  #failedInARow = 0;
  #lastDoneAt: string | undefined;
  #lastError: BusError | undefined;

  constructor(kind: string, { name = kind, onError = warn }: SinkOptions) {
    this.kind = kind;
    this.name = name;
    this.#onError = onError;
  }

  /** Aborts once the sink has to stop. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** How many attempts have failed since one succeeded. */
  get failedInARow(): number {
    return this.#failedInARow;
  }

  /** Says that the sink works: it has reached all that it needs. */
  begin(): void {
    if (this.#state === 'starting' || this.#state === 'waiting') this.#state = 'running';
    this.#lifetime.begin();
  }

  /** Counts what is finished. */
  done(count = 1): void {
    this.begin();
    this.#failedInARow = 0;
    if (count === 0) return;
    this.#done += count;
    this.#lastDoneAt = new Date().toISOString();
  }

  /** Counts and tells a failure after which the sink goes on. */
  failed(thrown: unknown): void {
    this.#failed++;
    this.#failedInARow++;
    if (this.#state === 'starting' || this.#state === 'running') this.#state = 'waiting';
    this.tell(thrown);
  }

  /** Tells what no attempt has failed by. */
  tell(thrown: unknown): void {
    const error = this.errorOf(thrown);
    this.#lastError = error;
    try {
      this.#onError(error);
    } catch (failure) {
      warn(this.errorOf(failure));
    }
  }

  /** The error as `BusError`; one that is none becomes `SINK_FAILED` with it as the cause. */
  errorOf(thrown: unknown): BusError {
    if (thrown instanceof BusError) return thrown;
    const text = `${this.kind} ${this.name}: ${messageOf(thrown)}`;
    return new BusError('SINK_FAILED', text, { cause: thrown, details: { sink: this.name } });
  }

  /** Resolves after this time, or at once when the sink has to stop. */
  wait(ms: number): Promise<void> {
    return pause(ms, this.signal);
  }

  /** The wait before the next attempt: doubled with each failure in a row, and half of it by chance. */
  retryMs(): number {
    const most = Math.min(SINK_RETRY_MS * 2 ** Math.min(this.#failedInARow, 30), SINK_RETRY_MS_MAX);
    return most / 2 + (Math.random() * most) / 2;
  }

  /**
   * Starts the work and returns the sink's handle.
   *
   * @param work runs until `signal` aborts, ends what it has begun, and returns; an error that it throws ends the sink
   * @param stopSignal the `signal` of the options
   * @param more what this kind of sink says of itself in `info`
   */
  start<M extends object>(
    work: () => Promise<void>,
    stopSignal: AbortSignal | undefined,
    more: () => M,
  ): Sink<SinkInfo & M> {
    const stop = (): Promise<void> => this.#end();
    const onAbort = (): void => void stop();
    if (stopSignal?.aborted === true) onAbort();
    const unwatch = stopSignal && watchSignal(stopSignal, onAbort);
    const settle = (state: SinkState, failure?: BusError): void => {
      unwatch?.();
      this.#settle(state, failure);
    };
    // In a turn of its own, so that the caller has the handle before anything happens.
    const run = Promise.resolve().then(() => (this.signal.aborted ? undefined : work()));
    run.then(
      () => settle('stopped'),
      (error) => settle('failed', this.errorOf(error)),
    );
    return {
      ready: this.#lifetime.ready,
      closed: this.#lifetime.closed,
      info: () => ({ ...this.#info(), ...more() }),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  }

  #info(): SinkInfo {
    return {
      kind: this.kind,
      name: this.name,
      state: this.#state,
      done: this.#done,
      failed: this.#failed,
      ...(this.#lastDoneAt === undefined ? {} : { lastDoneAt: this.#lastDoneAt }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError.toJSON() }),
    };
  }

  async #end(): Promise<void> {
    if (this.#state !== 'stopped' && this.#state !== 'failed') this.#state = 'stopping';
    this.#stop.abort();
    await this.#lifetime.closed.catch(() => {});
  }

  #settle(state: SinkState, failure?: BusError): void {
    this.#state = state;
    this.#stop.abort();
    if (failure !== undefined) this.#lastError = failure;
    this.#lifetime.end(failure);
  }
}

function warn(error: BusError): void {
  process.emitWarning(error.message, { type: 'MillraceWarning', code: error.code });
}
