import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ACK_DUPLICATE, ACK_REFUSED, ACK_WRITTEN } from '../../src/link/link-records.js';
import { ShardControl } from '../../src/link/shard-control.js';
import { KIB } from '../../src/protocol/limits/units.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../src/record/event-record.js';
import { Routes } from '../../src/shards/routes.js';
import { Shard } from '../../src/shards/shard.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../bus/support/open.js';
import { TestLink } from './support.js';

const WRITTEN = EVENT_FLAG_PERSIST | EVENT_FLAG_SUPPLIED_ID;
const SYNCED = WRITTEN | EVENT_FLAG_SYNCED;

/**
 * A shard without a thread whose log has `written-0` to `written-9`, none of them flushed for its publisher, and little
 * room.
 */
function almostFull() {
  const file = join(temporaryDirectory(), 'shard-000.db');
  const log = new SqliteShardLog({ file, shard: 0, maxShardBytes: 200 * KIB });
  onTestFinished(() => log.close());
  const options = { shard: 0, commitBatchEvents: 100, publishWaitMs: 1000, prunes: false };
  const shard = new Shard(log, new Routes(), ShardControl.create(), options);
  const link = new TestLink(4 * 1024 * KIB);
  shard.add(link.shardEnd());
  for (let n = 0; n < 10; n++) {
    link.publish({ id: `written-${n}`, flags: WRITTEN });
    shard.turn();
  }
  expect(link.acks().every(({ kind }) => kind === ACK_WRITTEN)).toBe(true);
  expect(log.syncedHead).toBeLessThan(log.head);
  return { log, shard, link };
}

const tooLarge = 'x'.repeat(300 * KIB);

describe('a batch that the log has no room for', () => {
  test('refuses no repeat of a stored event, and flushes that event before it acknowledges the repeat', () => {
    const { log, shard, link } = almostFull();
    link.publish({ id: 'new', flags: SYNCED, payload: tooLarge });
    link.publish({ id: 'written-9', flags: SYNCED });
    // The repeated event would have got the next sequence.
    link.publish({ id: 'new', flags: SYNCED, payload: tooLarge });
    shard.turn();
    expect(link.acks()).toMatchObject([
      { kind: ACK_REFUSED, code: 'STORE_FULL' },
      { kind: ACK_DUPLICATE, count: 1, sequence: 10 },
      { kind: ACK_REFUSED, code: 'STORE_FULL' },
    ]);
    expect([log.head, log.syncedHead]).toEqual([10, 10]);
  });

  test('is not acknowledged at all if that flush fails', () => {
    const { log, shard, link } = almostFull();
    link.publish({ id: 'new', flags: SYNCED, payload: tooLarge });
    link.publish({ id: 'written-9', flags: SYNCED });
    const { commit } = log;
    log.commit = (synced, positions) => {
      if (positions.length > 0) return commit.call(log, synced, positions);
      throw new Error('the flush failed');
    };
    expect(() => shard.turn()).toThrow('the flush failed');
    expect(link.acks()).toEqual([]);
    expect(link.shardEnd().publishRing.refusal).toBe(0);
  });
});
