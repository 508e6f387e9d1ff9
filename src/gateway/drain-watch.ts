/**
 * Watches whether a congested client takes the bytes that wait for it, fast enough for the memory that they hold: a
 * client that takes a byte now and then would hold it for ever.
 */
export interface DrainLimits {
  /** The client is judged once in each such period. */
  readonly stallMs: number;
  /** The least rate, as an average over `stallMs`; 0: one byte in `stallMs`. */
  readonly minDrainBytesPerSecond: number;
}

export class DrainWatch {
  readonly #limits: DrainLimits;
  readonly #onStalled: () => void;
  #taken = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: DrainLimits, onStalled: () => void) {
    this.#limits = limits;
    this.#onStalled = onStalled;
  }

  begin(): void {
    this.#taken = 0;
    this.#timer ??= setInterval(() => this.#judge(), this.#limits.stallMs);
  }

  took(bytes: number): void {
    this.#taken += bytes;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #judge(): void {
    const { stallMs, minDrainBytesPerSecond } = this.#limits;
    const least = Math.max(1, (minDrainBytesPerSecond * stallMs) / 1000);
    if (this.#taken < least) this.#onStalled();
    this.#taken = 0;
  }
}
