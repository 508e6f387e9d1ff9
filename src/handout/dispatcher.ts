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
  readonly #goRound: ((then: () => void) => void) | undefined;
  readonly #waiting = new Set<Dispatched>();
  #isUnderWay = false;

  /**
   * `again` asks for a call of `dispatch` once whatever else the thread has to do has had its time. `goRound` calls once the event
   * loop has gone round: until then all calls of `dispatch` share one turn. Default: each of them is a turn.
   */
  constructor(
    again: () => void,
    { goRound, turn = new Turn() }: { goRound?: (then: () => void) => void; turn?: Turn } = {},
  ) {
    this.#again = again;
    this.#goRound = goRound;
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

  /** Those who wait hand out as much as there is time for. */
  dispatch(): void {
    this.#begin();
    for (const one of this.#waiting) {
      if (this.#turn.hasEnded) return;
      this.#waiting.delete(one);
      one.flush();
    }
  }

  #begin(): void {
    if (this.#isUnderWay) return;
    this.#turn.begin();
    if (this.#goRound === undefined || this.#waiting.size === 0) return;
    this.#isUnderWay = true;
    this.#goRound(this.#over);
  }

  readonly #over = (): void => {
    this.#isUnderWay = false;
  };
}
