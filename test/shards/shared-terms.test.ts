import { describe, expect, test, vi } from 'vitest';
import {
  ACK_DUPLICATE,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_SYNCED,
} from '../../src/link/link-records.js';
import { ShardControl } from '../../src/link/shard-control.js';
import { unexpectedError } from '../../src/protocol/conflicts.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../src/record/event-record.js';
import { LinkRecovery } from '../../src/shards/recovery.js';
import { Routes } from '../../src/shards/routes.js';
import { Shard } from '../../src/shards/shard.js';
import { Stream } from '../../src/testing/broker/stream.js';
import { record } from '../store/records.js';
import { SharedLog } from './shared-log.js';
import { TestLink } from './support.js';

const STORED = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED;
const NAMED = STORED | EVENT_FLAG_SUPPLIED_ID;
const ALL = { expect: true, groups: true };
const CONFLICT = unexpectedError({ topic: 'a', expected: 0, found: 2 });

function shardOn(log: SharedLog, link = new TestLink()) {
  const options = { shard: 0, commitBatchEvents: 100, publishWaitMs: 1000, prunes: false };
  const shard = new Shard(log, new Routes(), ShardControl.create(), options);
  const shardEnd = link.shardEnd();
  shard.add(shardEnd);
  return { shard, link, shardEnd };
}

function judgingLog(stream = new Stream()): SharedLog {
  const log = new SharedLog(stream);
  log.judges = ALL;
  return log;
}

/** The batch that is under way is stored, and the log hears of it. */
async function finish(shard: Shard, log: SharedLog): Promise<void> {
  await log.decide();
  log.hear();
  while (shard.turn());
}

