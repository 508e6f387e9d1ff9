import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds, propertyTimeoutMs } from '../bus/support/properties.js';
import { temporaryDirectory } from '../store/directories.js';
import { ArchivedLog, DyingTarget, lineageOf, RULES } from './archived-log.js';

/**
 * A log with events that expire, with compaction and other retention, against an array. At first it has no archive, so
 * that events leave it for good; later it has one. A reader gets all that is not lost and has not expired, and is told
 * of a gap for what was lost, and for nothing else.
 */
const TOPICS = ['a', 'b', 'kept.x', 'kept.y'];
const RETENTION = [
  { pattern: 'a', maxEvents: 4 },
  { pattern: 'kept.*', keepPerTopic: 2 },
];

interface Stored {
  readonly sequence: number;
  readonly topic: string;
  /** `Infinity`: never. */
  readonly expiresAt: number;
}

type Step =
  | { readonly do: 'publish'; readonly events: readonly { topic: number; ttl: number }[] }
  | { readonly do: 'expire'; readonly by: number }
  | { readonly do: 'remove'; readonly topic: number; readonly events: number }
  | { readonly do: 'retain' | 'archive' | 'settle' | 'reopen' };

const event = fc.record({ topic: fc.nat(3), ttl: fc.integer({ min: -20, max: 60 }) });
const publish = fc.record({
  do: fc.constant('publish' as const),
  events: fc.array(event, { minLength: 1, maxLength: 40 }),
});
const expire = fc.record({ do: fc.constant('expire' as const), by: fc.nat(50) });
const remove = fc.record({
  do: fc.constant('remove' as const),
  topic: fc.nat(3),
  events: fc.integer({ min: 1, max: 20 }),
});
const retain = fc.record({ do: fc.constant('retain' as const) });
const rest = fc.record({
  do: fc.constantFrom('archive' as const, 'settle' as const, 'reopen' as const),
});
const early: fc.Arbitrary<Step[]> = fc.array(fc.oneof(publish, expire, retain, remove), {
  maxLength: 6,
});
const late: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: publish },
    { weight: 2, arbitrary: expire },
    { weight: 3, arbitrary: rest },
    { weight: 2, arbitrary: retain },
    { weight: 1, arbitrary: remove },
  ),
  { maxLength: 18 },
);

class Game {
  readonly dir = temporaryDirectory();
  readonly target = new DyingTarget(temporaryDirectory());
  readonly lineage = lineageOf();
  log: ArchivedLog;
  now = 1000;
  stored: Stored[] = [];
  /** By topic: the last sequence that was removed, but not by compaction, while there was no archive. */
  readonly lost = new Map<string, number>();
  #isArchived = false;

  constructor() {
    this.log = this.#open();
  }

