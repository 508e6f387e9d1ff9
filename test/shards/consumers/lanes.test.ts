import { describe, expect, onTestFinished, test } from 'vitest';
import { SETTLE_ACK, SETTLE_ACK_WRITTEN } from '../../../src/link/consumer-records.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { makeShard, memoryLog } from '../support.js';
import { entryOf, publish, working } from './rig.js';

const PRIORITY = { filter: 'jobs.*', priority: ['jobs.urgent', 'jobs.soon'] };

describe('a consumer with priorities', () => {
  test('is leased the events of earlier patterns first', () => {
    const { link, one, turn } = working(PRIORITY, 0);
    const topics = ['jobs.x', 'jobs.soon', 'jobs.urgent', 'jobs.y', 'jobs.urgent', 'jobs.soon'];
    for (const [n, topic] of topics.entries()) publish(link, n, topic);
    turn();
    one.tokens(6);
    turn();
    expect(one.leases().map(({ sequence }) => sequence)).toEqual([3, 5, 2, 6, 1, 4]);
  });

  test('gets an urgent event at once past a backlog that fills its lane', () => {
    const log = memoryLog(Array.from({ length: 3000 }, (_, n) => `jobs.n${n % 7}`));
    const { link, one, turn } = working({ ...PRIORITY, maxAhead: 10 }, 2, log);
    for (let n = 0; n < 8; n++) turn();
    const first = one.leases();
    expect(first.map(({ sequence }) => sequence)).toEqual([1, 2]);
    publish(link, 1, 'jobs.urgent');
    turn();
    one.settle(SETTLE_ACK, first.slice(0, 1));
    one.tokens(1);
    turn();
    expect(one.leases()).toMatchObject([{ sequence: 3001 }]);
  });

  test('gets every event once, whatever lane reads it, also after a restart', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const open = () => {
      const log = new SqliteShardLog({ file, shard: 0 });
      onTestFinished(() => log.close());
      // As the first thread of a process does.
      log.ringPositions.clear();
      return log;
    };
    const names = ['jobs.urgent', 'jobs.n', 'jobs.soon', 'jobs.n', 'other'];
    const start = () => {
      const made = working({ ...PRIORITY, maxAhead: 5 }, 0, open());
      made.one.tokens(4);
      return made;
    };
    let rig = start();
    const seen: number[] = [];
    for (let n = 1; n <= 400; n++) {
      publish(rig.link, n, names[(n * 7) % 5]!);
      if (n % 9 > 0) continue;
      rig.turn();
      const leases = rig.one.leases();
      seen.push(...leases.map(({ sequence }) => sequence));
      if (leases.length > 0) rig.one.settle(SETTLE_ACK_WRITTEN, leases);
      rig.one.tokens(leases.length);
      if (n % 99 > 0) continue;
      rig.turn();
      rig.log.close();
      rig = start();
    }
    for (let quiet = 0; quiet < 50; ) {
      rig.turn();
      const leases = rig.one.leases();
      quiet = leases.length > 0 ? 0 : quiet + 1;
      seen.push(...leases.map(({ sequence }) => sequence));
      if (leases.length > 0) rig.one.settle(SETTLE_ACK_WRITTEN, leases);
      rig.one.tokens(leases.length);
    }
    const done = new Set(seen);
    const wanted = Array.from({ length: 400 }, (_, n) => n + 1).filter(
      (n) => names[(n * 7) % 5] !== 'other',
    );
    expect([...done].sort((a, b) => a - b)).toEqual(wanted);
    expect(rig.log.consumers.load().map(({ lane }) => lane)).toEqual([0, 1, 2]);
    expect(rig.log.consumers.load().reduce((all, { acked }) => all + acked, 0)).toBe(wanted.length);
  });

  test('gets other priorities only while nothing is open, and its rows follow', () => {
    const { link, one, turn, shard, log } = working(PRIORITY);
    publish(link, 1, 'jobs.soon');
    turn();
    const leases = one.leases();
    expect(() => shard.applyConsumers([entryOf()])).toThrow(
      expect.objectContaining({ code: 'CONSUMER_BUSY' }),
    );
    one.settle(SETTLE_ACK, leases);
    turn();
    one.said();
    shard.applyConsumers([entryOf()]);
    publish(link, 2, 'jobs.soon');
    turn();
    expect(one.leases()).toMatchObject([{ sequence: 2 }]);
    expect(log.consumers.load()).toMatchObject([{ lane: 0, position: 2, acked: 1 }]);
  });

  test('gets another order with a new round, whatever is open', () => {
    const { link, one, turn, shard } = working(PRIORITY);
    publish(link, 1, 'jobs.soon');
    turn();
    one.leases();
    shard.applyConsumers([entryOf({ order: 'topic' }, { round: 2, position: 0 })]);
    turn();
    turn();
    expect(one.leases()).toMatchObject([{ sequence: 1, attempt: 1 }]);
  });

  test('goes on where its rows and its definition do not fit together', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = new SqliteShardLog({ file, shard: 0 });
    const { link, turn, one } = working({}, 4, log);
    for (let n = 1; n <= 3; n++) publish(link, n, n === 2 ? 'jobs.urgent' : 'jobs.n');
    turn();
    one.settle(SETTLE_ACK, one.leases().slice(0, 2));
    turn();
    log.close();
    const next = new SqliteShardLog({ file, shard: 0 });
    onTestFinished(() => next.close());
    const more = makeShard(next);
    more.shard.applyConsumers([entryOf(PRIORITY)]);
    more.turn();
    expect(next.consumers.load()).toMatchObject([
      { lane: 0, position: 3, acked: 2 },
      { lane: 1, position: 3 },
      { lane: 2, position: 3 },
    ]);
  });
});

describe('events that were read ahead', () => {
  test('are read from the log once, however long they wait for a token', () => {
    const log = memoryLog(Array.from({ length: 3000 }, () => 'jobs.a'));
    let reads = 0;
    const counted = new Proxy(log, {
      get: (of, name) => {
        const value = Reflect.get(of, name, of);
        if (typeof value !== 'function') return value;
        if (name === 'read') reads++;
        return value.bind(of);
      },
    });
    const { one, turn } = working({ maxAhead: 5000, maxInFlight: 5000 }, 0, counted);
    for (let n = 0; n < 10; n++) turn();
    const before = reads;
    let leased = 0;
    for (let n = 0; n < 400 && leased < 3000; n++) {
      one.tokens(10);
      turn();
      leased += one.leases().length;
    }
    expect([leased, reads - before]).toEqual([3000, 0]);
  });
});
