/**
 * How many events a member is leased ahead of its handlers: as many as they take in `PREFETCH_MS` of their work, at most
 * `PREFETCH_MAX`. Time in which no handler runs does not count: a member that waits for a slow disk, or for the next
 * event, keeps its pace. Pure; `now` is monotonic ms.
 */
import { PREFETCH_MAX, PREFETCH_MS } from '../../protocol/limits/consumers.js';

/** Over how much work the pace is measured, ms: handlers that end all at once must not look like quick ones. */
const STRETCH_MS = 5 * PREFETCH_MS;

export class Pace {
  /** Since when a handler has been running, as far as it is not counted yet. */
  #busySince: number | undefined;
  /** How long the present stretch of work has lasted, and what was handled in it; then the stretch before it. */
  #elapsed = 0;
  #handled = 0;
  #elapsedBefore = 0;
  #handledBefore = 0;
  #ahead = 0;

  /** As was said last. */
  get ahead(): number {
    return this.#ahead;
  }

  /** A handler begins. */
  begin(now: number): void {
    this.#busySince ??= now;
  }

  /**
   * Takes into account that so many handlers have ended since the last call.
   * @param isBusy whether handlers are running
   * @returns how many events to lease ahead: 0 or a power of two; it is lowered only to less than half
   */
  note(handled: number, now: number, isBusy: boolean): number {
    this.#pass(this.#busySince === undefined ? 0 : now - this.#busySince);
    this.#busySince = isBusy ? now : undefined;
    this.#handled += handled;
    const share = 1 - this.#elapsed / STRETCH_MS;
    const recent = this.#handled + this.#handledBefore * share;
    const during = Math.max(PREFETCH_MS, this.#elapsed + this.#elapsedBefore * share);
    const count = (recent * PREFETCH_MS) / during;
    const ahead = count < 1 ? 0 : Math.min(PREFETCH_MAX, 2 ** Math.ceil(Math.log2(count)));
    if (ahead > this.#ahead || ahead * 2 < this.#ahead) this.#ahead = ahead;
    return this.#ahead;
  }

  #pass(busyMs: number): void {
    this.#elapsed += busyMs;
    if (this.#elapsed < STRETCH_MS) return;
    const isOld = this.#elapsed >= 2 * STRETCH_MS;
    this.#handledBefore = isOld ? 0 : this.#handled;
    this.#elapsedBefore = STRETCH_MS;
    this.#handled = 0;
    this.#elapsed %= STRETCH_MS;
  }
}
