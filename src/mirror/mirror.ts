import { join } from 'node:path';
import { Lifetime } from '../handout/lifetime.js';
import type { Bus } from '../main/bus.js';
import { openBus } from '../main/open-bus.js';
import type { BusApi, Gap } from '../protocol/bus-api.js';
import type { Consumer } from '../protocol/consumers.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { PAYLOAD_BYTES_SETTING_MAX } from '../protocol/limits/events.js';
import { MIRROR_ATTEMPTS_MAX, MIRROR_OUTBOX_KEPT_MS } from '../protocol/limits/mirror.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';
import { messageOf } from '../protocol/thrown.js';
import { forward } from '../sinks/forward/forward.js';
import type { Sink } from '../sinks/sink.js';
import { Inflow } from './inflow.js';
import {
  type MirrorOptions,
  type ParsedMirrorOptions,
  parseMirrorOptions,
} from './mirror-options.js';
import { PositionFile } from './position.js';

/**
 * A local copy of a remote bus, which takes publishes while the network is gone. The thread that opens it. See
 * docs/adr/0088.
 */
export interface Mirror extends AsyncDisposable {
  /** The copy: every stored event of the remote bus, in its order, under its id. Sequences and cursors are its own. */
  readonly log: MirrorLog;
  /** Stores an event in the outbox. It goes to the remote bus when that can be reached, and comes into the log from there. */
  readonly publish: BusApi['publish'];
  readonly publishMany: BusApi['publishMany'];
  info(): Promise<MirrorInfo>;
  /** Resolves when the mirror is closed; rejects if it cannot go on: `CURSOR_EXPIRED`, `UNAUTHENTICATED`, a store's error. */
  readonly closed: Promise<void>;
  /** What is in the outbox goes out after the next opening. */
  close(): Promise<void>;
}

export type MirrorLog = Pick<
  BusApi,
  'subscribe' | 'query' | 'read' | 'latest' | 'get' | 'topics' | 'stats'
>;

export interface MirrorInfo {
  /** The last sequence of the log. */
  readonly head: number;
  /** How many events have come since the mirror was opened. */
  readonly mirrored: number;
  /** How many events the remote bus does not have yet. */
  readonly waiting: number;
  /** How many events the remote bus has refused for good. */
  readonly refused: number;
  /** Stretches that the remote bus had removed before they came here, since the mirror was opened. */
  readonly gaps: number;
  /** Of the outbox or the network, since the mirror was opened. Absent: none. */
  readonly lastError?: ErrorData;
}

const CONSUMER = 'mirror';

/**
 * Opens a mirror: at once, whether or not the remote bus can be reached.
 *
 * @param options the directory, the remote bus, and the names of both sides
 * @throws BusError `OPTION_INVALID`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`
 */
export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const mirror = new OpenMirror(parseMirrorOptions(options));
  await mirror.open();
  return mirror;
}

class OpenMirror implements Mirror {
  readonly #options: ParsedMirrorOptions;
  readonly #lifetime = new Lifetime();
  #log!: Bus;
  #outbox!: Bus;
  #inflow: Inflow | undefined;
  #consumer!: Consumer;
  #sink: Sink | undefined;
  #disconnect: () => Promise<void> = async () => {};
  #gaps = 0;
  #lastError: BusError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ParsedMirrorOptions) {
    this.#options = options;
  }

  get log(): MirrorLog {
    return this.#log;
  }

  get closed(): Promise<void> {
    return this.#lifetime.closed;
  }

  async open(): Promise<void> {
    const { dir, here, there, topics } = this.#options;
    // One shard: what is stored is always a beginning of what was sent. No window: the remote bus may have an id twice.
    // It takes whatever the remote bus has taken, and waits for a disk as long as that takes.
    const patient = { maxPayloadBytes: PAYLOAD_BYTES_SETTING_MAX, publishWaitMs: TIMER_MS_MAX };
    const own = { shards: 1, dedupeWindowMs: 0 };
    this.#log = await openBus({ dir: join(dir, 'log'), ...own, ...patient });
    try {
      const untilConsumedBy = [CONSUMER];
      const retention = [{ pattern: '*', maxAgeMs: MIRROR_OUTBOX_KEPT_MS, untilConsumedBy }];
      this.#outbox = await openBus({ dir: join(dir, 'outbox'), shards: 1, retention });
      const { remote, close } = this.#options.open();
      this.#disconnect = close;
      this.#consumer = await this.#outbox.consumer(CONSUMER, {
        ...{ filter: '*', from: 'earliest', order: 'topic', maxAttempts: MIRROR_ATTEMPTS_MAX },
      });
      this.#inflow = await Inflow.start({
        ...{ remote, log: this.#log, topics, name: `mirror ${here}` },
        file: new PositionFile(join(dir, 'position.json'), there, topics),
        onGap: (gap) => this.#onGap(gap),
        onFailure: (error) => void this.#end(error),
      });
      const onError = (error: BusError): void => this.#tell(error);
      this.#sink = forward({ consumer: this.#consumer, to: remote, here, there, onError });
      this.#sink.closed.catch((error) => void this.#end(error));
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  get publish(): BusApi['publish'] {
    return this.#outbox.publish.bind(this.#outbox);
  }

  get publishMany(): BusApi['publishMany'] {
    return this.#outbox.publishMany.bind(this.#outbox);
  }

  async info(): Promise<MirrorInfo> {
    const { pending, dead } = await this.#consumer.info();
    return {
      head: this.#inflow!.head,
      mirrored: this.#inflow!.stored,
      waiting: pending,
      refused: dead,
      gaps: this.#gaps,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError.toJSON() }),
    };
  }

  close(): Promise<void> {
    return this.#end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }

  #onGap(gap: Gap): void {
    this.#gaps++;
    this.#options.onGap?.(gap);
  }

  #tell(error: BusError): void {
    this.#lastError = error;
    const { onError } = this.#options;
    if (onError !== undefined) onError(error);
    else process.emitWarning(error.message, { type: 'MillraceWarning', code: error.code });
  }

  /** Never rejects: a failure is that of `closed`. */
  #end(failure?: unknown): Promise<void> {
    this.#closing ??= this.#release().then(
      () => this.#lifetime.end(failure === undefined ? undefined : errorOf(failure)),
      (error) => this.#lifetime.end(errorOf(failure ?? error)),
    );
    return this.#closing;
  }

  async #release(): Promise<void> {
    const ends = [
      () => this.#sink?.stop(),
      () => this.#inflow?.end(),
      () => this.#disconnect(),
      () => this.#outbox?.close(),
      () => this.#log.close(),
    ];
    const failures: unknown[] = [];
    for (const end of ends) await Promise.resolve(end()).catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new BusError('SINK_FAILED', messageOf(thrown));
}
