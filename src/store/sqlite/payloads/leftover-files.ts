import { PAYLOAD_LEFTOVERS_MAX } from '../../../protocol/limits/store.js';

/**
 * Files of batches whose commit failed. SQLite may yet find such a commit in the write-ahead log, as long as no later
 * one has taken its place: until then the files stay.
 */
export class LeftoverFiles {
  readonly #hashes = new Set<string>();
  #isPast = false;
  #isOverfull = false;

  /** There were more than it remembers. The next opening finds the others. */
  get isOverfull(): boolean {
    return this.#isOverfull;
  }

  /** A later batch is committed, and the files may go once that is flushed. */
  get isDue(): boolean {
    return this.#isPast && this.#hashes.size > 0;
  }

  has(hash: string): boolean {
    return this.#hashes.has(hash);
  }

  /** Whether it is one of them, as far as that is remembered. */
  mayHave(hash: string): boolean {
    return this.#isOverfull || this.#hashes.has(hash);
  }

  /** A later commit has not taken the place of the failed one yet. */
  isHeld(hash: string): boolean {
    return !this.#isPast && this.mayHave(hash);
  }

  add(hash: string): void {
    this.#isPast = false;
    if (this.#hashes.size < PAYLOAD_LEFTOVERS_MAX) this.#hashes.add(hash);
    else this.#isOverfull = true;
  }

  noteCommit(): void {
    this.#isPast = true;
  }

  /** Takes some of them. Call it if they are due. */
  take(limit: number): string[] {
    const taken = [...this.#hashes].slice(0, limit);
    for (const hash of taken) this.#hashes.delete(hash);
    return taken;
  }
}
