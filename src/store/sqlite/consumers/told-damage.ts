import type { BusError } from '../../../protocol/errors.js';
import { storeError } from '../driver/store-errors.js';

/** Looks past damaged rows, and tells each fault once. */
export class ToldDamage {
  readonly #file: string;
  readonly #max: number;
  readonly #told = new Set<string>();

  /** Remembers at most `max` faults; one of more than these may be told again. */
  constructor(file: string, max: number) {
    this.#file = file;
    this.#max = max;
  }

  /** What `work` gives; `undefined` where it comes to damage. @throws what `work` throws otherwise */
  lookPast<T>(work: () => T, onDamage: (error: BusError) => void): T | undefined {
    try {
      return work();
    } catch (error) {
      const damage = storeError(error, this.#file, 'reading');
      if (damage.code !== 'STORE_CORRUPT') throw error;
      if (this.#told.has(damage.message)) return undefined;
      if (this.#told.size >= this.#max) this.#told.clear();
      this.#told.add(damage.message);
      onDamage(damage);
      return undefined;
    }
  }
}
