import { cpSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RETENTION_ROWS_MAX } from '../../../src/protocol/limits/store.js';
import { openManifest } from '../../../src/store/directory/directory.js';
import type { PruneRequest, PruneStep } from '../../../src/store/pruning.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

/** Rows that a step looks at. */
const ROWS_PER_STEP = 1024;

const request = (more: Partial<PruneRequest>): PruneRequest => ({
  pattern: '*',
  excessEvents: 0,
  excessBytes: 0,
  after: 0,
  ...more,
});

function sequences(log: SqliteShardLog): number[] {
  const found: number[] = [];
  log.read({ after: 0, limit: 100_000 }, ({ sequence }) => {
    found.push(sequence);
    return true;
  });
  return found;
}

/** A log with this many events on the topics in turn, recorded at 1 ms, 2 ms and so on. */
function openLog(events: number, topics: readonly string[]): { dir: string; log: SqliteShardLog } {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  // A step also ends when it has taken long; here the clock stands.
  const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, elapsed: () => 0 });
  for (let n = 0; n < events; n++) {
    const topic = topics[n % topics.length]!;
    log.append(record({ topic, payload: 10_000 + n, timestamp: n + 1 }), 0, n + 1);
    if (n % 1000 === 999) log.commit(true, []);
  }
  log.commit(true, []);
  return { dir, log };
}

describe('a requested removal', () => {
  it('removes a bounded number of rows per step, and says where the next step goes on', () => {
    const { log } = openLog(2500, ['a']);
    let left = 2000;
    for (let after: number | undefined = 0; after !== undefined; ) {
      const step = log.pruning.prune(request({ excessEvents: left, after }));
      expect(step.events).toBeLessThanOrEqual(RETENTION_ROWS_MAX);
      left -= step.events;
      if (step.next !== undefined) expect(step.next).toBe(2000 - left);
      after = step.next;
    }
    expect(left).toBe(0);
    expect(sequences(log)[0]).toBe(2001);
    log.close();
  });

  it('skips events that do not match, in bounded steps too', () => {
    const { log } = openLog(3000, ['a', 'b', 'b']);
    let events = 0;
    for (let after: number | undefined = 0; after !== undefined; ) {
      const step: PruneStep = log.pruning.prune(request({ pattern: 'a', beforeMs: 2000, after }));
      events += step.events;
      expect(step.next ?? 0).toBeLessThanOrEqual(after + ROWS_PER_STEP);
      after = step.next;
    }
    expect(events).toBe(667);
    expect(log.topic('b')?.events).toBe(2000);
    expect(log.pruning.totals('a')).toMatchObject({ events: 333 });
    log.close();
  });

  it('is visible to readers, and lasts', () => {
    const { dir, log } = openLog(100, ['a', 'b']);
    expect(log.pruning.totals('*')).toMatchObject({ events: 100 });
    const { bytes } = log.pruning.prune(request({ pattern: 'a', excessEvents: 10 }));
    expect(bytes).toBe(log.pruning.totals('a').bytes / 4);
    expect(log.prunedThrough).toBe(19);
    expect(log.topic('a')).toMatchObject({ events: 40, firstSequence: 21, prunedThrough: 19 });
    log.close();
    const again = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0 });
    expect(again.prunedThrough).toBe(19);
    expect(again.head).toBe(100);
    expect(sequences(again)).toHaveLength(90);
    again.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('can go by bytes, and takes everything if less than the excess is left', () => {
    const { log } = openLog(50, ['a']);
    const { bytes } = log.pruning.totals('*');
    const step = log.pruning.prune(request({ excessBytes: bytes / 2 }));
    expect(step.events).toBe(25);
    expect(log.pruning.prune(request({ excessEvents: 1000 }))).toMatchObject({ events: 25 });
    expect(log.pruning.totals('*')).toEqual({ events: 0, bytes: 0 });
    expect(log.head).toBe(50);
    log.close();
  });
});

describe('a rule of retention', () => {
  const rules = { retention: [{ pattern: 'gone', maxEvents: 1 }] };
  const open = (dir: string) => new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, ...rules });
  const add = (log: SqliteShardLog, topic: string): void => {
    log.append(record({ topic, timestamp: 10_000 }), 0, 10_000);
    log.commit(true, []);
  };
  /** The number of steps until there is no more to do. */
  const steps = (log: SqliteShardLog): number => {
    let taken = 1;
    while (log.pruning.pruneStep(20_000)) taken++;
    return taken;
  };

  it('goes on where it stopped, and not at the oldest event that other rules keep', () => {
    const kept = openLog(5000, ['kept']);
    kept.log.close();
    let log = open(kept.dir);
    for (let n = 0; n < 3; n++) add(log, 'gone');
    expect(steps(log)).toBeGreaterThan(1);
    log.close();
    log = open(kept.dir);
    add(log, 'gone');
    expect(steps(log)).toBe(1);
    expect(sequences(log).slice(-1)).toEqual([5004]);
    // A copy, as a killed process leaves the log.
    const copy = temporaryDirectory();
    cpSync(kept.dir, copy, { recursive: true });
    log.close();
    log = open(copy);
    add(log, 'gone');
    expect(steps(log)).toBe(1);
    expect(sequences(log).slice(-1)).toEqual([5005]);
    log.close();
  });
});
