import type { FailureCause } from '../protocol/consumers.js';
import { CONSUMER_FAILURES_LENGTH_MAX } from '../protocol/limits/consumers.js';

/**
 * Why the last attempts of open events failed, for people. It is kept in memory alone, so the shard's next thread knows
 * none of it. All consumers of a shard share one memory, which lets go of what failed first. Single-threaded, no I/O.
 */

export interface Failure {
  readonly cause: FailureCause;
  /** The reason that the member gave, or an empty text. */
  readonly reason: string;
  /** Monotonic ms. */
  readonly at: number;
}

interface Note extends Failure {
  readonly owner: Failures;
  readonly sequence: number;
}

/** What a note counts for besides the characters of its reason. */
const NOTE_LENGTH = 100;

export class FailureMemory {
  readonly #lengthMax: number;
  /** The one that failed first comes first. */
  readonly #notes = new Set<Note>();
  #length = 0;

  /** @param lengthMax characters; each failure counts for 100 besides its reason */
  constructor(lengthMax = CONSUMER_FAILURES_LENGTH_MAX) {
    this.#lengthMax = lengthMax;
  }

  add(note: Note): void {
    this.#notes.add(note);
    this.#length += lengthOf(note);
    while (this.#length > this.#lengthMax) {
      const [oldest] = this.#notes;
      oldest!.owner.forget(oldest!.sequence);
    }
  }

  remove(note: Note): void {
    if (this.#notes.delete(note)) this.#length -= lengthOf(note);
  }
}

/** Those of one consumer. */
export class Failures {
  readonly #memory: FailureMemory;
  readonly #notes = new Map<number, Note>();

  constructor(memory: FailureMemory) {
    this.#memory = memory;
  }

  of(sequence: number): Failure | undefined {
    return this.#notes.get(sequence);
  }

  note(sequence: number, failure: Failure): void {
    this.forget(sequence);
    const note = { ...failure, owner: this, sequence };
    this.#notes.set(sequence, note);
    this.#memory.add(note);
  }

  forget(sequence: number): void {
    // Nearly always there is none, and this is asked for each event that is done.
    if (this.#notes.size === 0) return;
    const note = this.#notes.get(sequence);
    if (note === undefined) return;
    this.#notes.delete(sequence);
    this.#memory.remove(note);
  }

  clear(): void {
    for (const note of this.#notes.values()) this.#memory.remove(note);
    this.#notes.clear();
  }
}

function lengthOf({ reason }: Note): number {
  return NOTE_LENGTH + reason.length;
}