  #open(): ArchivedLog {
    return new ArchivedLog(this.dir, this.target, RETENTION, RULES, this.lineage);
  }

  async beginArchive(): Promise<void> {
    this.#isArchived = true;
    await this.log.archiver.start();
  }

  async play(step: Step): Promise<void> {
    if (step.do === 'publish') for (const one of step.events) this.#publish(one);
    else if (step.do === 'expire') this.log.expire((this.now += step.by));
    else if (!this.#isArchived) this.#removeForGood(step);
    else if (step.do === 'remove') this.log.remove(TOPICS[step.topic]!, step.events);
    else if (step.do === 'retain') while (this.log.retain(this.now));
    else if (step.do === 'archive') await this.log.archive();
    else if (step.do === 'settle') await this.log.settle();
    else {
      this.log.close();
      this.log = this.#open();
      await this.log.archiver.start();
    }
    while (this.log.log.maintain());
    await this.check();
  }

  #publish({ topic, ttl }: { topic: number; ttl: number }): void {
    const expiresAt = ttl <= 0 ? Number.POSITIVE_INFINITY : this.now + ttl;
    const expiry = ttl <= 0 ? 0 : expiresAt;
    const payload = 'x'.repeat(80);
    const sequence = this.log.publish(TOPICS[topic]!, payload, this.now, expiry);
    this.stored.push({ sequence, topic: TOPICS[topic]!, expiresAt });
  }

  /** The log alone says which events it has left; what compaction took is none that anybody misses. */
  #removeForGood(step: Step): void {
    const { log } = this.log;
    if (step.do === 'retain') while (log.pruning.pruneStep(this.now));
    else if (step.do === 'remove') {
      const request = { pattern: TOPICS[step.topic]!, excessBytes: 0, after: 0 };
      log.pruning.prune({ ...request, excessEvents: step.events });
    }
    const left = new Set<number>();
    log.read({ after: 0, limit: 10_000 }, ({ sequence }) => left.add(sequence) !== undefined);
    const isCompacted = (topic: string): boolean => step.do === 'retain' && topic !== 'a';
    for (const { sequence, topic, expiresAt } of this.stored) {
      if (left.has(sequence) || expiresAt <= this.now || isCompacted(topic)) continue;
      this.lost.set(topic, Math.max(this.lost.get(topic) ?? 0, sequence));
    }
    this.stored = this.stored.filter((one) => left.has(one.sequence));
  }

  async check(): Promise<void> {
    if (!this.#isArchived) return;
    const all = Math.max(0, ...this.lost.values());
    const alive = this.stored.filter(({ expiresAt }) => expiresAt > this.now);
    const { events, lost } = await this.log.read();
    const unexpired = events.filter(({ expiry }) => expiry === 0 || expiry > this.now);
    expect(unexpired.map(({ sequence }) => sequence)).toEqual(alive.map((one) => one.sequence));
    expect(Math.max(0, ...lost)).toBe(all);
    for (const topic of TOPICS) {
      const found = await this.log.read({ filter: { topics: [topic] } });
      const told = Math.max(0, ...found.lost);
      expect(told).toBeLessThanOrEqual(all);
      expect(told).toBeGreaterThanOrEqual(this.lost.get(topic) ?? 0);
    }
    const [first] = this.stored.filter(({ sequence }) => sequence > all);
    if (first !== undefined) expect((await this.log.read({ after: all })).lost).toEqual([]);
  }
}

const many = (count: number, ttl: number): Step => {
  return { do: 'publish', events: Array.from({ length: count }, () => ({ topic: 0, ttl })) };
};

describe('an archive of a log with events that expire', () => {
  test(
    'has what an array has, and tells of a gap only for what was lost',
    async () => {
      const property = fc.asyncProperty(early, late, async (before, after) => {
        const game = new Game();
        for (const step of before) await game.play(step);
        await game.beginArchive();
        await game.check();
        for (const step of after) await game.play(step);
        await game.play({ do: 'settle' });
        game.log.close();
      });
      await holds(property, 40);
    },
    propertyTimeoutMs(40),
  );

  test('leaves no hole between segments where all events have expired', async () => {
    const game = new Game();
    await game.beginArchive();
    await game.play(many(10, 0));
    await game.play({ do: 'settle' });
    await game.play(many(20, 5));
    await game.play({ do: 'retain' });
    await game.play({ do: 'expire', by: 10 });
    await game.play({ do: 'archive' });
    expect(game.log.words.through).toBe(30);
    await game.play(many(20, 0));
    await game.play({ do: 'settle' });
    expect((await game.log.read({ after: 10 })).lost).toEqual([]);
    game.log.close();
  });

  test('leaves no such hole where the log cannot be read in the middle of a segment', async () => {
    for (const pages of [0, 1, 2]) {
      const game = new Game();
      await game.beginArchive();
      await game.play(many(10, 0));
      await game.play({ do: 'settle' });
      await game.play(many(20, 5));
      await game.play({ do: 'retain' });
      await game.play({ do: 'expire', by: 10 });
      await game.play({ do: 'archive' });
      await game.play(many(20, 0));
      game.log.pagesLeft = pages;
      await expect(game.play({ do: 'settle' })).rejects.toThrow('the page cannot be read');
      game.log.pagesLeft = Number.POSITIVE_INFINITY;
      await game.play({ do: 'settle' });
      expect((await game.log.read({ after: 10 })).lost).toEqual([]);
      game.log.close();
    }
  });

  test('tells readers of other topics nothing of what was lost', async () => {
    const game = new Game();
    const ten = (topic: number): Step => {
      return { do: 'publish', events: Array.from({ length: 10 }, () => ({ topic, ttl: 0 })) };
    };
    await game.play(ten(0));
    await game.play({ do: 'retain' });
    await game.beginArchive();
    await game.play(ten(2));
    await game.play({ do: 'settle' });
    const { events, lost } = await game.log.read({ filter: { topics: ['kept.x'] } });
    expect([events.length, lost]).toEqual([10, []]);
    game.log.close();
  });
});
