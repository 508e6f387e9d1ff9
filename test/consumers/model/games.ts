/** Random games: a world and steps in it. */
import fc from 'fast-check';
import type { ConsumerMachine } from '../../../src/consumers/machine.js';
import type { Planted } from './planted.js';
import type { Setup, Step } from './steps.js';
import { World } from './world.js';

const kind = fc.constantFrom(
  ...(['ack', 'ack', 'ack', 'nak', 'nak', 'hand-back', 'term', 'working'] as const),
);
const endpoint = fc.nat(1);
const member = fc.nat(1);
const shard = fc.nat(2);
const pick = fc.nat(30);
const count = fc.integer({ min: 1, max: 4 });
const delayMs = fc.constantFrom(-1, -1, 0, 1, 6);

const setup: fc.Arbitrary<Setup> = fc
  .record({
    shards: fc.integer({ min: 1, max: 3 }),
    keys: fc.constantFrom(0, 2, 4),
    lanes: fc.integer({ min: 1, max: 3 }),
    concurrency: fc.integer({ min: 1, max: 2 }),
    ahead: fc.constantFrom(0, 0, 2),
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    maxAhead: fc.integer({ min: 2, max: 9 }),
  })
  .map((one) => (one.keys > 0 ? { ...one, lanes: 1 } : one));

const turn = fc.record({
  do: fc.constant('turn' as const),
  shard,
  events: fc.nat(3),
  crash: fc.constantFrom(...(['no', 'no', 'no', 'no', 'no', 'no', 'before', 'between'] as const)),
  full: fc.constantFrom(...(['no', 'no', 'no', 'no', 'no', 'no', 'no', 'batch', 'row'] as const)),
  room: fc.constantFrom(100, 100, 100, 2, 0),
  leases: fc.constantFrom(100, 100, 1),
  examined: fc.constantFrom(100, 100, 100, 1),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: turn },
  {
    weight: 20,
    arbitrary: fc.record({ do: fc.constant('receive' as const), endpoint, shard, count }),
  },
  { weight: 16, arbitrary: fc.record({ do: fc.constant('begin' as const), endpoint, member }) },
  {
    weight: 14,
    arbitrary: fc.record({ do: fc.constant('settle' as const), endpoint, pick, kind, delayMs }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('ack with events' as const),
      endpoint,
      pick,
      isPulled: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('grant' as const), endpoint, member, shard, count }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('recall' as const), endpoint, member, shard, count }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pull' as const), shard, count }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('settle pulled' as const), pick, kind, delayMs }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), endpoint, member }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('resize' as const),
      endpoint,
      member,
      concurrency: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end thread' as const), endpoint }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 1, 2, 5, 13) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pause' as const), isPaused: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('redefine' as const),
      maxAttempts: fc.integer({ min: 1, max: 4 }),
      leaseMs: fc.constantFrom(4, 12, 20),
    }),
  },
  ...(['seek', 'prune', 'skip', 'redrive', 'unmatch'] as const).map((name) => ({
    weight: 1,
    arbitrary: fc.record({ do: fc.constant(name), shard, pick }),
  })),
);

export interface Game {
  readonly setup: Setup;
  readonly steps: readonly Step[];
}

export const game: fc.Arbitrary<Game> = fc.record({
  setup,
  steps: fc.array(step, { minLength: 20, maxLength: 160, size: 'max' }),
});

/** Plays a game to its end, and returns its first fault. */
export function play(
  { setup: of, steps }: Game,
  Machine: typeof ConsumerMachine,
  planted: Planted,
): string | undefined {
  const world = new World(of, Machine, planted);
  for (const one of steps) {
    world.step(one);
    if (world.faults.length > 0) return world.faults[0];
  }
  world.end();
  return world.faults[0];
}
