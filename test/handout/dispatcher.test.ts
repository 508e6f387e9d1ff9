import { describe, expect, it } from 'vitest';
import { type Dispatched, Dispatcher } from '../../src/handout/dispatcher.js';
import { Turn } from '../../src/handout/turn.js';
import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../../src/protocol/limits.js';

/** A clock that stands still but for what is worked on, an event loop that goes round when it is told to, and a supply without end. */
function setUp() {
  let time = 0;
  const rounds: (() => void)[] = [];
  const turn = new Turn(() => time);
  const dispatcher = new Dispatcher(() => {}, { turn, goRound: (then) => rounds.push(then) });
  let handedOut = 0;
  /** Hands out this many at most, a millisecond each. */
  const supply = (most: number): Dispatched => {
    const one: Dispatched = {
      flush() {
        for (let left = most; left > 0; left--) {
          if (!dispatcher.hasTime()) {
            dispatcher.postpone(one);
            return;
          }
          time++;
          handedOut++;
        }
      },
    };
    return one;
  };
  return {
    dispatcher,
    supply,
    handedOut: () => handedOut,
    goRound: () => {
      for (const then of rounds.splice(0)) then();
    },
    pass: (ms: number) => (time += ms),
  };
}

describe('the turns of a dispatcher', () => {
  it('share their time until the event loop has gone round, however often there is something', () => {
    const { dispatcher, supply, handedOut, goRound } = setUp();
    const doorbell = () => {
      dispatcher.add(supply(3));
      dispatcher.dispatch();
    };
    for (let rung = 0; rung < 100; rung++) doorbell();
    const most = HAND_OUT_TURN_MS + TURN_LOOK_EVENTS_MAX;
    expect(handedOut()).toBeGreaterThanOrEqual(HAND_OUT_TURN_MS);
    expect(handedOut()).toBeLessThanOrEqual(most);
    goRound();
    const before = handedOut();
    dispatcher.dispatch();
    expect(handedOut() - before).toBeGreaterThanOrEqual(HAND_OUT_TURN_MS);
    expect(handedOut() - before).toBeLessThanOrEqual(most);
  });

  it('have their whole time after a pause', () => {
    const { dispatcher, supply, handedOut, goRound, pass } = setUp();
    dispatcher.add(supply(1));
    dispatcher.dispatch();
    goRound();
    pass(10 * HAND_OUT_TURN_MS);
    dispatcher.add(supply(HAND_OUT_TURN_MS));
    dispatcher.dispatch();
    expect(handedOut()).toBe(1 + HAND_OUT_TURN_MS);
  });
});
