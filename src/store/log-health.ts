import { BusError } from '../protocol/errors.js';
import { isStoreFault, storeError } from './store-errors.js';

/**
 * Whether a log may be gone on with. Whatever SQLite or the file system says, but for a full disk, ends it until it is opened
 * again: the first such error is kept, and is what everything is answered with from then on.
 */
export class LogHealth {
  readonly #file: string;
  #broken: BusError | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** What made the log unusable. */
  get broken(): BusError | undefined {
    return this.#broken;
  }

  /** A damaged row or a caller's own error ends nothing. */
  guard<T>(doing: string, work: () => T): T {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      return work();
    } catch (error) {
      if (!isStoreFault(error)) throw error;
      throw this.judge(error, doing);
    }
  }

  /** The error in the one form that others are told; it ends the log, unless there was no room. */
  judge(error: unknown, doing: string): BusError {
    const failure = storeError(error, this.#file, doing);
    if (failure.code !== 'STORE_FULL') this.#broken ??= failure;
    return failure;
  }

  /** Want of room ends it too: what was being done may not be left half done. */
  end(error: unknown, doing: string): BusError {
    const { message } = storeError(error, this.#file, doing);
    const failure = new BusError('STORE_FAILED', message, { cause: error });
    this.#broken ??= failure;
    return failure;
  }
}
