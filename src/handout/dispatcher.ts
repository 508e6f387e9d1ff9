import { Turn } from './turn.js';

/**
 * Gives those of a thread who have something to hand out their turns. All share the time of a turn; whoever had none of it comes
 * first in the next one. Used by one thread.
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

export class Dispatcher implements Turns {
  readonly #turn: Turn;
  readonly #again: () => void;
  readonly #waiting = new Set<Dispatched>();

  /** `again` asks for a call of `dispatch` once whatever else the thread has to do has had its time. */
  constructor(again: () => void, turn = new Turn()) {
    this.#again = again;
    this.#turn = turn;
  }

  /** Somebody waits for a turn. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** This one has something to hand out. */
  add(one: Dispatched): void {
    this.#waiting.add(one);
  }

  hasTime(): boolean {
    return this.#turn.hasTime();
  }

  postpone(one: Dispatched): void {
    this.#waiting.add(one);
    this.#again();
  }

  /** A turn begins: those who wait hand out as much as there is time for. */
  dispatch(): void {
    this.#turn.begin();
    for (const one of this.#waiting) {
      if (this.#turn.hasEnded) return;
      this.#waiting.delete(one);
      one.flush();
    }
  }
}
