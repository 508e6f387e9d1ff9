/** Promises for conditions. Code that changes the state behind a condition calls `wake`. Used by one thread. */
interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

export class Waiters {
  #waiters: Waiter[] = [];

  /** Resolves once the condition holds. It is checked at once, as no later `wake` may come if it holds already. */
  when(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isDone, resolve }));
  }

  wake(): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter(({ isDone, resolve }) => {
      if (!isDone()) return true;
      resolve();
      return false;
    });
  }
}
