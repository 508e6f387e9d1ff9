import { afterOthers } from './after-others.js';
import { Turn } from './turn.js';

/**
 * Gives those of a thread who have something to hand out their turns. A turn begins with the first event that is handed out, and
 * is over when the event loop has gone round: all that is handed out in one round shares its time, and whoever had none of it
 * comes first in the next one. Used by one thread.
 */

export interface Dispatched {
  /** Hands out what there is, as far as it is taken and there is time. */
  flush(): void;
}

/** As those who hand out see it. */
export interface Turns {
  /** To be asked before each event is handed out. */
  hasTime(): boolean;
  /** There was no time: `flush` is called in the next turn. */
  postpone(one: Dispatched): void;
}

export interface DispatcherOptions {
  /** Sees to it that `dispatch` is called in the next round. Default: the dispatcher does so itself. */
  readonly again?: () => void;
  /** Calls once timers and sockets have had their time, in the order in which it was asked. Default: `afterOthers`. */
  readonly goRound?: (then: () => void) => void;
  readonly turn?: Turn;
}

export class Dispatcher implements Turns {
  readonly #turn: Turn;
  readonly #again: () => void;
  readonly #goRound: (then: () => void) => void;
  readonly #waiting = new Set<Dispatched>();
  #isUnderWay = false;
  #isScheduled = false;

  constructor({ again, goRound = afterOthers, turn = new Turn() }: DispatcherOptions = {}) {
    this.#again = again ?? this.#schedule;
    this.#goRound = goRound;
    this.#turn = turn;
  }

  /** This one has something to hand out. */
  add(one: Dispatched): void {
    this.#waiting.add(one);
  }

  hasTime(): boolean {
    if (!this.#isUnderWay) this.#begin();
    return this.#turn.hasTime();
  }

  postpone(one: Dispatched): void {
    this.#waiting.add(one);
    this.#again();
  }

  /** Those who wait hand out as much as there is time for. */
  dispatch(): void {
    for (const one of this.#waiting) {
      if (this.#isUnderWay && this.#turn.hasEnded) {
        // A round may be over and a turn have begun again before this call, which was all that had been asked for.
        this.#again();
        return;
      }
      this.#waiting.delete(one);
      one.flush();
    }
  }

  #begin(): void {
    this.#isUnderWay = true;
    this.#turn.begin();
    this.#goRound(this.#over);
  }

  readonly #over = (): void => {
    this.#isUnderWay = false;
  };

  readonly #schedule = (): void => {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#goRound(() => {
      this.#isScheduled = false;
      this.dispatch();
    });
  };
}
