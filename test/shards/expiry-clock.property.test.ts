import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLOCK_CAUTION_MS, CLOCK_CONFIRM_MS } from '../../src/protocol/limits/shards.js';
import { EventRecordView } from '../../src/record/event-record.js';
import { Expirer } from '../../src/shards/expirer.js';
import { stampExpiry } from '../../src/shards/expiry-stamp.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { removeDirectory, temporaryDirectory } from '../bus/support/open.js';
import { record } from '../store/records.js';
import { Machine, MINUTE } from './clock-machine.js';

/**
 * What GUARANTEES promises of events that expire while somebody sets the clock: a log in SQLite with a shard's clock and
 * expirer, on a machine whose clocks the test moves.
 */
interface Published {
  readonly sequence: number;
  /** The truth when it was recorded, and how often the clock had been changed. */
  readonly at: number;
  readonly changes: number;
  readonly ttlMs: number;
  readonly expiry: number;
}

class Game {
  readonly machine = new Machine();
  readonly clock = this.machine.clock();
  readonly removed = new Set<number>();
  readonly published: Published[] = [];
  /** How often the clock was set, believed, or slept through while it was in doubt. */
  #set = 0;
  /** The error of the clock that the shard believes. */
  #believed = 0;
  #confirmed = 0;
  readonly #dir = temporaryDirectory();
  readonly #log = new SqliteShardLog({
    file: join(this.#dir, 'log.db'),
    shard: 0,
    now: this.machine.sources.wall,
  });
  readonly #view = new EventRecordView();
  readonly #expirer = new Expirer(this.#log.expiry, {
    shard: 0,
    clock: this.clock,
    elapsed: this.machine.sources.elapsed,
    onDamage: (error) => {
      throw error;
    },
    onRemoved: () => {},
  });

  get #changes(): number {
    return this.#set + this.#confirmed;
  }

  publish(ttlMs: number): void {
    const bytes = record({ expiry: -ttlMs });
    const before = this.clock.dueNow;
    stampExpiry(this.#view.wrap(bytes, 0), this.clock);
    const { expiry } = this.#view;
    expect(expiry).toBe(before + ttlMs);
    // By the clock on the wall it never lives longer than its publisher said.
    expect(expiry).toBeLessThanOrEqual(this.machine.sources.wall() + ttlMs);
    this.#log.append(bytes, 0, this.clock.now());
    const sequence = this.#log.commit(true, []).sequenceOf(0);
    const { truth } = this.machine;
    this.published.push({ sequence, at: truth, changes: this.#changes, ttlMs, expiry });
  }

  setWrong(ms: number): void {
    this.#set++;
    this.machine.wrong = ms;
    this.#look();
  }

  sleep(ms: number): void {
    if (this.machine.wrong !== this.#believed) this.#set++;
    this.machine.sleep(ms);
    this.#look();
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 5000) {
      this.machine.pass(Math.min(left, 5000), this.clock);
      this.#look();
    }
  }

  #look(): void {
    this.clock.now();
    const { machine } = this;
    this.#confirmed = machine.steps.filter((kind) => kind === 'confirmed').length;
    if (Math.abs(this.clock.aheadMs) <= 1) this.#believed = machine.wrong;
    while (this.#expirer.step(undefined));
    const left = this.#left();
    const now = this.clock.dueNow;
    for (const one of this.published) {
      const isHidden = one.expiry <= now;
      const isRemoved = !left.has(one.sequence);
      if (isRemoved && !this.removed.has(one.sequence)) {
        expect(isHidden).toBe(true);
        this.removed.add(one.sequence);
      }
      // While nobody sets the clock, an event lives as long as its publisher said, to the millisecond.
      if (one.changes !== this.#changes) continue;
      expect(isHidden).toBe(machine.truth - one.at >= one.ttlMs);
    }
    // An endpoint judges by its own clock, and by how far the shard says that it is off.
    const atEndpoint = machine.sources.wall() + Math.min(0, this.clock.aheadMs);
    expect(Math.abs(atEndpoint - now)).toBeLessThanOrEqual(1);
  }

  #left(): Set<number> {
    const found = new Set<number>();
    this.#log.read({ after: 0, limit: 10_000 }, ({ sequence }) => {
      found.add(sequence);
      return true;
    });
    return found;
  }

  /** Once the clock is believed and every time is over, nothing is left. */
  end(): void {
    this.pass(CLOCK_CONFIRM_MS + CLOCK_CAUTION_MS);
    const last = Math.max(0, ...this.published.map(({ expiry }) => expiry));
    this.pass(Math.max(0, last - this.clock.dueNow) + 5000);
    expect(this.removed.size).toBe(this.published.length);
    expect(this.#log.expiry.first).toBe(Number.POSITIVE_INFINITY);
  }

  close(): void {
    this.#log.close();
    removeDirectory(this.#dir);
  }
}

const ttl = fc.integer({ min: 1, max: 20 * MINUTE });
const move = fc.oneof(
  { weight: 4, arbitrary: fc.record({ publish: ttl }) },
  { weight: 4, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 5 * MINUTE }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ wrong: fc.integer({ min: -15 * MINUTE, max: 15 * MINUTE }) }),
  },
  { weight: 1, arbitrary: fc.record({ sleep: fc.integer({ min: 1, max: 30 * MINUTE }) }) },
);

