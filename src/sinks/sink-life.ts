import { Lifetime } from '../handout/lifetime.js';
import { watchSignal } from '../handout/watch-signal.js';
import { BusError } from '../protocol/errors.js';
import {
  SINK_RETRY_MS,
  SINK_RETRY_MS_MAX,
  SINK_TARGET_LENGTH_MAX,
} from '../protocol/limits/sinks.js';
import { maskedTarget } from '../protocol/masked-text.js';
import {
  aFunction,
  anAbortSignal,
  type OptionCheck,
  subscriptionName,
} from '../protocol/options.js';
import { type SinkPlace, type SinkState, sinkPlaceOf } from '../protocol/sink-figures.js';
import { messageOf } from '../protocol/thrown.js';
import { figuresOf } from './figures-of.js';
import { pause } from './pause.js';
import type { Sink, SinkInfo, SinkOptions } from './sink.js';

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

/** What a sink works on. */
export interface SinkWork {
  /** A consumer or a bus; one in this process shows the sink in its figures. */
  readonly on: object;
  /** The name of the consumer. */
  readonly consumer?: string;
  /** Where to it goes, without credentials. */
  readonly target?: string | undefined;
  /** What it has not handled yet, if it counts that by itself. */
  readonly pending?: () => number | undefined;
}

/** Where to a sink goes, without credentials. */
export function targetOf(target: string): string {
  return maskedTarget(target, SINK_TARGET_LENGTH_MAX);
}

export class SinkLife {
  readonly kind: string;
  readonly name: string;
  readonly #onError: (error: BusError) => void;
  readonly #stop = new AbortController();
  readonly #lifetime = new Lifetime();
  #state: SinkState = 'starting';
  #since = now();
  #done = 0;
  #failed = 0;
  #failedInARow = 0;
  #lastDoneAt: string | undefined;
  #lastError: BusError | undefined;
  #lastFailedAt: string | undefined;
  #work: SinkWork | undefined;

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
    if (this.#state === 'starting' || this.#state === 'waiting') this.#enter('running');
    this.#lifetime.begin();
  }

  /** Counts what is finished. */
  done(count = 1): void {
    this.begin();
    this.#failedInARow = 0;
    if (count === 0) return;
    this.#done += count;
    this.#lastDoneAt = now();
  }

  /** Counts and tells a failure after which the sink goes on. */
  failed(thrown: unknown): void {
    this.#failed++;
    this.#failedInARow++;
    if (this.#state === 'starting' || this.#state === 'running') this.#enter('waiting');
    this.tell(thrown);
  }

  /** Tells what no attempt has failed by. */
  tell(thrown: unknown): void {
    const error = this.errorOf(thrown);
    this.#note(error);
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
   * @param on what it works on; default: nothing that shows it
   */
  start<M extends object>(
    work: () => Promise<void>,
    stopSignal: AbortSignal | undefined,
    more: () => M,
    on?: SinkWork,
  ): Sink<SinkInfo & M> {
    this.#work = on;
    const stop = (): Promise<void> => this.#end();
    const onAbort = (): void => void stop();
    if (stopSignal?.aborted === true) onAbort();
    const unwatch = stopSignal && watchSignal(stopSignal, onAbort);
    const settle = (state: SinkState, failure?: BusError): void => {
      unwatch?.();
      this.#settle(state, failure);
      place?.end(sink.closed);
    };
    // In a turn of its own, so that the caller has the handle before anything happens.
    const run = Promise.resolve().then(() => (this.signal.aborted ? undefined : work()));
    run.then(
      () => settle('stopped'),
      (error) => settle('failed', this.errorOf(error)),
    );
    const sink: Sink<SinkInfo & M> = {
      ready: this.#lifetime.ready,
      closed: this.#lifetime.closed,
      info: () => ({ ...this.#info(), ...more() }),
      stop,
      [Symbol.asyncDispose]: stop,
    };
    const place = this.#show(sink);
    return sink;
  }

  #show(sink: Sink): SinkPlace | undefined {
    const { on, pending } = this.#work ?? {};
    const place = on && sinkPlaceOf(on);
    const figures = () => figuresOf(this.#info());
    place?.add(sink.closed, { figures, ...(pending === undefined ? {} : { pending }) });
    return place;
  }

  #enter(state: SinkState): void {
    this.#state = state;
    this.#since = now();
  }

  #note(error: BusError): void {
    this.#lastError = error;
    this.#lastFailedAt = now();
  }

  #info(): SinkInfo {
    const { consumer, target } = this.#work ?? {};
    return {
      kind: this.kind,
      name: this.name,
      state: this.#state,
      since: this.#since,
      ...(consumer === undefined ? {} : { consumer }),
      ...(target === undefined ? {} : { target }),
      done: this.#done,
      failed: this.#failed,
      ...(this.#lastDoneAt === undefined ? {} : { lastDoneAt: this.#lastDoneAt }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError.toJSON() }),
      ...(this.#lastFailedAt === undefined ? {} : { lastFailedAt: this.#lastFailedAt }),
    };
  }

  async #end(): Promise<void> {
    const isOver = ['stopping', 'stopped', 'failed'].includes(this.#state);
    if (!isOver) this.#enter('stopping');
    this.#stop.abort();
    await this.#lifetime.closed.catch(() => {});
  }

  #settle(state: SinkState, failure?: BusError): void {
    this.#enter(state);
    this.#stop.abort();
    if (failure !== undefined) this.#note(failure);
    this.#lifetime.end(failure);
  }
}

function now(): string {
  return new Date().toISOString();
}

function warn(error: BusError): void {
  process.emitWarning(error.message, { type: 'MillraceWarning', code: error.code });
}
