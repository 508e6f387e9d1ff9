import {
  RETENTION_ROW_BYTES,
  RETENTION_ROWS_MAX,
  RETENTION_ROWS_MIN,
  RETENTION_STEP_MS,
} from '../../../protocol/limits/store.js';

/** Rows of the first step, before anything is known of the machine. */
const ROWS_AT_FIRST = 64;
/** By how much a step may be larger than the one before, and smaller, whatever that one took. */
const GROWTH_MAX = 1.5;
const SHRINKAGE_MAX = 4;

/**
 * Bounds the steps of a removal, each of which stops the shard's thread, by their work and by time. The work is counted in
 * rows, and a row with a large payload counts once more for each page of it. How much of it a step may do is learnt from how
 * long the steps before took: what a row costs depends on the disk, on the number of topics, and on whether rows that go are
 * neighbours. So a step takes about `RETENTION_STEP_MS`.
 */
export class StepPace {
  readonly #elapsed: () => number;
  #limit = ROWS_AT_FIRST;
  #taken = 0;
  /** The step has taken all the rows that it may, and so might have taken more. */
  #isFull = false;
  #isOver = false;
  #startedAt = 0;

  /** @param elapsed ms; never steps */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Begins to look for the rows of the next step, and to take them. */
  begin(): void {
    this.#taken = 0;
    this.#isFull = false;
    this.#isOver = false;
    this.#startedAt = this.#elapsed();
  }

  /** How many small rows the step still takes. */
  get left(): number {
    return Math.max(0, this.#limit - this.#taken);
  }

  /** Takes a row of so many bytes into the step, or says that it has to wait. The first row never has. */
  take(bytes: number): boolean {
    const rows = this.#taken + 1 + Math.floor(bytes / RETENTION_ROW_BYTES);
    this.#isFull ||= rows >= this.#limit;
    this.#isOver = this.#taken > 0 && rows > this.#limit;
    if (!this.#isOver) this.#taken = rows;
    return !this.#isOver;
  }

  /** The step has had to refuse a row; or it has one at least, and looking for them has taken half of its time. */
  get isOver(): boolean {
    return this.#isOver || (this.#taken > 0 && this.isLate);
  }

  /** Whether looking for rows has taken half of the step's time. Ask where rows may lie anywhere. */
  get isLate(): boolean {
    return this.#elapsed() - this.#startedAt > RETENTION_STEP_MS / 2;
  }

  /** Does the step, and learns from how long it takes. */
  time<T>(step: () => T): T {
    this.#startedAt = this.#elapsed();
    try {
      return step();
    } finally {
      this.#learn(this.#elapsed() - this.#startedAt);
    }
  }

  #learn(ms: number): void {
    if (this.#taken === 0) return;
    const share = RETENTION_STEP_MS / ms;
    if (share < 1) {
      // A single row may be larger than the step: it says little about small ones.
      const taken = Math.min(this.#taken, this.#limit);
      const rows = Math.floor(taken * Math.max(share, 1 / SHRINKAGE_MAX));
      this.#limit = Math.max(RETENTION_ROWS_MIN, rows);
    } else if (this.#isFull) {
      const rows = Math.ceil(this.#limit * Math.min(share, GROWTH_MAX));
      this.#limit = Math.min(RETENTION_ROWS_MAX, rows);
    }
  }
}
