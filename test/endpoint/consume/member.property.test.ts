/**
 * Members of one endpoint over real shards without threads: events come at any time, turns of shards and endpoint are in
 * any order, handlers end in any way and at any time or let their lease run out, threads of shards are replaced.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConsumerOrder, Delivery, Run } from '../../../src/protocol/consumers.js';
import { elapsedMs } from '../../../src/threads/elapsed.js';
import { settled, World } from './world.js';

const LEASE_MS = 1000;

/** An event at work. */
interface AtWork {
  readonly delivery: Delivery<number>;
  readonly name: string;
  resolve(): void;
  reject(error: Error): void;
}

const PLACE = fc.nat(63);
const ENDS = [
  'return',
  'throw',
  'ack',
  'nak',
  'again',
  'term',
  'working',
  'ack and throw',
] as const;
const STEP = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      at: PLACE,
      keys: fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('shard' as const), at: PLACE }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('endpoint' as const),
      limit: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      at: PLACE,
      how: fc.constantFrom(...ENDS),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replace' as const), at: PLACE }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.integer({ min: 1, max: 700 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('restart' as const), drains: fc.boolean() }),
  },
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

const GAME = fc.record({
  shards: fc.integer({ min: 1, max: 3 }),
  concurrency: fc.integer({ min: 1, max: 5 }),
  prefetch: fc.boolean(),
  order: fc.constantFrom<ConsumerOrder>('none', 'topic'),
  ringBytes: fc.constantFrom(4096, 65_536),
  steps: fc.array(STEP, { maxLength: 100, size: 'max' }),
});
type Game = typeof GAME extends fc.Arbitrary<infer T> ? T : never;

/** Plays a game, and checks what handlers see. */
class Player {
  readonly world: World;
  readonly #game: Game;
  #run: Run;
  #mine = 0;
  readonly atWork: AtWork[] = [];
  /** Events whose ack was confirmed, those that were given up, and those of which some handler has said `done`. */
  readonly acked = new Set<string>();
  readonly termed = new Set<string>();
  readonly said = new Set<string>();
  /** The last event of each key that has begun. */
  readonly #last = new Map<string, { sequence: number; name: string }>();
  appended = 0;
  /** What a handler found wrong. It may not throw, since that would only give its event back. */
  readonly #faults: unknown[] = [];

  constructor(game: Game) {
    this.#game = game;
    this.world = new World(
      game.shards,
      { order: game.order, leaseMs: LEASE_MS, maxAttempts: 1000, backoffMs: [5] },
      game.ringBytes,
    );
    this.#run = this.#start();
  }

  async play(step: Step): Promise<void> {
    await this.#play(step);
    this.assertSound();
  }

  /** @throws the first thing that a handler found wrong */
  assertSound(): void {
    if (this.#faults.length > 0) throw this.#faults[0];
  }

  async #play(step: Step): Promise<void> {
    const { world } = this;
    if (step.do === 'append') {
      this.appended += step.keys.length;
      world.shard(step.at).append(step.keys.map((key) => `jobs.${key}`));
    } else if (step.do === 'shard') world.shard(step.at).turn();
    else if (step.do === 'endpoint') await world.endpointTurn(step.limit);
    else if (step.do === 'end') await this.#end(step.at, step.how);
    else if (step.do === 'replace') await world.replace(step.at);
    else if (step.do === 'wait') {
      vi.advanceTimersByTime(step.ms);
      await settled();
    } else await this.#restart(step.drains);
  }

  /** Ends all handlers until nothing is left. */
  async finish(): Promise<void> {
    for (let round = 0; round < 500; round++) {
      await this.world.rest();
      if (this.atWork.length === 0) {
        if (this.#open === 0) return;
        vi.advanceTimersByTime(LEASE_MS);
        continue;
      }
      while (this.atWork.length > 0) await this.#end(0, 'return');
    }
    throw new Error(`still open: ${this.#open}`);
  }

  async stop(): Promise<void> {
    const stopped = this.#run.stop();
    await this.world.rest();
    await stopped;
  }

  get #open(): number {
    return (
      this.world.shards.reduce((sum, { log }) => sum + log.head, 0) -
      this.acked.size -
      this.termed.size
    );
  }

