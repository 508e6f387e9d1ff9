import { EXIT_FAILED } from './failure.js';

/** SIGTERM and SIGINT as a promise. The first signal asks for an orderly end; a second ends the process at once. */
export class ShutdownSignal {
  readonly received: Promise<void>;
  /** The signal that was received, if one was. */
  name: NodeJS.Signals | undefined;
  #receive: () => void = () => {};

  constructor() {
    this.received = new Promise((resolve) => {
      this.#receive = resolve;
    });
    process.on('SIGTERM', this.#onSignal);
    process.on('SIGINT', this.#onSignal);
  }

  dispose(): void {
    process.off('SIGTERM', this.#onSignal);
    process.off('SIGINT', this.#onSignal);
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.name !== undefined) process.exit(EXIT_FAILED);
    this.name = name;
    this.#receive();
  };
}
