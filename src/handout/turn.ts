/**
 * The time that all handlers and iterators of a thread together may take at a stretch, before its timers and sockets
 * get theirs. Used by one thread.
 */
import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../protocol/limits/endpoint.js';

export class Turn {
  readonly #now: () => number;
  #until = 0;
  #hasEnded = false;
  /** `#left`: calls of `hasTime` until the clock is read. `#stride`: calls between that reading and the next. */
  #left = 1;
  #stride = 1;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  begin(): void {
    this.#until = this.#now() + HAND_OUT_TURN_MS;
    this.#hasEnded = false;
    // The first call of `hasTime` does not read the clock, so every turn hands out at least one event.
    this.#left = 2;
    this.#stride = 1;
  }

  /** `hasTime` has returned false in this turn. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * To be called before each event is handed out. The clock is read before the 2nd, 4th, 8th and 16th event, then
   * before each 16th: reading it costs a few per cent of handing out an event.
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
