import {
  SINK_FIGURES_MS,
  SINK_FIGURES_WAIT_MS,
  SINKS_FAILED_KEPT_MAX,
} from '../protocol/limits/sinks.js';
import type { ShownSink, SinkFigures, SinkList, SinkPlace } from '../protocol/sink-figures.js';
import { NO_SINKS, sinkListOf } from '../protocol/sink-list.js';
import { within } from '../threads/within.js';
import type { MainThread } from './main-thread.js';

/**
 * The sinks that run in an endpoint's thread. Their figures are noted with the main thread once a second where they have
 * changed, so a look at them asks one thread and no sink.
 */

/** The endpoint, as this part sees it. */
export interface SinksHost {
  readonly endpoint: string;
  readonly main: Pick<MainThread, 'call'>;
  /** Changes whenever a consumer's `pending` may have changed. Costs no question. */
  consumersMark(): string;
  /** By name; without those that are not there. Rejects where a shard does not answer. */
  pendingOf(names: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

type Known = Omit<SinkFigures, 'endpoint' | 'pending'>;

export class EndpointSinks implements SinkPlace {
  readonly #host: SinksHost;
  readonly #sinks = new Map<object, ShownSink>();
  /** Those that have failed and hold nothing any more, by what they are; the oldest first. */
  readonly #failed = new Map<string, Known>();
  /** What an ended sink is, for one that is taken after it has failed. */
  readonly #ended = new WeakMap<object, string>();
  #timer: NodeJS.Timeout | undefined;
  #noted = '';
  #mark: string | undefined;
  #pending: ReadonlyMap<string, number> = new Map();
  #isAsking = false;
  #isClosed = false;
  #asked: Promise<void> | undefined;
  #last: SinkList = NO_SINKS;

  constructor(host: SinksHost) {
    this.#host = host;
  }

  add(sink: object, shown: ShownSink): void {
    if (this.#isClosed) return;
    this.#failed.delete(keyOf(shown.figures()));
    this.#sinks.set(sink, shown);
    this.#watch();
  }

  end(sink: object): void {
    const figures = this.#sinks.get(sink)?.figures();
    if (figures === undefined) return;
    this.#sinks.delete(sink);
    if (figures.state === 'failed') this.#keep(sink, figures);
    this.#note();
  }

  take(sink: object): ShownSink | undefined {
    const shown = this.#sinks.get(sink);
    this.#sinks.delete(sink);
    const key = this.#ended.get(sink);
    if (key !== undefined) this.#failed.delete(key);
    this.#note();
    return shown;
  }

  /** The sinks of all threads of the bus: as they were last known, where the main thread is busy. */
  async all(): Promise<SinkList> {
    this.#asked ??= this.#host.main
      .call('notedSinks', {})
      .then(
        ({ sinks }) => {
          this.#last = sinks;
        },
        // The bus is closing.
        () => {},
      )
      .finally(() => {
        this.#asked = undefined;
      });
    await within(SINK_FIGURES_WAIT_MS, this.#asked);
    return this.#last;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#sinks.clear();
    this.#failed.clear();
  }

  #keep(sink: object, figures: Known): void {
    const key = keyOf(figures);
    this.#ended.set(sink, key);
    this.#failed.delete(key);
    this.#failed.set(key, figures);
    for (const oldest of this.#failed.keys()) {
      if (this.#failed.size <= SINKS_FAILED_KEPT_MAX) break;
      this.#failed.delete(oldest);
    }
  }

  #watch(): void {
    this.#note();
    this.#timer ??= setInterval(() => this.#note(), SINK_FIGURES_MS).unref();
  }

  #note(): void {
    if (this.#isClosed) return;
    if (this.#sinks.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#askPending();
    const sinks = sinkListOf(this.#figures());
    const text = JSON.stringify(sinks);
    if (text === this.#noted) return;
    this.#noted = text;
    // Rejects if the bus is closing.
    this.#host.main.call('noteSinks', { sinks }).catch(() => {});
  }

  #figures(): SinkFigures[] {
    const { endpoint } = this.#host;
    const running = [...this.#sinks.values()].map((sink) => {
      const figures = sink.figures();
      const pending = sink.pending?.() ?? this.#pending.get(figures.consumer ?? '');
      return { ...figures, endpoint, ...(pending === undefined ? {} : { pending }) };
    });
    return [...running, ...[...this.#failed.values()].map((one) => ({ ...one, endpoint }))];
  }

  /** Asks for what is pending where anything has changed, so that an idle bus stays idle. */
  #askPending(): void {
    const names = new Set([...this.#sinks.values()].flatMap((one) => one.figures().consumer ?? []));
    const mark = `${this.#host.consumersMark()} ${[...names].join(' ')}`;
    if (this.#isAsking || names.size === 0 || mark === this.#mark) return;
    this.#isAsking = true;
    this.#host
      .pendingOf([...names])
      .then((pending) => {
        this.#mark = mark;
        this.#pending = pending;
      })
      // Not known until they are asked again in a second.
      .catch(() => {
        this.#pending = new Map();
      })
      .finally(() => {
        this.#isAsking = false;
      });
  }
}

function keyOf({ kind, name, consumer = '' }: Known): string {
  return JSON.stringify([kind, name, consumer]);
}
