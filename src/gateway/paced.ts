import { Queue } from '../collections/queue.js';

/**
 * Lets only so many callers go on in each turn of the event loop, in their order: those who have waited for one answer
 * would all go on in the same turn. One thread.
 */
export class Paced {
  readonly #max: number;
  readonly #waiting = new Queue<() => void>();
  #passed = 0;
  #isScheduled = false;

  constructor(max: number) {
    this.#max = max;
  }

  /** Resolves when the caller may go on. */
  async pass(): Promise<void> {
    if (this.#passed >= this.#max) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return;
    }
    this.#passed++;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#passed = 0;
      while (this.#passed < this.#max && this.#waiting.length > 0) {
        this.#passed++;
        this.#waiting.shift()!();
      }
      if (this.#passed > 0) this.#schedule();
    });
  }
}
