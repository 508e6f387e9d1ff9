import { afterOthers } from './after-others.js';
import { Turn } from './turn.js';

/**
 * Shares a thread's time among its subscriptions with events to hand out. A turn begins with the first event that is
 * handed out, and is over when the event loop has gone round. All subscriptions share the time of a turn; those that
 * got none come first in the next. Used by one thread.
 */

export interface Dispatched {
  /** Hands out events as far as they are taken and there is time. */
  flush(): void;
}

/** The dispatcher, as a subscription's pump sees it. */
export interface Turns {
  /** To be asked before each event is handed out. */
  hasTime(): boolean;
  /** To be called when there was no time: calls `flush` in the next turn. */
  postpone(one: Dispatched): void;
}

export interface DispatcherOptions {
  /**
   * Arranges for `dispatch` to be called in the next round of the event loop. Default: the dispatcher does so itself.
   */
  readonly again?: () => void;
  /** Makes calls, in order, once timers and sockets have had their time. Default: `afterOthers`. */
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

  /** Adds one that has something to hand out; `dispatch` will flush it. */
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

  /** Flushes those that wait, as far as there is time. */
  dispatch(): void {
    for (const one of this.#waiting) {
      if (this.#isUnderWay && this.#turn.hasEnded) {
        // Time ran out before all were flushed. This call was the only one asked for, so another is needed.
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
