/** The places of one shard beside others that stand still, against a plain count. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GATE_RETRY_MS, GATE_WAIT_MS } from '../../../../src/protocol/limits/consumers.js';
import { SHARDS_MAX } from '../../../../src/protocol/limits/shards.js';
import { InFlight } from '../../../../src/shards/consumers/gates/in-flight.js';

const WAITING = 2 ** 30;
const SHARD = 1;
/** The shards beside it; the others have nothing. */
const OTHERS = [0, 2, 3];

interface Other {
  readonly has: number;
  readonly waits: boolean;
}

/** Follows the rules of the shares; nothing else happens meanwhile. */
class Model {
  reserved = 0;
  waits = false;
  yieldsUntil = 0;

  constructor(readonly others: readonly Other[]) {}

  get isShared(): boolean {
    return this.others.some(({ has, waits }) => has > 0 || waits);
  }

  room(wanted: number, leased: number, max: number, now: number): number {
    if (wanted <= 0) {
      this.waits = false;
      return 0;
    }
    let room = this.#look(wanted, leased, max, now);
    // It says that it waits, and looks once more.
    if (room < wanted && !this.waits) room += this.#look(wanted - room, leased + room, max, now);
    this.waits = room < wanted;
    return room;
  }

  #look(wanted: number, leased: number, max: number, now: number): number {
    const free = max - leased - this.others.reduce((all, { has }) => all + has, 0);
    const most = this.others.some(({ waits }) => waits)
      ? Math.min(wanted, this.#fair(leased, max, now))
      : wanted;
    const mayTake = most > 0 && now >= this.yieldsUntil;
    const room = mayTake ? Math.max(0, Math.min(most, free)) : 0;
    this.reserved = Math.max(this.reserved, leased + room);
    return room;
  }

  /** What it may take where others wait; one that is over its share and has places to give leaves them for a while. */
  #fair(leased: number, max: number, now: number): number {
    const present = this.others.filter(({ has, waits }) => has > 0 || waits);
    const share = Math.floor(max / (present.length + 1));
    const isOver = this.reserved > share;
    const poorest = Math.min(...present.filter(({ waits }) => waits).map(({ has }) => has));
    const most = (!isOver && poorest >= share ? share + 1 : share) - leased;
    if (most <= 0 && isOver && leased < this.reserved) {
      this.yieldsUntil = now + 2 * GATE_RETRY_MS;
    }
    return most;
  }

  looksAt(now: number): number {
    if (!this.waits || !this.isShared) return Number.POSITIVE_INFINITY;
    return this.yieldsUntil > now ? this.yieldsUntil : now + GATE_WAIT_MS;
  }

  get word(): number {
    return this.reserved + (this.waits ? WAITING : 0);
  }
}

const other = fc.record({ has: fc.nat(4), waits: fc.boolean() });
const step = fc.record({
  does: fc.constantFrom('lease', 'lease', 'lease', 'end', 'store', 'store'),
  count: fc.integer({ min: 0, max: 5 }),
  max: fc.integer({ min: 1, max: 12 }),
  ms: fc.nat(2 * GATE_RETRY_MS),
});

describe('the places of a shard beside others', () => {
  it('are what is free, and no more than its share where others wait', () => {
    fc.assert(
      fc.property(
        fc.array(other, { minLength: 3, maxLength: 3 }),
        fc.nat(5),
        fc.nat(4),
        fc.array(step, { maxLength: 20 }),
        (others, before, kept, steps) => {
          const words = new Int32Array(new SharedArrayBuffer(4 * SHARDS_MAX));
          for (const [at, { has, waits }] of others.entries()) {
            words[OTHERS[at]!] = has + (waits ? WAITING : 0);
          }
          words[SHARD] = before;
          const waiting = OTHERS.filter((shard) => words[shard]! >= WAITING);
          let rung: number[] = [];
          const model = new Model(others);
          /** Those that wait are rung once if it has fewer places, or waits no more. */
          const expectRung = (was: number): void => {
            const hasFewer = model.word % WAITING < was % WAITING;
            const isSaved = was >= WAITING && model.word < WAITING;
            expect(words[SHARD]).toBe(model.word);
            expect(rung).toEqual(hasFewer || isSaved ? waiting : []);
            rung = [];
          };
          model.reserved = kept;
          const places = new InFlight(words, SHARD, kept, (shard) => rung.push(shard));
          expectRung(before);
          let leased = kept;
          let now = 0;
          for (const { does, count, max, ms } of steps) {
            now += ms;
            const was = model.word;
            if (does === 'lease') {
              const room = model.room(count, leased, max, now);
              expect(places.room(count, leased, max, now)).toBe(room);
              leased += room;
            } else if (does === 'end') leased = Math.max(0, leased - count);
            else {
              model.reserved = leased;
              places.stored(leased);
            }
            expect([places.isWaiting, places.looksAt(now)]).toEqual([
              model.waits,
              model.looksAt(now),
            ]);
            expectRung(was);
          }
          const was = model.word;
          model.reserved = 0;
          model.waits = false;
          places.end();
          expectRung(was);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('are given back as far as another shard has taken them at the same time', () => {
    const words = new Int32Array(new SharedArrayBuffer(4 * SHARDS_MAX));
    const places = new InFlight(words, SHARD, 1, () => {});
    const store = Atomics.store;
    let taken = 0;
    Atomics.store = ((...args: Parameters<typeof store>) => {
      const value = store(...args);
      // The other shard has looked before this one wrote that it takes all.
      if (taken++ === 0) store(words, 2, 3);
      return value;
    }) as typeof store;
    try {
      expect(places.room(9, 1, 6, 0)).toBe(2);
    } finally {
      Atomics.store = store;
    }
    expect(words[SHARD]).toBe(3 + WAITING);
  });
});
