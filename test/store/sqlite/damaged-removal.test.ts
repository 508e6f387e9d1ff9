import { expect, it } from 'vitest';
import type { BusError } from '../../../src/protocol/errors.js';
import type { RetentionRule } from '../../../src/store/pruning.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

/** Two blocks of a log. The record of what was removed from the first is damaged, so that nothing goes from there. */
const FIRST = ['away', 'old', 'old', 't.1', 't.2', 't.3', 't.4'];
const SECOND = ['old', 't.1', 'new', 'new', 'late.1', 'late.1', 't.4', 't.5', 't.5', 't.6', 't.6'];

function openDamaged(retention: readonly RetentionRule[]): SqliteShardLog {
  const file = shardFile(temporaryDirectory(), 0);
  const log = new SqliteShardLog({ file, shard: 0, retention });
  const append = (topic: string): void => {
    log.append(record({ topic, timestamp: 1 }), 0, 1);
  };
  for (const topic of FIRST) append(topic);
  log.commit(true, []);
  log.pruning.prune({ pattern: 'away', excessEvents: 1, excessBytes: 0, after: 0 });
  while (log.head < INDEX_BLOCK_EVENTS) {
    for (let n = 0; n < 2048; n++) append('filling');
    log.commit(false, []);
  }
  for (const topic of SECOND) append(topic);
  log.commit(true, []);
  const database = openDatabase(file);
  database.exec('UPDATE pruned_blocks SET checksum = checksum + 1');
  database.close();
  return log;
}

/** Does what the rules say, until they have no more to do. */
function prune(log: SqliteShardLog): BusError | undefined {
  try {
    while (log.pruning.pruneStep(1));
    return undefined;
  } catch (error) {
    return error as BusError;
  }
}

const eventsOf = (log: SqliteShardLog, topics: readonly string[]): (number | undefined)[] =>
  topics.map((topic) => log.topic(topic)?.events);

it('holds up the rule whose removal comes to damage, and no other', () => {
  const log = openDamaged([
    { pattern: 'old', maxEvents: 1 },
    { pattern: 'new', maxEvents: 1 },
    { pattern: 'late.*', keepPerTopic: 1 },
  ]);
  for (let again = 0; again < 2; again++) {
    expect(prune(log)).toMatchObject({ code: 'STORE_CORRUPT' });
    expect(eventsOf(log, ['old', 'new', 'late.1'])).toEqual([3, 1, 1]);
  }
  log.close();
});

it('holds up the topics of a compaction that meet damage, and no others', () => {
  const log = openDamaged([{ pattern: 't.*', keepPerTopic: 1 }]);
  const topics = ['t.1', 't.2', 't.3', 't.4', 't.5', 't.6'];
  expect(prune(log)?.message).toContain('block 0 in pruned_blocks is damaged');
  expect(eventsOf(log, topics)).toEqual([2, 1, 1, 2, 1, 1]);
  expect(log.prunedEvents).toBe(3);
  log.close();
});