  #start(): Run {
    const mine = ++this.#mine;
    const { concurrency, prefetch } = this.#game;
    const run = this.world.consumer.run(
      (delivery) => {
        try {
          this.#begin(delivery, mine);
        } catch (fault) {
          this.#faults.push(fault);
        }
        return new Promise<void>((resolve, reject) => {
          this.atWork.push({ delivery, name: nameOf(delivery), resolve, reject });
        });
      },
      { concurrency, prefetch },
    );
    return run;
  }

  #begin(delivery: Delivery<number>, mine: number): void {
    const name = nameOf(delivery);
    expect(this.atWork.length).toBeLessThan(this.#game.concurrency);
    expect(mine).toBe(this.#mine);
    expect(this.acked.has(name)).toBe(false);
    expect(delivery.leaseUntil.getTime()).toBeGreaterThan(Date.now());
    for (const other of this.atWork) {
      if (other.name === name) expect(other.delivery.signal.aborted).toBe(true);
    }
    if (this.#game.order === 'topic') this.#checkOrder(delivery, name);
  }

  #checkOrder({ event }: Delivery<number>, name: string): void {
    const key = `${event.shard} ${event.topic}`;
    const last = this.#last.get(key);
    const sequence = event.sequence!;
    if (last !== undefined && sequence > last.sequence) expect(this.said.has(last.name)).toBe(true);
    if (last !== undefined) expect(sequence).toBeGreaterThanOrEqual(last.sequence);
    this.#last.set(key, { sequence, name });
  }

  async #end(at: number, how: (typeof ENDS)[number]): Promise<void> {
    if (this.atWork.length === 0) return;
    const place = at % this.atWork.length;
    const { delivery, name, resolve, reject } = this.atWork[place]!;
    const over = (): void => void this.atWork.splice(place, 1);
    if (how === 'working') {
      delivery.working().catch(() => {});
      return;
    }
    if (how === 'return' || how === 'ack' || how === 'ack and throw') {
      this.said.add(name);
      // The same promise that the run's own ack would have.
      delivery.ack().then(
        () => this.acked.add(name),
        () => {},
      );
    } else if (how === 'term') {
      this.said.add(name);
      delivery.term('no use').then(
        () => this.termed.add(name),
        () => {},
      );
    } else if (how === 'nak') void delivery.nak({ delayMs: 20, reason: 'later' });
    else if (how === 'again') void delivery.nak({ count: false });
    if (how === 'ack') {
      await settled();
      return;
    }
    over();
    if (how === 'throw' || how === 'ack and throw') reject(new Error('failed'));
    else resolve();
    await settled();
  }

  async #restart(drains: boolean): Promise<void> {
    const stopped = drains ? this.#run.drain() : this.#run.stop();
    for (let round = 0; round < 100; round++) {
      await this.world.rest();
      if (this.atWork.length === 0) break;
      await this.#end(0, 'return');
    }
    await this.world.rest();
    await stopped;
    this.#run = this.#start();
    await settled();
  }
}

function nameOf({ event }: Delivery<number>): string {
  return `${event.shard}:${event.sequence}`;
}

describe('a run', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['hrtime', 'Date', 'setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('begins each event until it is acknowledged, in time, in order, and not too many at once', async () => {
    expect(elapsedMs()).toBe(elapsedMs());
    await fc.assert(
      fc.asyncProperty(GAME, async (game) => {
        const player = new Player(game);
        try {
          for (const step of game.steps) await player.play(step);
          await player.finish();
          await player.stop();
          player.assertSound();
          const { world, acked, termed, appended } = player;
          expect(acked.size + termed.size).toBe(appended);
          for (const settlements of world.members.settlements) expect(settlements.out).toBe(0);
          expect(world.members.all()).toEqual([]);
          const counted = world.shards.map(({ log }) => log.consumers.load()[0]?.acked ?? 0);
          expect(counted.reduce((sum, count) => sum + count, 0)).toBe(acked.size);
        } finally {
          player.world.close();
        }
      }),
      { numRuns: 200 },
    );
  }, 120_000);
});
