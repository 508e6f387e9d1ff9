/**
 * What the members of an endpoint say of their leases, until a shard confirms it: a model shard reads the records, refuses
 * any, confirms late, and is replaced.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Settlement, Settlements } from '../../../src/endpoint/consume/settlements.js';
import type { Outcome } from '../../../src/handout/consume/held-delivery.js';
import {
  CONTROL_REASON,
  CONTROL_SETTLE,
  DELAY_OF_BACKOFF,
  SETTLE_TERM,
} from '../../../src/link/consumer-records.js';
import { ReasonView, SettleView } from '../../../src/link/consumer-views.js';
import { settledRecordLength, writeSettled } from '../../../src/link/consumer-writers.js';
import { BusError } from '../../../src/protocol/errors.js';
import {
  SETTLEMENTS_OUT_MAX,
  SETTLEMENTS_PER_RECORD,
} from '../../../src/protocol/limits/consumers.js';
import { settled, World } from './world.js';

/** The shard: it has read settlements of each member, in the order of their numbers. */
class Shard {
  failure: BusError | undefined;
  /** By member, what this thread has read and not confirmed. */
  readonly read = new Map<number, { number: number; lease: number; reason: string }[]>();
  /** The last number that any thread has stored. */
  taken = 0;
  /** The last number that this thread has read. */
  #last = 0;
  readonly #reasons = new Map<number, string>();

  send(
    type: number,
    length: number,
    write: (bytes: Buffer, offset: number, generation: number) => void,
  ): void {
    const bytes = Buffer.alloc(length + 8);
    write(bytes, 8, 1);
    if (type === CONTROL_REASON) {
      const view = new ReasonView().wrap(bytes, 8, length);
      this.#reasons.set(view.number, view.text);
      return;
    }
    expect(type).toBe(CONTROL_SETTLE);
    const view = new SettleView().wrap(bytes, 8, length);
    for (let i = 0; i < view.count; i++) {
      const number = view.first + i;
      // In order, and nothing that is new is left out.
      if (number <= this.#last || number > this.taken + 1) {
        throw new Error(`${number} comes behind ${this.#last}, and ${this.taken} was stored`);
      }
      this.#last = number;
      this.taken = Math.max(this.taken, number);
      const of = this.read.get(view.member) ?? [];
      this.read.set(view.member, of);
      of.push({ number, lease: view.lease(i), reason: this.#reasons.get(number) ?? '' });
    }
  }

  /** The next thread finds what was stored up to a number, and is told the rest again. */
  replace(stored: number): void {
    this.read.clear();
    this.taken = stored;
    this.#last = 0;
  }
}

interface Told {
  readonly settlement: Settlement;
  readonly outcomes: Outcome[];
}

class Game {
  readonly shard = new Shard();
  readonly settlements = new Settlements(this.shard);
  readonly told: Told[] = [];
  /** Leases that the shard refuses. */
  readonly refused = new Set<number>();
  /** The highest number that was confirmed: whatever has a lower one is stored too. */
  #confirmed = 0;

  add(member: number, reason: string): void {
    const lease = this.told.length;
    const outcomes: Outcome[] = [];
    const settlement: Settlement = {
      member,
      sequence: lease + 1,
      lease,
      kind: SETTLE_TERM,
      delayMs: DELAY_OF_BACKOFF,
      reason,
      deadline: 0,
      number: 0,
      outcome: undefined,
      onDecided: (outcome) => outcomes.push(outcome),
    };
    this.told.push({ settlement, outcomes });
    this.settlements.add(settlement);
  }

  /** Confirms the first `count` of a member that the shard has read. */
  confirm(member: number, count: number, refuses: (lease: number) => boolean): void {
    const of = this.shard.read.get(member)?.splice(0, count) ?? [];
    if (of.length === 0) return;
    this.#confirmed = Math.max(this.#confirmed, of.at(-1)!.number);
    const refused = of.filter(({ lease }) => refuses(lease));
    for (const { lease } of refused) this.refused.add(lease);
    for (const { number, lease, reason } of of) {
      if (reason !== this.told[lease]!.settlement.reason)
        throw new Error(`reason of ${number}: '${reason}'`);
    }
    const numbers = refused.map(({ number }) => number);
    const length = settledRecordLength(numbers.length);
    const bytes = Buffer.alloc(length);
    writeSettled(bytes, 0, member, of.at(-1)!.number, numbers);
    expect(this.settlements.onSettled(bytes, 0, length)).toBe(member);
  }

  /** The shard's thread dies, with what it has not stored if it `forgets`. */
  replace(forgets: boolean): void {
    this.shard.replace(forgets ? this.#confirmed : this.shard.taken);
    this.settlements.resend();
  }

  get undecided(): number {
    return this.told.filter(({ outcomes }) => outcomes.length === 0).length;
  }
}

const MEMBER = fc.integer({ min: 1, max: 4 });
const STEP = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('say' as const),
      member: MEMBER,
      count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 250, max: 300 })),
      reason: fc.constantFrom('', 'no', 'ungültig'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('flush' as const), member: MEMBER }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('confirm' as const),
      member: MEMBER,
      count: fc.integer({ min: 1, max: 700 }),
      every: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('replace' as const), forgets: fc.boolean() }),
  },
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

