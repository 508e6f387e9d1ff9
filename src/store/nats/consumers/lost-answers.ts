import { closedError } from '../nats-faults.js';
import type { NatsLink } from '../nats-link.js';

/** Ends the waiting for answers that cannot come any more, because their connection is gone. */
export class LostAnswers {
  readonly #waiting = new Set<() => void>();

  constructor(link: NatsLink) {
    const lose = (): void => this.lose();
    link.watch({ onDown: lose, onFailure: lose });
  }

  await<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const lose = (): void => reject(closedError());
      this.#waiting.add(lose);
      answer.then(resolve, reject).finally(() => this.#waiting.delete(lose));
    });
  }

  lose(): void {
    for (const lose of this.#waiting) lose();
    this.#waiting.clear();
  }
}
