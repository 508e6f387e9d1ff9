/**
 * A member's tokens among shards of a model: jobs come to any shard at any time, records arrive late but in order, shards
 * are replaced and the window changes. The scheduler's choices are random.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenPool, type TokenRoad } from '../../../src/endpoint/consume/token-pool.js';

type ToShard = { do: 'grant' | 'recall'; count: number };
type ToMember =
  | { do: 'ready' }
  | { do: 'dry' }
  | { do: 'lease' }
  | { do: 'returned'; count: number };

/** The part of a shard that tokens concern: it leases as long as tokens lie there. */
class Shard {
  jobs = 0;
  tokens = 0;
  isTold = false;
  inbox: ToShard[] = [];
  outbox: ToMember[] = [];

  take(): void {
    const message = this.inbox.shift();
    if (message === undefined) {
      return;
    }
    if (message.do === 'grant') {
      this.tokens += message.count;
    } else {
      const count = Math.min(this.tokens, message.count);
      this.tokens -= count;
      this.outbox.push({ do: 'returned', count });
    }
  }

  work(): void {
    for (; this.jobs > 0 && this.tokens > 0; this.jobs -= 1) {
      this.tokens -= 1;
      this.outbox.push({ do: 'lease' });
    }
    if (this.jobs > 0 && !this.isTold) {
      this.isTold = true;
      this.outbox.push({ do: 'ready' });
    } else if (this.jobs === 0 && this.isTold) {
      this.isTold = false;
      this.outbox.push({ do: 'dry' });
    }
  }

  /** A job that has a token is gone before its lease could be told. */
  lose(): void {
    if (this.tokens === 0) return;
    this.tokens -= 1;
    this.outbox.push({ do: 'returned', count: 1 });
  }

  /** Its thread dies; jobs are in the log, and the link's rings are new. */
  replace(): void {
    this.tokens = 0;
    this.isTold = false;
    this.inbox = [];
    this.outbox = [];
  }
}

class World implements TokenRoad {
  readonly shards: Shard[];
  readonly pool: TokenPool;
  window: number;
  inHand = 0;
  leased = 0;

  constructor(shards: number, window: number) {
    this.shards = Array.from({ length: shards }, () => new Shard());
    this.window = window;
    this.pool = new TokenPool([...this.shards.keys()], window, this);
  }

  grant(shard: number, count: number): void {
    expect(count).toBeGreaterThan(0);
    this.shard(shard).inbox.push({ do: 'grant', count });
  }

  recall(shard: number, count: number): void {
    expect(count).toBeGreaterThan(0);
    this.shard(shard).inbox.push({ do: 'recall', count });
  }

  shard(index: number): Shard {
    return this.shards[index % this.shards.length] as Shard;
  }

  /** The member takes what the shard sent first. */
  receive(index: number): void {
    const place = index % this.shards.length;
    const message = this.shard(place).outbox.shift();
    if (message?.do === 'lease') {
      this.inHand += 1;
      this.leased += 1;
      this.pool.leased(place);
    } else if (message?.do === 'returned') {
      this.pool.returned(place, message.count);
    } else if (message !== undefined) {
      this.pool[message.do](place);
    }
  }

  settle(): void {
    if (this.inHand > 0) {
      this.inHand -= 1;
      this.pool.settled();
    }
  }

  replace(index: number): void {
    const place = index % this.shards.length;
    // An endpoint empties a dead thread's ring before it joins its successor.
    while (this.shard(place).outbox.length > 0) {
      this.receive(place);
    }
    this.shard(place).replace();
    this.pool.relinked(place);
  }

  /** Delivers everything that is under way, and settles nothing. */
  rest(): void {
    for (const shard of this.shards) {
      shard.work();
    }
    for (let isQuiet = false; !isQuiet; ) {
      isQuiet = true;
      this.shards.forEach((shard, index) => {
        while (shard.inbox.length > 0 || shard.outbox.length > 0) {
          isQuiet = false;
          shard.take();
          shard.work();
          this.receive(index);
        }
      });
    }
  }