function play(game: Game, step: Step): void {
  const { settlements } = game;
  if (step.do === 'say') {
    for (let n = 0; n < step.count; n++) game.add(step.member, n % 3 === 0 ? step.reason : '');
  } else if (step.do === 'flush') settlements.flush(step.member);
  else if (step.do === 'confirm') {
    game.confirm(step.member, step.count, (lease) => lease % step.every === 1);
  } else game.replace(step.forgets);
}

describe('settlements', () => {
  it('are each decided once, as the shard decides, whatever is said again', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 60, size: 'max' }), (steps) => {
        const game = new Game();
        const { settlements } = game;
        for (const step of steps) {
          play(game, step);
          expect(settlements.out).toBe(game.undecided);
        }
        for (const member of [1, 2, 3, 4]) settlements.flush(member);
        game.replace(true);
        for (const member of [1, 2, 3, 4])
          game.confirm(member, Number.MAX_SAFE_INTEGER, () => false);
        expect(settlements.out).toBe(0);
        for (const { settlement, outcomes } of game.told) {
          const wanted = game.refused.has(settlement.lease) ? 'lost' : 'done';
          if (outcomes.length !== 1 || outcomes[0] !== wanted) {
            throw new Error(`lease ${settlement.lease}: ${outcomes}, not ${wanted}`);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('go out by themselves where a record is full, and else at the end of a turn', () => {
    const game = new Game();
    for (let n = 0; n < SETTLEMENTS_PER_RECORD - 1; n++) game.add(1, '');
    expect(game.shard.taken).toBe(0);
    game.add(1, '');
    expect(game.shard.taken).toBe(SETTLEMENTS_PER_RECORD);
    game.add(1, '');
    game.settlements.flush(1);
    expect(game.shard.taken).toBe(SETTLEMENTS_PER_RECORD + 1);
  });

  it('are full at their limit, and no longer once one is confirmed', () => {
    const game = new Game();
    for (let n = 1; n < SETTLEMENTS_OUT_MAX; n++) game.add(1, '');
    expect(game.settlements.isFull).toBe(false);
    game.add(1, '');
    expect(game.settlements.isFull).toBe(true);
    game.settlements.flush(1);
    game.confirm(1, 1, () => false);
    expect(game.settlements.isFull).toBe(false);
  });

  it('hold back the next event of their shard while they are full', async () => {
    const world = new World(1, { maxInFlight: 100_000, maxAhead: 100_000 }, 16 * 1024 * 1024);
    try {
      let handled = 0;
      const options = { concurrency: 10_000, prefetch: false };
      const runs = [0, 1].map(() => world.consumer.run(() => void handled++, options));
      const jobs = SETTLEMENTS_OUT_MAX + 2000;
      const first = world.shard(0);
      for (let n = 0; n < jobs; n += 1000) {
        first.append(Array.from({ length: Math.min(1000, jobs - n) }, () => 'jobs.a'));
      }
      // All leases lie in the ring before the endpoint reads one: the shard takes nothing that is said of them.
      while (first.turn());
      for (let before = -1; before !== handled; ) {
        before = handled;
        await world.endpointTurn(jobs);
      }
      expect(handled).toBe(SETTLEMENTS_OUT_MAX);
      expect(world.members.settlements[0]!.out).toBe(SETTLEMENTS_OUT_MAX);
      await world.rest();
      expect(handled).toBe(jobs);
      await Promise.all([...runs.map((run) => run.stop()), world.rest(), settled()]);
    } finally {
      world.close();
    }
  }, 60_000);
});

describe('settlements of a consumer that is gone', () => {
  it('are lost, sent or not, and those of other members go on', () => {
    const game = new Game();
    game.add(1, '');
    game.settlements.flush(1);
    game.add(1, '');
    game.add(2, '');
    game.settlements.abandon(1);
    game.settlements.flush(2);
    game.confirm(2, 1, () => false);
    expect(game.told.map(({ outcomes }) => outcomes)).toEqual([['lost'], ['lost'], ['done']]);
    expect(game.settlements.out).toBe(0);
  });
});

describe('settlements of a shard that is given up', () => {
  it('are decided by its failure, also those that come later', () => {
    const game = new Game();
    const failure = new BusError('STORE_FAILED', 'given up');
    game.add(1, '');
    game.settlements.fail(failure);
    game.shard.failure = failure;
    game.add(1, '');
    expect(game.told.map(({ outcomes }) => outcomes)).toEqual([[failure], [failure]]);
    expect(game.settlements.out).toBe(0);
  });
});
