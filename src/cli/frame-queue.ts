import type { Result } from '../protocol/wire.js';

/**
 * Passes the frames of one long answer from the connection to the command. Only one call of `next` may wait at a time.
 */
export class FrameQueue {
  readonly #frames: Result[] = [];
  #failure: Error | undefined;
  #wake: () => void = () => {};

  get length(): number {
    return this.#frames.length;
  }

  push(frame: Result): void {
    this.#frames.push(frame);
    this.#wake();
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#wake();
  }

  /** The next frame; after `timeoutMs` without one, `onTimeout()` is thrown. */
  async next(timeoutMs: number, onTimeout: () => Error): Promise<Result> {
    if (this.#frames.length === 0 && this.#failure === undefined) await this.#wait(timeoutMs);
    const frame = this.#frames.shift();
    if (frame !== undefined) return frame;
    throw this.#failure ?? onTimeout();
  }

  async #wait(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }
}
