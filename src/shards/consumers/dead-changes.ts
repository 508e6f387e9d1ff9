/** What the turn changes in the rows of a consumer's dead events; stored with the batch. */
import type { DeadCause } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import {
  type DeadState,
  LETTER_DUE,
  LETTER_SENT,
  NO_LETTER_WANTED,
  REDRIVEN,
  type ShardConsumers,
  type StoredDeadEvent,
} from '../../store/consumer-states.js';

export interface Death {
  readonly sequence: number;
  readonly attempts: number;
  readonly cause: DeadCause;
  readonly reason: string;
}

/** Stands for the removal of a row. */
const GONE = -1;
export type DeadChange = DeadState | typeof GONE;

export class DeadChanges {
  readonly #consumer: string;
  readonly #store: ShardConsumers;
  #deaths: Death[] = [];
  readonly #states = new Map<number, DeadChange>();

  constructor(consumer: string, store: ShardConsumers) {
    this.#consumer = consumer;
    this.#store = store;
  }

  get hasAny(): boolean {
    return this.#deaths.length > 0 || this.#states.size > 0;
  }

  /** What the row of an event says, with the changes of the turn; undefined: it is neither dead nor redriven. */
  stateOf(sequence: number): DeadState | undefined {
    const changed = this.#states.get(sequence);
    if (changed !== undefined) return changed === GONE ? undefined : changed;
    return this.#store.deadState(this.#consumer, sequence);
  }

  /** Dead, and not open again. */
  isDead(sequence: number): boolean {
    const state = this.stateOf(sequence);
    return state !== undefined && state !== REDRIVEN;
  }

  died(death: Death): void {
    this.#deaths.push(death);
  }

  redriven(sequence: number): void {
    this.#states.set(sequence, REDRIVEN);
  }

  /** The consumer has come to the event once more, after a `seek`: a dead one is open now, as a redriven one is. */
  comesAgain(sequence: number): void {
    if (this.isDead(sequence)) this.redriven(sequence);
  }

  /** `times`: of which of its deaths the letter tells. */
  letterSent(sequence: number, times: number): void {
    if (this.#isDue(sequence, times)) this.#states.set(sequence, LETTER_SENT);
  }

  /** No letter is wanted, or it can never be published. */
  letterKept(sequence: number, times: number): void {
    if (this.#isDue(sequence, times)) this.#states.set(sequence, NO_LETTER_WANTED);
  }

  /** The letter of this death: the event may have been redriven meanwhile, and have died again. */
  #isDue(sequence: number, times: number): boolean {
    if (this.stateOf(sequence) !== LETTER_DUE) return false;
    return this.#rowOf(sequence)?.times === times;
  }

  /** Undefined also for a row that is damaged: a death writes it anew, and nothing else of it can be said. */
  #rowOf(sequence: number): StoredDeadEvent | undefined {
    try {
      return this.#store.deadAt(this.#consumer, sequence);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      return undefined;
    }
  }

  /** The event is done, or lost: it is not dead any more, and not to be redriven. */
  over(sequence: number): void {
    if (this.stateOf(sequence) !== undefined) this.#states.set(sequence, GONE);
  }

  /** What the turn changes in the row of an event, for `restore`. */
  changeOf(sequence: number): DeadChange | undefined {
    return this.#states.get(sequence);
  }

  /** Takes `over` back: the batch of which it was a part is refused. */
  restore(sequence: number, change: DeadChange | undefined): void {
    if (change === undefined) this.#states.delete(sequence);
    else this.#states.set(sequence, change);
  }

  /**
   * The consumer is moved: redriven events are dead again, without another letter, until it comes to them. One that has
   * died in this turn keeps its letter, as deaths are put last.
   */
  forgetRedriven(): void {
    const stored = this.#store.redriven(this.#consumer);
    for (const sequence of [...this.#states.keys(), ...stored]) {
      if (this.stateOf(sequence) === REDRIVEN) this.#states.set(sequence, NO_LETTER_WANTED);
    }
  }

  /** Puts all changes into the open batch. */
  put(wantsLetter: boolean, diedAt: number): void {
    const consumer = this.#consumer;
    for (const [sequence, state] of this.#states) {
      if (state === GONE) this.#store.removeDead(consumer, sequence);
      else this.#store.changeDead(consumer, sequence, state);
    }
    const state = wantsLetter ? LETTER_DUE : NO_LETTER_WANTED;
    for (const death of this.#deaths) {
      const times = (this.#rowOf(death.sequence)?.times ?? 0) + 1;
      this.#store.putDead({ consumer, diedAt, times, state, ...death });
    }
  }

  /** Returns the sequences of the events that have died. */
  committed(): number[] {
    const died = this.#deaths.map(({ sequence }) => sequence);
    this.#deaths = [];
    this.#states.clear();
    return died;
  }
}
