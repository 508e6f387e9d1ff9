import { describe, expect, onTestFinished, test } from 'vitest';
import { SETTLE_ACK } from '../../../src/link/consumer-records.js';
import { ACK_REFUSED } from '../../../src/link/link-records.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
} from '../../../src/record/event-record.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { publish, working } from './rig.js';

const flags = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED;
const ACK = { member: 1, sequence: 1, lease: 1 };

/** Acks that come with events, in a shard without a thread. */
describe('an ack that comes with events', () => {
  test('is stored in the commit of the events, and frees the key after it', () => {
    const { link, one, turn, log } = working({ order: 'topic' });
    publish(link, 1);
    publish(link, 2);
    turn();
    one.said();
    link.publishGroup([{ flags, topic: 'done.a' }], ACK);
    turn();
    expect(log.head).toBe(3);
    // The list that is stored with the event has the second job alone; it is leased in the turn after.
    turn();
    expect(one.leases()).toMatchObject([{ sequence: 2 }]);
    expect(log.consumers.load()).toMatchObject([{ acked: 1 }]);
    link.publishGroup([{ flags, topic: 'done.a' }], ACK);
    turn();
    expect(link.acks().at(-1)).toMatchObject({ kind: ACK_REFUSED, code: 'LEASE_LOST' });
    expect(log.head).toBe(3);
  });

  test('happens once where two groups of one batch have the same lease', () => {
    const { link, one, turn, log } = working();
    publish(link, 1);
    turn();
    one.said();
    link.publishGroup([{ flags, topic: 'done.a' }], ACK);
    link.publishGroup([{ flags, topic: 'done.b' }], ACK);
    turn();
    expect(log.head).toBe(2);
    turn();
    expect(log.consumers.load()).toMatchObject([{ acked: 1 }]);
  });

  test('leaves the lease as it was if the log has no room, and is taken later', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = new SqliteShardLog({ file, shard: 0, maxShardBytes: 400_000 });
    onTestFinished(() => log.close());
    const { link, one, turn } = working({ order: 'topic' }, 100, log);
    publish(link, 1);
    publish(link, 2);
    turn();
    const payload = 'x'.repeat(8000);
    for (let batch = 0, head = 0; batch < 100 && log.head !== head; batch++) {
      ({ head } = log);
      link.publish({ topic: 'other', payload, flags });
      turn();
    }
    one.said();
    const { head } = log;
    link.publishGroup([{ flags, topic: 'done.a', payload }], ACK);
    turn();
    turn();
    expect(log.head).toBe(head);
    // The second job of the key still waits for the first, which was neither acknowledged nor lost.
    expect(one.leases()).toEqual([]);
    expect(log.consumers.load()).toMatchObject([{ acked: 0 }]);
    one.settle(SETTLE_ACK, [ACK]);
    turn();
    turn();
    const said = one.said();
    expect(said).toContainEqual({ settled: 1, refused: [] });
    expect(said.filter((each) => 'lease' in each)).toMatchObject([{ sequence: 2 }]);
  });

  test('counts for a repeat of stored events', () => {
    const { link, one, turn, log } = working();
    publish(link, 1);
    const done = { flags: flags | EVENT_FLAG_SUPPLIED_ID, topic: 'done.a', id: 'done-1' };
    link.publishGroup([done]);
    turn();
    one.said();
    link.publishGroup([done], ACK);
    turn();
    turn();
    expect(log.head).toBe(2);
    expect(log.consumers.load()).toMatchObject([{ acked: 1 }]);
  });
});
