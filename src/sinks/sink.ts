import type { BusApi } from '../protocol/bus-api.js';
import type { Consumer, ConsumerOptions } from '../protocol/consumers.js';
import type { BusError, ErrorData } from '../protocol/errors.js';
import type { SinkState } from '../protocol/sink-figures.js';

/**
 * The common shape of the sinks, programs that run on a bus's consumers or feed a bus. A sink is made by one function of
 * one options object, which has the `bus` or the `consumer` that it works on: `project`, `outbox`. The function checks
 * the options at once and returns a handle; everything that waits (opening a consumer, reaching a database) comes later
 * and is told by `ready` and `closed`. Types only; `SinkLife` implements them.
 */

/** The calls that sinks make: of a bus, in any of its threads, and of a client alike. */
export interface SinkBus extends BusApi {
  consumer<P = unknown>(name: string, options?: ConsumerOptions<P>): Promise<Consumer<P>>;
}

/** The options that every sink has. */
export interface SinkOptions {
  /** Shown in `info` and in errors, 1 to 255 characters. Default: the sink's kind. */
  name?: string;
  /** Stops the sink once it aborts, as `stop` does. Default: none. */
  signal?: AbortSignal;
  /**
   * Called for failures after which the sink goes on by itself: an attempt that will be made again, an event that it gave
   * up. Default: a process warning.
   */
  onError?: (error: BusError) => void;
}

export type { SinkState };

export interface SinkInfo {
  /** The function that made it: `project`, `outbox` … */
  readonly kind: string;
  readonly name: string;
  readonly state: SinkState;
  /** Since when it is in this state, RFC 3339; absent: not known. */
  readonly since?: string;
  /** The name of the consumer whose events it takes; absent: it has none. */
  readonly consumer?: string;
  /** Where to it goes: a URL, a path, a name; without credentials. Absent: not known, or not always the same. */
  readonly target?: string;
  /** How many events or rows it has finished since it was made. */
  readonly done: number;
  /** How many attempts have failed since it was made. */
  readonly failed: number;
  /** When it finished something last, RFC 3339; absent: not yet. */
  readonly lastDoneAt?: string;
  /** The last failure, and when it was, RFC 3339; absent: none since it was made. */
  readonly lastError?: ErrorData;
  readonly lastFailedAt?: string;
}

/** A sink at work. It keeps the process running until it has ended. */
export interface Sink<I extends SinkInfo = SinkInfo> extends AsyncDisposable {
  /** Resolves once the sink works for the first time; rejects if it ends before that with an error. */
  readonly ready: Promise<void>;
  /** Resolves when the sink has ended; rejects with the error that ended it. Unhandled, it is not reported. */
  readonly closed: Promise<void>;
  info(): I;
  /**
   * Takes nothing new, ends what it has begun, and resolves when the sink has ended, in an error too. What it had not
   * begun comes again to whoever takes its place. May be called again. A handler of the sink's own must not await it.
   */
  stop(): Promise<void>;
}
