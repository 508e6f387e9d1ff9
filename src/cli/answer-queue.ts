import type { ServerFrame } from '../protocol/wire.js';

export type Answer = Exclude<ServerFrame, { type: 'error' }>;

/**
 * The frames that answer one request: one for most, several for a long list. One waits at a time.
 */
export class AnswerQueue {
  readonly #answers: Answer[] = [];
  #failure: Error | undefined;
  #wake: () => void = () => {};

  get length(): number {
    return this.#answers.length;
  }

  push(answer: Answer): void {
    this.#answers.push(answer);
    this.#wake();
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#wake();
  }

  /** The next frame; after `timeoutMs` without one, `onTimeout()` is thrown. */
  async next(timeoutMs: number, onTimeout: () => Error): Promise<Answer> {
    if (this.#answers.length === 0 && this.#failure === undefined) {
      await this.#wait(timeoutMs);
    }
    const answer = this.#answers.shift();
    if (answer !== undefined) return answer;
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