  /** Where each token is: in a shard or on its way to one, on its way to the member, or in hand. */
  tokens(): number {
    return this.shards.reduce((sum, shard) => {
      const coming = shard.inbox.reduce(
        (n, { do: what, count }) => n + (what === 'grant' ? count : 0),
        0,
      );
      const going = shard.outbox.reduce(
        (n, message) =>
          n + (message.do === 'lease' ? 1 : message.do === 'returned' ? message.count : 0),
        0,
      );
      return sum + shard.tokens + coming + going;
    }, this.inHand);
  }
}

const PLACE = fc.nat(63);
const STEP = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('job' as const),
      at: PLACE,
      count: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('shard' as const), at: PLACE }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('receive' as const), at: PLACE }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replace' as const), at: PLACE }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), at: PLACE }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('resize' as const),
      to: fc.integer({ min: 1, max: 100 }),
    }),
  },
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

function play(world: World, step: Step): void {
  if (step.do === 'job') {
    const shard = world.shard(step.at);
    shard.jobs += step.count;
    shard.work();
  } else if (step.do === 'shard') {
    world.shard(step.at).take();
    world.shard(step.at).work();
  } else if (step.do === 'receive') {
    world.receive(step.at);
  } else if (step.do === 'settle') {
    world.settle();
  } else if (step.do === 'replace') {
    world.replace(step.at);
  } else if (step.do === 'lose') {
    world.shard(step.at).lose();
  } else {
    world.window = step.to;
    world.pool.resize(step.to);
  }
}

const WORLD = fc.record({
  shards: fc.integer({ min: 1, max: 9 }),
  window: fc.integer({ min: 1, max: 40 }),
  steps: fc.array(STEP, { maxLength: 200 }),
});

describe('a token pool', () => {
  it('neither makes nor loses a token', () => {
    fc.assert(
      fc.property(WORLD, ({ shards, window, steps }) => {
        const world = new World(shards, window);
        let most = window;
        for (const step of steps) {
          play(world, step);
          most = step.do === 'resize' ? Math.max(most, step.to) : most;
          expect(world.tokens()).toBeLessThanOrEqual(most);
          expect(world.pool.spent).toBe(world.inHand);
        }
        world.rest();
        while (world.inHand > 0) {
          world.settle();
          world.rest();
        }
        expect(world.tokens()).toBe(world.window);
        expect(world.shards.every(({ jobs }) => jobs === 0)).toBe(true);
      }),
    );
  });

  it('leaves no event without a token while the member could take one', () => {
    fc.assert(
      fc.property(WORLD, ({ shards, window, steps }) => {
        const world = new World(shards, window);
        for (const step of steps) {
          play(world, step);
        }
        world.rest();
        const isWaiting = world.shards.some(({ jobs }) => jobs > 0);
        expect(!isWaiting || world.inHand >= world.window).toBe(true);
      }),
      { numRuns: 600 },
    );
  });

  it('serves every shard that waits within as many settlements as there are shards and tokens', () => {
    fc.assert(
      fc.property(WORLD, PLACE, ({ shards, window, steps }, poor) => {
        const world = new World(shards, window);
        for (const step of steps) {
          play(world, step);
        }
        // All shards have more work than the member can do; one waits with the others.
        for (const shard of world.shards) {
          shard.jobs += 10_000;
          shard.work();
        }
        world.rest();
        const jobs = world.shard(poor).jobs;
        const enough = world.shards.length * world.window + world.inHand;
        for (let settlements = 0; settlements < enough; settlements += 1) {
          world.settle();
          world.rest();
        }
        expect(world.shard(poor).jobs).toBeLessThan(jobs);
      }),
      { numRuns: 50 },
    );
  });

  it('spreads the tokens of an idle member evenly', () => {
    fc.assert(
      fc.property(WORLD, ({ shards, window }) => {
        const world = new World(shards, window);
        world.rest();
        const lying = world.shards.map(({ tokens }) => tokens);
        expect(Math.max(...lying) - Math.min(...lying)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('recalls what lies idle once it is stopped', () => {
    fc.assert(
      fc.property(WORLD, ({ shards, window, steps }) => {
        const world = new World(shards, window);
        for (const step of steps) {
          play(world, step);
        }
        world.pool.stop();
        world.rest();
        expect(world.shards.every(({ tokens }) => tokens === 0)).toBe(true);
        expect(world.tokens()).toBe(world.inHand);
      }),
    );
  });
});
