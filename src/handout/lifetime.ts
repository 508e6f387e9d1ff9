/**
 * The two promises of whatever becomes ready and comes to an end. An end without a failure settles both: nobody waits for ever.
 * Nobody has to look at them: a rejection is nobody's unhandled one.
 */
export class Lifetime {
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  #resolveReady!: () => void;
  #rejectReady!: (error: Error) => void;
  #resolveClosed!: () => void;
  #rejectClosed!: (error: Error) => void;

  constructor() {
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.closed = new Promise((resolve, reject) => {
      this.#resolveClosed = resolve;
      this.#rejectClosed = reject;
    });
    this.ready.catch(() => {});
    this.closed.catch(() => {});
  }

  begin(): void {
    this.#resolveReady();
  }

  end(failure?: Error): void {
    if (failure === undefined) {
      this.#resolveReady();
      this.#resolveClosed();
    } else {
      this.#rejectReady(failure);
      this.#rejectClosed(failure);
    }
  }
}
