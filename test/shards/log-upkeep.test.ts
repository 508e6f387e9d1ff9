/** When a shard looks after its log: background work at once, retention at intervals, and what found no room later. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../src/protocol/errors.js';
import { LogUpkeep, type UpkeepOptions } from '../../src/shards/log-upkeep.js';
import type { RecordingClock } from '../../src/shards/recording-clock.js';
import type { ShardLog } from '../../src/store/shard-log.js';

type Outcome = 'more' | 'done' | 'full' | 'damaged' | 'failed';

const INTERVAL_MS = 1000;
const FULL_MS = 250;
const CAUTIOUS_NOW = 4711;
const ERRORS = {
  full: new BusError('STORE_FULL', 'planted'),
  damaged: new BusError('STORE_CORRUPT', 'planted'),
  failed: new BusError('STORE_FAILED', 'planted'),
};

function outcomeOf(outcome: Outcome): boolean {
  if (outcome === 'more' || outcome === 'done') return outcome === 'more';
  throw ERRORS[outcome];
}

/** A log whose work ends as the test says, and what was called. */
function rigOf(options: Partial<UpkeepOptions> = {}) {
  const next: { maintain: Outcome; prune: Outcome; removes: number } = {
    ...{ maintain: 'done', prune: 'done', removes: 0 },
  };
  const called: string[] = [];
  const steps: unknown[][] = [];
  const log = {
    prunedEvents: 0,
    maintain: () => {
      called.push('maintain');
      return outcomeOf(next.maintain);
    },
    pruning: {
      pruneStep: (...args: unknown[]) => {
        called.push('prune');
        steps.push(args);
        log.prunedEvents += next.removes;
        return outcomeOf(next.prune);
      },
    },
  };
  const clock = { nowWithCaution: () => CAUTIOUS_NOW } as RecordingClock;
  const upkeep = new LogUpkeep(log as unknown as ShardLog, clock, {
    prunes: true,
    onDamage: ({ code }) => called.push(`told ${code}`),
    onPruned: () => called.push('pruned'),
    ...options,
  });
  const step = (now: number) => {
    const isMore = upkeep.step(now);
    return { isMore, called: called.splice(0) };
  };
  return { next, upkeep, step, steps, called };
}

describe('the upkeep of a log', () => {
  it('property: does each kind of work when it is due, and says whether there is more', () => {
    const outcome = fc.constantFrom<Outcome>('more', 'done', 'full', 'damaged');
    const turn = fc.record({
      passes: fc.constantFrom(0, 1, FULL_MS - 1, FULL_MS, INTERVAL_MS - 1, INTERVAL_MS),
      maintain: fc.constantFrom<Outcome>('more', 'done', 'full'),
      prune: outcome,
      removes: fc.constantFrom(0, 3),
      isFull: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 20 }), fc.boolean(), (turns, prunes) => {
        const { next, upkeep, step } = rigOf({ prunes });
        const due = { maintain: 0, prune: 0 };
        let now = 0;
        let wasFull = false;
        let isTold = false;
        for (const { passes, maintain, prune, removes, isFull } of turns) {
          now += passes;
          Object.assign(next, { maintain, prune, removes });
          if (isFull) {
            upkeep.noteFull();
            if (!wasFull) due.prune = 0;
          }
          const expected: string[] = [];
          let isMore = false;
          if (now >= due.maintain) {
            expected.push('maintain');
            isMore = maintain === 'more';
            due.maintain = maintain === 'full' ? now + FULL_MS : 0;
          }
          if (prunes && now >= due.prune) {
            expected.push('prune');
            if (prune === 'damaged' && !isTold) expected.push('told STORE_CORRUPT');
            isTold ||= prune === 'damaged';
            if (removes > 0) expected.push('pruned');
            isMore ||= prune === 'more';
            wasFull = prune === 'full';
            due.prune = now + (prune === 'more' ? 0 : wasFull ? FULL_MS : INTERVAL_MS);
          }
          expect(step(now)).toEqual({ isMore, called: expected });
        }
      }),
      { numRuns: 200 },
    );
  });

  it('ends the shard where the log has failed, and says what was removed until then', () => {
    const { next, upkeep, called } = rigOf();
    Object.assign(next, { prune: 'failed', removes: 1 });
    expect(() => upkeep.step(0)).toThrow(ERRORS.failed);
    expect(called.splice(0)).toEqual(['maintain', 'prune', 'pruned']);
    next.maintain = 'failed';
    expect(() => upkeep.step(0)).toThrow(ERRORS.failed);
    expect(called).toEqual(['maintain']);
  });

  it('removes by the cautious clock, what consumers do not need, and what the archive has', () => {
    const keptFrom = () => 7;
    const plain = rigOf({ keptFrom });
    plain.step(0);
    expect(plain.steps).toEqual([[CAUTIOUS_NOW, keptFrom, undefined]]);
    let isInside = false;
    const archive = {
      byRules: (step: () => boolean) => {
        isInside = true;
        return step();
      },
    } as unknown as NonNullable<UpkeepOptions['archive']>;
    const archived = rigOf({ archive });
    archived.next.prune = 'more';
    expect(archived.step(0).isMore).toBe(true);
    expect(archived.steps).toEqual([[CAUTIOUS_NOW, undefined, archive]]);
    expect(isInside).toBe(true);
  });
});
