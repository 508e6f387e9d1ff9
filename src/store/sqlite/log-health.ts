import { BusError } from '../../protocol/errors.js';
import { isStoreFault, storeError } from './driver/store-errors.js';

/**
 * Tracks whether a log is still usable. An error of SQLite or the file system makes it unusable until it is opened
 * again; the first such error is kept and answers every later call. A full disk does not end the log. Nor does a
 * damaged page outside a batch: the work there is undone, and other pages can be trusted as before.
 */
export class LogHealth {
  readonly #file: string;
  #broken: BusError | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** The error that made the log unusable. */
  get broken(): BusError | undefined {
    return this.#broken;
  }

  /** Runs work outside a batch. A damaged row or page, or an error of our own code, does not end the log. */
  guard<T>(doing: string, work: () => T): T {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      return work();
    } catch (error) {
      if (!isStoreFault(error)) throw error;
      const failure = storeError(error, this.#file, doing);
      throw failure.code === 'STORE_CORRUPT' ? failure : this.judge(failure, doing);
    }
  }

  /** Turns an error into the `BusError` for callers, and ends the log unless it is `STORE_FULL`. */
  judge(error: unknown, doing: string): BusError {
    const failure = storeError(error, this.#file, doing);
    if (failure.code !== 'STORE_FULL') this.#broken ??= failure;
    return failure;
  }

  /**
   * Ends the log for any error, even for want of room, because the work may not be left half done.
   * @returns the `BusError`
   */
  end(error: unknown, doing: string): BusError {
    const { message } = storeError(error, this.#file, doing);
    const failure = new BusError('STORE_FAILED', message, { cause: error });
    this.#broken ??= failure;
    return failure;
  }
}
