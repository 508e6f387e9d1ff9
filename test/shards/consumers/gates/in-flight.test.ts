import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { GATE_WAIT_MS } from '../../../../src/protocol/limits/consumers.js';
import { SHARDS_MAX } from '../../../../src/protocol/limits/shards.js';
import { InFlight } from '../../../../src/shards/consumers/gates/in-flight.js';

const words = () => new Int32Array(new SharedArrayBuffer(4 * SHARDS_MAX));

/** A shard that leases whatever it may, and whose leases end. Its thread may die: then what was not stored never was. */
class Shard {
  leased = 0;
  stored = 0;
  got = 0;
  /** The shards that it has woken. */
  readonly rung: number[] = [];
  inFlight: InFlight;

  constructor(
    readonly memory: Int32Array,
    readonly number: number,
  ) {
    this.inFlight = new InFlight(memory, number, 0, this.ring);
  }

  readonly ring = (shard: number): void => void this.rung.push(shard);

  lease(wanted: number, max: number, now: number): void {
    const room = this.inFlight.room(wanted, this.leased, max, now);
    expect(room).toBeLessThanOrEqual(wanted);
    this.leased += room;
    this.got += room;
  }

  end(count: number): void {
    this.leased -= Math.min(count, this.leased);
  }

  store(): void {
    this.stored = this.leased;
    this.inFlight.stored(this.leased);
  }

  die(): void {
    this.leased = this.stored;
    this.inFlight = new InFlight(this.memory, this.number, this.stored, this.ring);
  }
}

const step = fc.record({
  shard: fc.nat(2),
  does: fc.constantFrom('lease', 'lease', 'end', 'store', 'store', 'die'),
  count: fc.integer({ min: 1, max: 6 }),
});

describe('the places of a consumer in all shards', () => {
  it('are never more than the limit, whatever shards do and wherever they die', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(step, { maxLength: 80 }),
        (max, steps) => {
          const memory = words();
          const shards = [0, 1, 2].map((number) => new Shard(memory, number));
          for (const [now, { shard: number, does, count }] of steps.entries()) {
            const shard = shards[number]!;
            if (does === 'lease') shard.lease(count, max, now);
            else if (does === 'end') shard.end(count);
            else if (does === 'store') shard.store();
            else shard.die();
            // What a thread has ended may come back with its death until that is stored.
            const most = shards.reduce((all, one) => all + Math.max(one.leased, one.stored), 0);
            expect(most).toBeLessThanOrEqual(max);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('go to the shard that waits, however busy the other one is', () => {
    for (const max of [1, 2, 3, 10]) {
      const memory = words();
      const [one, two] = [new Shard(memory, 0), new Shard(memory, 1)];
      one.lease(100, max, 0);
      one.store();
      for (let now = 1; now < 1000; now++) {
        // The first has a turn each ms; the second looks every fourth.
        for (const shard of now % 4 === 0 ? [one, two] : [one]) {
          shard.end(max);
          shard.lease(100, max, now);
          shard.store();
        }
      }
      expect([max, two.got > one.got / 20]).toEqual([max, true]);
    }
  });

  it('are as many as were wanted, also if another shard gives some up between two looks', () => {
    const memory = words();
    const [one, two] = [new Shard(memory, 0), new Shard(memory, 1)];
    one.lease(5, 6, 0);
    one.store();
    const store = Atomics.store.bind(Atomics);
    const spy = vi.spyOn(Atomics, 'store').mockImplementation(((
      ...word: Parameters<typeof store>
    ) => {
      const value = store(...word);
      // The second has said that it waits.
      if (word[1] === 1 && value >= 2 ** 30 && one.leased > 0) {
        one.end(5);
        one.store();
      }
      return value;
    }) as typeof Atomics.store);
    two.lease(2, 6, 1);
    spy.mockRestore();
    expect([one.leased, two.leased, two.inFlight.isWaiting]).toEqual([0, 2, false]);
  });

  it('wake nobody when a shard below its share looks in vain', () => {
    const memory = words();
    const shards = [0, 1, 2].map((number) => new Shard(memory, number));
    for (const [index, count] of [4, 1, 1].entries()) {
      shards[index]!.lease(count, 6, 0);
      shards[index]!.store();
    }
    for (let now = 1; now < 9; now++) {
      for (const shard of shards.slice(1)) shard.lease(1, 6, now);
    }
    expect(shards.map(({ leased }) => leased)).toEqual([4, 1, 1]);
    expect(shards.map(({ rung }) => rung)).toEqual([[], [], []]);
  });

  it('are told of when they are free, to the shards that wait and to no other', () => {
    const memory = words();
    const [one, two, three] = [0, 1, 2].map((number) => new Shard(memory, number)) as [
      Shard,
      Shard,
      Shard,
    ];
    one.lease(4, 4, 0);
    one.store();
    two.lease(2, 4, 0);
    expect([two.leased, two.inFlight.looksAt(0)]).toEqual([0, GATE_WAIT_MS]);
    // Looking again for what is not there wakes nobody, or two shards that wait would wake each other for ever.
    for (let now = 1; now < 9; now++) {
      one.lease(2, 4, now);
      two.lease(2, 4, now);
    }
    expect([one.rung, two.rung]).toEqual([[], []]);
    one.end(2);
    expect(one.rung).toEqual([]);
    one.store();
    expect(one.rung).toEqual([1]);
    two.lease(2, 4, 9);
    expect([two.leased, two.inFlight.isWaiting]).toEqual([2, false]);
    expect([two.rung, three.rung]).toEqual([[0], []]);
  });

  it('that were freed before a shard could say that it waits are seen all the same', () => {
    const memory = words();
    const [one, two] = [new Shard(memory, 0), new Shard(memory, 1)];
    one.lease(4, 4, 0);
    one.store();
    // The second shard has looked, and has not said yet that it waits.
    const store = vi.spyOn(Atomics, 'store');
    store.mockImplementationOnce((...args: Parameters<typeof Atomics.store>) => {
      store.mockRestore();
      one.end(1);
      one.store();
      return Atomics.store(...args);
    });
    two.lease(2, 4, 1);
    expect([one.rung, two.leased]).toEqual([[], 1]);
  });

  it('are fewer when the limit is lowered', () => {
    const shard = new Shard(words(), 0);
    shard.lease(100, 10, 0);
    shard.end(8);
    shard.lease(100, 3, 0);
    expect(shard.leased).toBe(3);
  });

  it('are all for one shard where no other wants any', () => {
    const shard = new Shard(words(), 3);
    shard.lease(100, 10, 0);
    expect(shard.leased).toBe(10);
    expect(shard.inFlight.isWaiting).toBe(true);
    expect(shard.inFlight.looksAt(0)).toBe(Number.POSITIVE_INFINITY);
    shard.end(4);
    shard.lease(100, 10, 0);
    expect(shard.leased).toBe(10);
    shard.inFlight.end();
    shard.leased = 0;
    const other = new Shard(shard.memory, 4);
    other.lease(100, 10, 0);
    expect(other.leased).toBe(10);
  });
});
