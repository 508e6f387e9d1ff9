import type { BusStats } from '../../protocol/bus-api.js';
import { FIGURE_SAMPLES_MAX, FIGURES_EVERY_MS } from '../../protocol/limits/gateway.js';
import type { FigureSample, Figures } from '../../protocol/operations.js';
import { type Look, sampleOf } from './figure-sample.js';

/**
 * The last 15 minutes of a bus in samples, so that charts are full as soon as somebody looks. Each gateway keeps its
 * own, from its start on: the counters that it reads are in memory that all threads share, and no shard is woken for
 * them ([why](../../../docs/adr/0041-figures-and-connections.md)). One thread.
 */
export interface FiguresSource {
  stats(): Promise<BusStats>;
  /** Bytes that this gateway holds for its clients. */
  heldBytes(): number;
}

export class FiguresHistory {
  readonly #source: FiguresSource;
  readonly #now: () => { readonly at: number; readonly elapsedMs: number };
  #samples: FigureSample[] = [];
  #last: Look | undefined;
  #isReading = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    source: FiguresSource,
    now = () => ({ at: Date.now(), elapsedMs: performance.now() }),
  ) {
    this.#source = source;
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
    const newest = this.#last?.at ?? 0;
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
    this.#last = look;
    if (before === undefined) return;
    // After the clock was set back, samples of the same time would stand beside each other.
    if (look.at <= before.at) this.#samples = this.#samples.filter(({ at }) => at < look.at);
    const { rss, heapUsed } = process.memoryUsage();
    const heldBytes = this.#source.heldBytes();
    this.#samples.push(sampleOf(before, look, { rssBytes: rss, heapBytes: heapUsed, heldBytes }));
    if (this.#samples.length > FIGURE_SAMPLES_MAX) this.#samples.shift();
  }
}
