/**
 * The time that handlers and iterators may take at a stretch, all of a thread's together, before its timers and sockets have
 * theirs. Used by one thread.
 */
import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../protocol/limits.js';

export class Turn {
  readonly #now: () => number;
  #until = 0;
  #hasEnded = false;
  /** Events until the clock is looked at, and after that until it is the next time. */
  #left = 1;
  #stride = 1;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  begin(): void {
    this.#until = this.#now() + HAND_OUT_TURN_MS;
    this.#hasEnded = false;
    // However slow the first look comes: every turn takes one event.
    this.#left = 2;
    this.#stride = 1;
  }

  /** Somebody was told that there is no time left. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * To be asked for each event before it is handed out. The clock is looked at before the 2nd, 4th, 8th and 16th, then each 16th:
   * a look costs a few per cent of what it takes to hand out an event.
   */
  hasTime(): boolean {
    if (--this.#left > 0) return true;
    if (this.#hasEnded || this.#now() >= this.#until) {
      this.#hasEnded = true;
      this.#left = 1;
      return false;
    }
    this.#stride = Math.min(this.#stride * 2, TURN_LOOK_EVENTS_MAX);
    this.#left = this.#stride;
    return true;
  }
}
