import { afterEach, describe, expect, it } from 'vitest';
import { parseFilter } from '../../../src/protocol/filter.js';
import { EMPTIED_TOPICS_KEPT } from '../../../src/protocol/limits/store.js';
import { openManifest } from '../../../src/store/directory/directory.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const BATCH = 4096;
/** More topics than are kept, in blocks of which all but the last is indexed. */
const JOBS = 2 * INDEX_BLOCK_EVENTS;

const logs: SqliteShardLog[] = [];
afterEach(() => {
  for (const log of logs.splice(0)) log.close();
});

function open(dir: string): SqliteShardLog {
  const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0 });
  logs.push(log);
  return log;
}

/** A log with an emptied topic for each job, and two other topics. */
function withEmptiedTopics(): { dir: string; log: SqliteShardLog } {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  const log = open(dir);
  log.append(record({ topic: 'kept', timestamp: 1 }), 0, 1);
  for (let n = 0; n < JOBS; n++) {
    log.append(record({ topic: `job.${n}`, timestamp: 1 }), 0, 1);
    if (n % BATCH === BATCH - 1) log.commit(true, []);
  }
  log.append(record({ topic: 'kept', timestamp: 1 }), 0, 1);
  log.commit(true, []);
  while (log.maintain());
  const request = { pattern: 'job.*', excessEvents: JOBS, excessBytes: 0 };
  for (let after: number | undefined = 0; after !== undefined; ) {
    after = log.pruning.prune({ ...request, after }).next;
  }
  while (log.maintain());
  return { dir, log };
}

function topics(log: SqliteShardLog): string[] {
  const found: string[] = [];
  let after = 0;
  do after = log.scanTopics(after, 1000, ({ name }) => found.push(name));
  while (after !== 0);
  return found;
}

describe('topics that hold no event', () => {
  it('are forgotten beyond a limit, also after the log is opened again', () => {
    const { dir, log } = withEmptiedTopics();
    const names = topics(log);
    expect(names.length).toBeLessThanOrEqual(EMPTIED_TOPICS_KEPT + 2);
    expect(names).toContain('kept');
    expect(new Set(names).size).toBe(names.length);
    log.close();
    expect(topics(open(dir))).toEqual(names);
    expect([...verifyDirectory(dir)].filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('are bounded, even if a topic that the index has in memory was emptied first', () => {
    const dir = temporaryDirectory();
    const log = open(dir);
    for (let n = 0; n < JOBS; n++) {
      log.append(record({ topic: `job.${n}`, timestamp: 1 }), 0, 1);
      if (n % BATCH === BATCH - 1) log.commit(true, []);
    }
    log.append(record({ topic: 'late', timestamp: 1 }), 0, 1);
    log.append(record({ topic: 'kept', timestamp: 1 }), 0, 1);
    log.commit(true, []);
    while (log.maintain());
    for (const pattern of ['late', 'job.*']) {
      const request = { pattern, excessEvents: JOBS, excessBytes: 0 };
      for (let after: number | undefined = 0; after !== undefined; ) {
        after = log.pruning.prune({ ...request, after }).next;
      }
    }
    while (log.maintain());
    const names = topics(log);
    expect(names.length).toBeLessThanOrEqual(EMPTIED_TOPICS_KEPT + 2);
    expect(names).toEqual(expect.arrayContaining(['late', 'kept']));
  });

  it('can be published to again, and are found then', () => {
    const { dir, log } = withEmptiedTopics();
    expect(log.topic('job.0')).toBeUndefined();
    for (const again of [log, undefined]) {
      const one = again ?? open(dir);
      one.append(record({ topic: 'job.0', timestamp: 2 }), 0, 2);
      one.commit(true, []);
      const filter = parseFilter({ topics: ['job.0'] });
      const page = one.page({ filter, after: JOBS + 2, limit: 10 });
      expect(page.count).toBe(again === undefined ? 2 : 1);
      one.close();
    }
    expect([...verifyDirectory(dir)].filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('still count as gaps for requests that may include them, and for no others', () => {
    const { log } = withEmptiedTopics();
    const lost = (topic: string, after = 0): number =>
      log.page({ filter: parseFilter({ topics: [topic] }), after, limit: 1 }).prunedThrough;
    expect(log.topic('job.7')).toBeUndefined();
    expect(lost('job.7')).toBeGreaterThan(7);
    expect(lost('job.*')).toBe(JOBS + 1);
    expect(lost('kept')).toBe(0);
    expect(lost('job.7', log.forgottenThrough)).toBe(0);
    expect(log.forgottenThrough).toBeLessThan(JOBS);
  });
});
