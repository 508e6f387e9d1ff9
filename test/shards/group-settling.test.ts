import { describe, expect, test } from 'vitest';
import { ACK_REFUSED, ACK_SYNCED } from '../../src/link/link-records.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../src/record/event-record.js';
import type { GroupSettling } from '../../src/shards/group-settling.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { LinkRecovery } from '../../src/shards/recovery.js';
import { memoryLog, TestLink } from './support.js';

const flags = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED;
const ACK = { member: 3, sequence: 17, lease: 5 };

function rig(verdict: () => ReturnType<GroupSettling['settleWithGroup']>) {
  const log = memoryLog([]);
  const link = new TestLink();
  const end = link.shardEnd();
  const batch = new PublishBatch(log);
  const asked: unknown[] = [];
  batch.settling = {
    settleWithGroup: (_, { member, sequence, lease }) => {
      asked.push({ member, sequence, lease });
      return verdict();
    },
  };
  const run = (): void => {
    batch.drain([end], 0, 100);
    if (batch.positions.length > 0) batch.settle(log.commit(batch.synced, batch.positions));
    batch.acknowledge();
  };
  return { log, link, end, batch, asked, run };
}

describe('a group that acknowledges a lease', () => {
  test('is stored with the ack, and asks for none where it has no member', () => {
    const { log, link, asked, run } = rig(() => 'done');
    link.publishGroup([{ flags }, { flags }], ACK);
    link.publishGroup([{ flags }]);
    run();
    expect(asked).toEqual([ACK]);
    expect(link.acks()).toMatchObject([{ kind: ACK_SYNCED, count: 3, sequence: 1 }]);
    expect(log.head).toBe(3);
  });

  test('is refused whole if the lease has ended, by a successor of the thread too', () => {
    const { log, link, batch, run } = rig(() => 'ended');
    link.publishGroup([{ flags }, { flags }], ACK);
    link.publish({ flags });
    run();
    const refused = { kind: ACK_REFUSED, count: 2, code: 'LEASE_LOST' };
    expect(link.acks()).toMatchObject([refused, { kind: ACK_SYNCED, count: 1, sequence: 1 }]);
    expect(batch.conflicts).toBe(2);
    const [stored] = log.ringPositions.stored();
    expect(new LinkRecovery(link.shardEnd(), log, stored).step()).toBe(true);
    expect(link.acks()).toMatchObject([refused, { kind: ACK_SYNCED, count: 1, sequence: 1 }]);
  });

  test('waits, and all behind it, until the endpoint has said which leases it holds', () => {
    let verdict: 'later' | 'done' = 'later';
    const { log, link, end, batch, asked, run } = rig(() => verdict);
    link.publish({ flags });
    link.publishGroup([{ flags }], ACK);
    link.publish({ flags });
    run();
    batch.release();
    expect([log.head, end.isHeld, end.hasPublishes]).toEqual([1, true, false]);
    run();
    expect(asked).toHaveLength(1);
    verdict = 'done';
    end.isHeld = false;
    run();
    expect(log.head).toBe(3);
    expect(link.acks().reduce((sum, { count }) => sum + count, 0)).toBe(3);
  });

  test('asks for no ack if its events conflict with what is stored', () => {
    const { log, link, batch, asked, run } = rig(() => 'done');
    const named = flags | EVENT_FLAG_SUPPLIED_ID;
    link.publish({ id: 'a', flags: named });
    run();
    batch.release();
    link.publishGroup(
      [
        { flags: named, id: 'b' },
        { flags: named, id: 'a' },
      ],
      ACK,
    );
    run();
    expect(asked).toEqual([]);
    expect(link.acks().at(-1)).toMatchObject({ kind: ACK_REFUSED, code: 'CONFLICT' });
    expect(log.head).toBe(1);
  });

  test('has no lease while the shard has no consumers', () => {
    const { log, link, batch, run } = rig(() => 'done');
    batch.settling = undefined;
    link.publishGroup([{ flags }], ACK);
    run();
    expect(link.acks()).toMatchObject([{ kind: ACK_REFUSED, code: 'LEASE_LOST' }]);
    expect(log.head).toBe(0);
  });
});
