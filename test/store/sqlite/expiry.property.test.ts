import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openManifest } from '../../../src/store/directory/directory.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

/**
 * A log with events that expire, against a list: batches, refused batches, removals of what has expired and by request,
 * openings. `expiry` is the log's own business: its clock is a number of the test's.
 */
const TOPICS = ['a', 'b', 'c.d'];

interface Stored {
  readonly sequence: number;
  readonly topic: string;
  readonly id: string;
  readonly expiresAt: number | undefined;
}

type Step =
  | { readonly kind: 'append'; readonly events: readonly { topic: number; ttl: number }[] }
  | { readonly kind: 'rollback'; readonly ttl: number }
  | { readonly kind: 'expire'; readonly by: number }
  | { readonly kind: 'prune'; readonly topic: number; readonly events: number }
  | { readonly kind: 'open' };

const ttl = fc.integer({ min: -20, max: 100 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        events: fc.array(fc.record({ topic: fc.nat(2), ttl }), { minLength: 1, maxLength: 12 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('rollback' as const), ttl }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('expire' as const), by: fc.nat(60) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('prune' as const),
        topic: fc.nat(2),
        events: fc.nat(10),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('open' as const) }) },
  ),
  { maxLength: 40 },
);

class Game {
  readonly dir = temporaryDirectory();
  log: SqliteShardLog;
  now = 1000;
  head = 0;
  stored: Stored[] = [];
  /** The last sequence that was removed on request. */
  lost = 0;
  readonly ids: { readonly topic: string; readonly id: string; readonly sequence: number }[] = [];
  pruned = 0;

  constructor() {
    openManifest(this.dir, { shards: 1, defaultShards: 1 });
    this.log = this.#open();
  }

  #open(): SqliteShardLog {
    // A removal ends when its time is up. Here none passes, so that it removes all that it should.
    const clocks = { now: () => this.now, elapsed: () => 0 };
    return new SqliteShardLog({ file: shardFile(this.dir, 0), shard: 0, ...clocks });
  }

  play(step: Step): void {
    switch (step.kind) {
      case 'append':
        for (const { topic, ttl: ms } of step.events) this.#append(TOPICS[topic]!, ms);
        this.log.commit(true, []);
        break;
      case 'rollback':
        this.log.append(record({ expiry: this.now + 50, timestamp: this.now }), 0, this.now);
        this.log.rollback();
        break;
      case 'expire':
        this.now += step.by;
        this.#expire();
        break;
      case 'prune': {
        const pattern = TOPICS[step.topic]!;
        const gone = this.stored.filter(({ topic }) => topic === pattern).slice(0, step.events);
        this.log.pruning.prune({ pattern, excessEvents: step.events, excessBytes: 0, after: 0 });
        this.stored = this.stored.filter((event) => !gone.includes(event));
        this.pruned += gone.length;
        this.lost = Math.max(this.lost, gone.at(-1)?.sequence ?? 0);
        break;
      }
      case 'open':
        this.log.close();
        this.log = this.#open();
    }
    while (this.log.maintain());
    this.check();
  }

  #append(topic: string, ms: number): void {
    const sequence = ++this.head;
    const id = `id-${sequence}`;
    const expiresAt = ms <= 0 ? undefined : this.now + ms;
    const event = { topic, id, payload: sequence, timestamp: this.now, flags: 5 };
    this.log.append(record({ ...event, expiry: expiresAt ?? 0 }), 0, this.now);
    this.stored.push({ sequence, topic, id, expiresAt });
    this.ids.push({ topic, id, sequence });
  }

  #expire(): void {
    const due = this.log.expiry.due(this.now);
    const expected = this.stored.filter(({ expiresAt = Infinity }) => expiresAt <= this.now);
    expect(due).toEqual(expected.map(({ sequence }) => ({ sequence })));
    expect(this.log.expiry.remove(due.map(({ sequence }) => sequence))).toBe(due.length);
    this.stored = this.stored.filter((event) => !expected.includes(event));
    this.pruned += expected.length;
  }

  check(): void {
    const { log, stored } = this;
    expect(log.head).toBe(this.head);
    const found: number[] = [];
    log.read({ after: 0, limit: 10_000 }, ({ sequence }) => {
      found.push(sequence);
      return true;
    });
    expect(found).toEqual(stored.map(({ sequence }) => sequence));
    const times = stored.map(({ expiresAt = Infinity }) => expiresAt);
    expect(log.expiry.first).toBe(Math.min(Infinity, ...times));
    expect(log.prunedEvents).toBe(this.pruned);
    expect(log.page({ after: 0, limit: 1 }).prunedThrough).toBe(this.lost);
    for (const name of TOPICS) {
      const events = stored.filter(({ topic }) => topic === name);
      const topic = log.topic(name);
      expect(topic?.events ?? 0).toBe(events.length);
      if (events.length === 0) continue;
      expect(topic).toMatchObject({ firstSequence: events[0]!.sequence });
      expect(topic!.prunedThrough).toBeLessThan(events[0]!.sequence);
    }
    for (const { topic, id, sequence } of this.ids.slice(-8)) {
      expect(log.findDuplicate(record({ topic, id, flags: 5 }), 0)).toBe(sequence);
    }
  }

  end(): void {
    this.log.close();
    expect([...verifyDirectory(this.dir)]).toEqual([]);
  }
}

describe('a log with events that expire', () => {
  it('has what a list has, and is found sound, through removals and openings', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const game = new Game();
        for (const step of all) game.play(step);
        game.end();
      }),
      { numRuns: 40 },
    );
  });

  it('tells no gap for what had expired before the last event of its topic was removed', () => {
    const game = new Game();
    game.play({ kind: 'append', events: [0, 5, 5].map((ttl) => ({ topic: 0, ttl })) });
    game.play({ kind: 'expire', by: 10 });
    game.play({ kind: 'prune', topic: 0, events: 1 });
    expect(game.log.page({ after: 0, limit: 10 })).toMatchObject({ count: 0, prunedThrough: 1 });
    expect(game.log.page({ after: 1, limit: 10 })).toMatchObject({ count: 0, prunedThrough: 0 });
    game.end();
  });

  it('keeps topics without a gap where everything of them has expired', () => {
    const game = new Game();
    game.play({ kind: 'append', events: [{ topic: 0, ttl: 5 }] });
    game.play({ kind: 'append', events: [{ topic: 1, ttl: 0 }] });
    game.play({ kind: 'expire', by: 10 });
    expect(game.log.topic('a')).toMatchObject({ events: 0, lastSequence: 1, prunedThrough: 0 });
    expect(game.log.page({ after: 0, limit: 10 })).toMatchObject({ count: 1, prunedThrough: 0 });
    game.end();
  });
});
