/**
 * The two promises of an object that becomes ready and later ends. The end settles both, so that no code waits for
 * ever. A rejection that no code handles is not reported as unhandled.
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
