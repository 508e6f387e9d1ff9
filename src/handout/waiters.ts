/** Promises for conditions. Whoever changes what a condition looks at calls `wake`; one thread. */
interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

export class Waiters {
  #waiters: Waiter[] = [];

  /** The condition is looked at here and now first: what made it true before may not come again. */
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
