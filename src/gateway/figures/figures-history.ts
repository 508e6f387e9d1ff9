import type { BusStats } from '../../protocol/bus-api.js';
import { FIGURE_SAMPLES_MAX, FIGURES_EVERY_MS } from '../../protocol/limits/gateway.js';
import type { FigureSample, Figures } from '../../protocol/operations.js';
import { type Look, sampleOf } from './figure-sample.js';

/**
 * The last 15 minutes of a bus in samples, so that charts are full as soon as somebody looks. Each gateway keeps its
 * own, from its start on, and a gateway that replaces a dead one goes on with the samples of that: the counters that it
 * reads are in memory that all threads share, and no shard is woken for them
 * ([why](../../../docs/adr/0041-figures-and-connections.md)). One thread.
 */
export interface FiguresSource {
  stats(): Promise<BusStats>;
  /** Bytes that this gateway holds for its clients. */
  heldBytes(): number;
}

/** Where the samples of a gateway are kept beside it. */
export interface KeptFigures {
  /** Those of the gateway before. */
  readonly samples: readonly FigureSample[];
  keep(sample: FigureSample): void;
}

const KEPT_NOWHERE: KeptFigures = { samples: [], keep: () => {} };

export class FiguresHistory {
  readonly #source: FiguresSource;
  readonly #keep: (sample: FigureSample) => void;
  readonly #now: () => { readonly at: number; readonly elapsedMs: number };
  #samples: FigureSample[];
  #last: Look | undefined;
  #isReading = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    source: FiguresSource,
    { samples, keep }: KeptFigures = KEPT_NOWHERE,
    now = () => ({ at: Date.now(), elapsedMs: performance.now() }),
  ) {
    this.#source = source;
    this.#keep = keep;
    this.#samples = [...samples];
    this.#now = now;
  }

  /** Takes a sample every `FIGURES_EVERY_MS` until `stop()`, without keeping the process alive. */
  start(): void {
    void this.take();
    this.#timer = setInterval(() => void this.take(), FIGURES_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The samples behind the one whose `at` is `after`; without it, all. */
  since(after = 0): Figures {
    const newest = this.#newest;
    // The clock was set back after the client got that sample; the history begins anew then.
    const isOfOtherTime = after > newest + 2 * FIGURES_EVERY_MS;
    const samples = isOfOtherTime ? this.#samples : this.#samples.filter(({ at }) => at > after);
    return { everyMs: FIGURES_EVERY_MS, samples };
  }

  /** Looks at the counters; from the second look on, each makes a sample. Never rejects. */
  async take(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const stats = await this.#source.stats();
      this.#add({ ...this.#now(), stats });
    } catch {
      // The bus is closing, or the endpoint is the user's and has failed: there is nothing to show of this moment.
    } finally {
      this.#isReading = false;
    }
  }

  #add(look: Look): void {
    const before = this.#last;
    // After the clock was set back, samples of the same time would stand beside each other.
    if (look.at <= this.#newest) this.#samples = this.#samples.filter(({ at }) => at < look.at);
    this.#last = look;
    if (before === undefined) return;
    const { rss, heapUsed } = process.memoryUsage();
    const heldBytes = this.#source.heldBytes();
    const sample = sampleOf(before, look, { rssBytes: rss, heapBytes: heapUsed, heldBytes });
    this.#samples.push(sample);
    if (this.#samples.length > FIGURE_SAMPLES_MAX) this.#samples.shift();
    this.#keep(sample);
  }

  /** The time of the newest look or sample. */
  get #newest(): number {
    return this.#last?.at ?? this.#samples.at(-1)?.at ?? 0;
  }
}
