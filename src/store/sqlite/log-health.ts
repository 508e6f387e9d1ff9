import { BusError } from '../../protocol/errors.js';
import { isStoreFault, storeError } from './driver/store-errors.js';

/**
 * Whether a log may be gone on with. Whatever SQLite or the file system says ends it until it is opened again, and the first
 * such error is kept, to answer everything with from then on. A full disk ends nothing, nor does a damaged page, outside of a
 * batch: what had been begun there is taken back, and other pages can be trusted as before.
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

  /** For work outside of a batch. A damaged row or page, or a caller's own error, ends nothing. */
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