describe('publishes on terms, on a shared log that judges them', () => {
  test('are appended with what they expect, and groups with a number of their own', async () => {
    const log = judgingLog();
    const { shard, link } = shardOn(log);
    link.publish({ flags: STORED });
    link.publishOnTerms({ flags: STORED }, 7);
    link.publishGroup([{ flags: STORED }, { flags: STORED, expected: 0 }]);
    link.publishGroup([{ flags: STORED }, { flags: STORED }]);
    shard.turn();
    const [plain, alone, one, other, third, fourth] = log.terms;
    expect(log.terms).toHaveLength(6);
    expect(plain).toBeUndefined();
    expect(alone).toEqual({ expected: 7, group: undefined });
    expect([one?.expected, other?.expected, third?.expected]).toEqual([undefined, 0, undefined]);
    expect(one?.group).toBe(other?.group);
    expect(third?.group).toBe(fourth?.group);
    expect(new Set([undefined, one?.group, third?.group]).size).toBe(3);
    await finish(shard, log);
    expect(link.acks()).toMatchObject([
      { kind: ACK_SYNCED, count: 1, sequence: 1 },
      { kind: ACK_SYNCED, count: 1, sequence: 2 },
      { kind: ACK_SYNCED, count: 2, sequence: 3 },
      { kind: ACK_SYNCED, count: 2, sequence: 5 },
    ]);
  });

  test('are refused one by one, and the others of the batch are stored', async () => {
    const log = judgingLog();
    const { shard, link } = shardOn(log);
    link.publish({ flags: STORED });
    link.publishOnTerms({ flags: STORED }, 0);
    link.publishGroup([{ flags: STORED }, { flags: STORED }]);
    link.publish({ flags: STORED });
    log.refusals.set(1, { found: 2, error: CONFLICT });
    log.refusals.set(2, { found: 0, error: CONFLICT });
    shard.turn();
    await finish(shard, log);
    expect(link.acks()).toMatchObject([
      { kind: ACK_SYNCED, count: 1, sequence: 1 },
      { kind: ACK_REFUSED, count: 1, sequence: 2, code: 'CONFLICT' },
      { kind: ACK_REFUSED, count: 2, code: 'CONFLICT' },
      { kind: ACK_SYNCED, count: 1, sequence: 2 },
    ]);
  });

  test('learn of a conflict when this node has the event that is there', async () => {
    const stream = new Stream();
    const log = judgingLog(stream);
    const { shard, link } = shardOn(log);
    for (const id of ['a', 'b'])
      stream.append([{ recordedAt: 1, bytes: record({ id, flags: NAMED }) }]);
    link.publishOnTerms({ flags: STORED }, 0);
    log.refusals.set(0, { found: 2, error: CONFLICT });
    shard.turn();
    await log.decide();
    log.hear(1);
    while (shard.turn());
    expect(link.acks()).toEqual([]);
    log.hear(2);
    while (shard.turn());
    expect(link.acks()).toMatchObject([{ kind: ACK_REFUSED, sequence: 2, code: 'CONFLICT' }]);
  });

  test('are repeats where the store has them, a group as a whole', async () => {
    const stream = new Stream();
    const log = judgingLog(stream);
    const { shard, link } = shardOn(log);
    const events = ['a', 'b', 'c'].map((id) => ({ id, flags: NAMED }));
    stream.append(events.map((event) => ({ recordedAt: 1, bytes: record(event) })));
    link.publishGroup(events);
    shard.turn();
    await finish(shard, log);
    expect(link.acks()).toMatchObject([{ kind: ACK_DUPLICATE, count: 3, sequence: 1 }]);
  });

  test.each([
    ['expect', { expect: false, groups: true }],
    ['atomic', { expect: true, groups: false }],
  ])('are refused where the store does not judge %s', async (option, judges) => {
    const log = judgingLog();
    log.judges = judges;
    const { shard, link } = shardOn(log);
    if (option === 'expect') link.publishOnTerms({ flags: STORED }, 0);
    link.publishGroup([{ flags: STORED, expected: 0 }]);
    link.publish({ flags: STORED });
    shard.turn();
    await finish(shard, log);
    const [last, ...refused] = link.acks().reverse();
    expect(refused).toHaveLength(option === 'expect' ? 2 : 1);
    for (const ack of refused) {
      expect(ack).toMatchObject({ kind: ACK_REFUSED, code: 'OPTION_INVALID' });
    }
    expect(last).toMatchObject({ kind: ACK_SYNCED, sequence: 1 });
  });

  test('are refused before an ephemeral event behind them is acknowledged', async () => {
    const log = new SharedLog(new Stream());
    const { shard, link } = shardOn(log);
    link.publishGroup([{ flags: STORED }, { flags: STORED }]);
    link.publish({ flags: 0 });
    link.publish({ flags: STORED });
    shard.turn();
    // The group was a batch of its own.
    await finish(shard, log);
    await finish(shard, log);
    expect(link.acks()).toMatchObject([
      { kind: ACK_REFUSED, count: 2 },
      { kind: ACK_EPHEMERAL, count: 1 },
      { kind: ACK_SYNCED, count: 1 },
    ]);
  });

  test('of a dead thread that was telling of refusals are unknown, whichever it was', async () => {
    const log = judgingLog();
    const { shard, link, shardEnd } = shardOn(log);
    link.publish({ flags: STORED });
    link.publishOnTerms({ flags: STORED }, 0);
    link.publishGroup([{ flags: STORED }, { flags: STORED }]);
    log.refusals.set(1, { found: 0, error: CONFLICT });
    shard.turn();
    await log.decide();
    log.hear();
    vi.spyOn(shardEnd.publishes, 'release').mockImplementation(() => {
      throw new Error('the thread dies');
    });
    expect(() => shard.turn()).toThrow('the thread dies');
    expect(link.acks()).toMatchObject([
      { kind: ACK_SYNCED, count: 1, sequence: 1 },
      { kind: ACK_REFUSED, count: 1, code: 'CONFLICT' },
      { kind: ACK_SYNCED, count: 2, sequence: 2 },
    ]);
    const next = judgingLog();
    const { shard: successor, shardEnd: again } = shardOn(next, link);
    again.recovery = new LinkRecovery(again, next, undefined);
    while (successor.turn());
    expect(link.acks()).toMatchObject([
      { kind: ACK_REFUSED, count: 1, code: 'PUBLISH_UNKNOWN' },
      { kind: ACK_REFUSED, count: 1, code: 'PUBLISH_UNKNOWN' },
      { kind: ACK_REFUSED, count: 2, code: 'PUBLISH_UNKNOWN' },
    ]);
    expect(next.isDeciding).toBe(false);
  });
});
