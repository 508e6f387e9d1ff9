import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../../../src/protocol/limits/endpoint.js';

/** How long the handler works on an event, at least, by the clock that measures turns. */
const BUSY_MS = 1;
/** No more events than this may be worked on between two turns of the event loop. */
export const EVENTS_A_TURN_MAX = HAND_OUT_TURN_MS / BUSY_MS + TURN_LOOK_EVENTS_MAX;

/** A handler that keeps its thread busy, and records its events in `seen`. */
export class Worked<E, S> {
  readonly all: S[] = [];
  longest = 0;
  readonly #seen: (event: E) => S;
  #sinceTurn = 0;
  #isOver = false;

  constructor(seen: (event: E) => S) {
    this.#seen = seen;
  }

  /** Turns with the event loop, and counts the events handled between two turns. */
  watch(): void {
    setImmediate(() => {
      this.#sinceTurn = 0;
      if (!this.#isOver) this.watch();
    });
  }

  readonly one = (event: E): void => {
    const end = performance.now() + BUSY_MS;
    while (performance.now() < end);
    this.all.push(this.#seen(event));
    this.longest = Math.max(this.longest, ++this.#sinceTurn);
  };

  stop(): void {
    this.#isOver = true;
  }
}
