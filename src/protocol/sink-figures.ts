/**
 * Figures of the sinks that run on a bus, and how a sink finds the bus that shows them. A sink knows a bus by its public
 * calls alone; under one symbol, which the package does not export, a bus and its consumers also name the place where
 * sinks show themselves.
 */

/**
 * `waiting`: the last attempt failed, and the next one comes by itself. `stopping`: it takes nothing new, and ends what it
 * has begun. `failed`: it has ended with an error.
 */
export type SinkState = 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped' | 'failed';

/** A failure in words; credentials in its text are masked. */
export interface SinkFailure {
  readonly code: string;
  /** At most 300 characters. */
  readonly message: string;
}

/** One sink, as of the last second. */
export interface SinkFigures {
  readonly name: string;
  /** `webhook`, `audit` …; `module` for a sink of an app's own that a server runs. */
  readonly kind: string;
  readonly state: SinkState;
  /** Since when it is in this state, RFC 3339; absent where a sink of an app's own does not say. */
  readonly since?: string;
  /** The endpoint of the thread that runs it, as that of a subscriber. */
  readonly endpoint: string;
  /** Events or rows that it has finished, and attempts that have failed, since it was made or the server started. */
  readonly done: number;
  readonly failed: number;
  /** How often the server started it again after it had ended with an error; 0 in a program that runs it by itself. */
  readonly restarts: number;
  /** The name of the consumer whose events it takes; absent: it has none. */
  readonly consumer?: string;
  /** Where to it goes: a URL, a path, a name. Credentials, queries and what looks like a key are masked. */
  readonly target?: string;
  /** About how many events or rows it has not handled yet; absent where that is not known. */
  readonly pending?: number;
  /** When it finished something last, RFC 3339; absent: not yet. */
  readonly lastDoneAt?: string;
  /** The last failure, also where it has got over it, and its time; absent: none yet. */
  readonly lastError?: SinkFailure;
  readonly lastFailedAt?: string;
  /** When the server starts it again that has ended with an error, RFC 3339; absent: it does not. */
  readonly retryAt?: string;
}

/** The sinks that run on a bus, in any of its threads. */
export interface SinkList {
  readonly count: number;
  /** How many of them have ended with an error and stay so, and how many wait to try again. */
  readonly failed: number;
  readonly waiting: number;
  /** At most 100 of them: those that have failed, those that wait, then the others; within these by name. */
  readonly list: readonly SinkFigures[];
}

/** A sink as the thread that runs it sees it. Neither call waits for anything. */
export interface ShownSink {
  figures(): Omit<SinkFigures, 'endpoint' | 'pending'>;
  /** What it counts by itself; without it, `pending` is that of its consumer. */
  pending?(): number | undefined;
}

/** Where the sinks of one thread show themselves. */
export interface SinkPlace {
  /** Shows a sink until `end` or `take`. `sink` is an object that stands for it: `closed`, which a copy of it has too. */
  add(sink: object, shown: ShownSink): void;
  /** The sink has ended: one that has failed is still shown, until one of the same name, kind and consumer comes. */
  end(sink: object): void;
  /** Shows the sink no more: its caller does, by what is returned. */
  take(sink: object): ShownSink | undefined;
}

export const SINK_PLACE: unique symbol = Symbol('millrace.sinks');

/** Of a bus or a consumer in this process; `undefined` for those of a client, or made by another copy of the package. */
export function sinkPlaceOf(on: object): SinkPlace | undefined {
  return (on as Partial<Record<typeof SINK_PLACE, SinkPlace>>)[SINK_PLACE];
}
