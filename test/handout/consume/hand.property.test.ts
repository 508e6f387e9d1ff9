/** The events that a member has in hand, beside a model that is a plain list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hand, type Held } from '../../../src/handout/consume/hand.js';

class Event implements Held {
  isLost = false;
  state: Held['state'] = 'waiting';
  deadline = 0;
  constructor(
    readonly number: number,
    readonly isAlone: boolean,
  ) {}
}

const PLACE = fc.nat(63);
const STEP = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('alone' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('begin' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), at: PLACE }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const), at: PLACE }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('resize' as const),
      to: fc.integer({ min: 1, max: 8 }),
    }),
  },
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/** A hand, and what it should hold: all events in the order of their leases. */
class Player {
  readonly hand: Hand<Event>;
  readonly held: Event[] = [];
  #concurrency: number;
  #number = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
    this.hand = new Hand(concurrency);
  }

  get waiting(): Event[] {
    return this.held.filter(({ state }) => state === 'waiting');
  }

  get begun(): Event[] {
    return this.held.filter(({ state }) => state === 'begun');
  }

  get isAlone(): boolean {
    return this.held.some(({ isAlone }) => isAlone);
  }

  play(step: Step): void {
    const { hand } = this;
    if (step.do === 'add') {
      // Whoever has an event that goes out alone gets no other.
      if (!this.isAlone) this.#add(false);
    } else if (step.do === 'alone') {
      if (this.isAlone) return;
      for (const late of hand.latest()) this.#remove(late);
      this.#add(true);
    } else if (step.do === 'begin') {
      const next = hand.next();
      expect(next).toBe(this.expectedNext());
      if (next !== undefined) hand.begin(next);
    } else if (step.do === 'resize') {
      this.#concurrency = step.to;
      hand.resize(step.to);
    } else if (this.held.length > 0) {
      const event = this.held[step.at % this.held.length]!;
      if (step.do === 'remove') this.#remove(event);
      else event.isLost = true;
    }
  }

  expectedNext(): Event | undefined {
    const [first] = this.waiting;
    if (first === undefined || this.begun.length >= this.#concurrency) return undefined;
    // An event that goes out alone waits for all others but those whose leases are lost.
    if (this.isAlone && this.begun.some(({ isLost }) => !isLost)) return undefined;
    return first;
  }

  assertSound(): void {
    const { hand, waiting, begun } = this;
    expect([hand.waiting, hand.begun]).toEqual([waiting.length, begun.length]);
    expect(hand.isEmpty).toBe(this.held.length === 0);
    expect(hand.isAlone).toBe(this.isAlone);
    expect(hand.isMoot).toBe(waiting.length === 0 && begun.every(({ isLost }) => isLost));
    expect(hand.all().slice(begun.length)).toEqual(waiting);
    expect(new Set(hand.atWork())).toEqual(new Set(begun));
    for (const kept of [0, 1, 3]) {
      expect(hand.latest(kept)).toEqual(waiting.slice(kept).reverse());
    }
    expect(this.held.filter((event) => hand.find((one) => one === event) !== event)).toEqual([]);
    expect(hand.find(() => false)).toBeUndefined();
  }

  #add(isAlone: boolean): void {
    const event = new Event(this.#number++, isAlone);
    this.held.push(event);
    this.hand.add(event);
  }

  #remove(event: Event): void {
    this.hand.remove(event);
    expect(event.state).toBe('over');
    this.held.splice(this.held.indexOf(event), 1);
  }
}

describe('a hand', () => {
  it('begins events in the order of their leases, as many as it may, and one alone where it has to', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(STEP, { maxLength: 120, size: 'max' }),
        (concurrency, steps) => {
          const player = new Player(concurrency);
          for (const step of steps) {
            player.play(step);
            player.assertSound();
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