function playing(play: (game: Game) => void): void {
  const game = new Game();
  try {
    play(game);
  } finally {
    game.close();
  }
}

describe('events that expire while the clock is set', () => {
  it('property: live as long as was said, go only once they are hidden, and all go', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 20 }), (moves) =>
        playing((game) => {
          for (const one of moves) {
            if ('publish' in one) game.publish(one.publish);
            else if ('pass' in one) game.pass(one.pass);
            else if ('wrong' in one) game.setWrong(one.wrong);
            else game.sleep(one.sleep);
          }
          game.end();
        }),
      ),
      { numRuns: 15 },
    );
  });

  it('property: a clock put forward and set right within ten minutes removes nothing before its time', () => {
    const forward = fc.integer({ min: 2 * MINUTE, max: 600 * MINUTE });
    const length = fc.integer({ min: 1, max: CLOCK_CAUTION_MS - 10_000 });
    fc.assert(
      fc.property(fc.array(ttl, { minLength: 1, maxLength: 8 }), forward, length, (ttls, by, ms) =>
        playing((game) => {
          for (const one of ttls) game.publish(one);
          game.setWrong(by);
          game.pass(ms);
          game.setWrong(0);
          const { truth } = game.machine;
          for (const { sequence, at, ttlMs } of game.published) {
            if (game.removed.has(sequence)) expect(truth - at).toBeGreaterThanOrEqual(ttlMs);
          }
        }),
      ),
      { numRuns: 12 },
    );
  });

  it('a clock put back lets what was there live longer by the step, and new events as long as was said', () =>
    playing((game) => {
      game.publish(5 * MINUTE);
      game.pass(MINUTE);
      game.setWrong(-10 * MINUTE);
      game.publish(5 * MINUTE);
      game.pass(6 * MINUTE);
      expect([...game.removed]).toEqual([2]);
      game.pass(9 * MINUTE);
      expect([...game.removed]).toEqual([2, 1]);
    }));

  it('a clock put forward hides what is over by it once it is believed, and removes it ten minutes after the step', () =>
    playing((game) => {
      game.publish(60 * MINUTE);
      game.setWrong(90 * MINUTE);
      game.pass(CLOCK_CONFIRM_MS - 10_000);
      const [{ expiry }] = game.published as [Published];
      expect(game.clock.dueNow).toBeLessThan(expiry);
      game.pass(20_000);
      expect(game.clock.dueNow).toBeGreaterThanOrEqual(expiry);
      expect(game.removed.size).toBe(0);
      game.pass(CLOCK_CAUTION_MS);
      expect(game.removed.size).toBe(1);
    }));
});
