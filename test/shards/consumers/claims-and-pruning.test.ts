import { describe, expect, onTestFinished, test } from 'vitest';
import { SETTLE_ACK, SETTLE_HAND_BACK } from '../../../src/link/consumer-records.js';
import type { ConsumerNews } from '../../../src/link/consumer-shapes.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { until } from '../../bus/support/wait.js';
import { makeShard, memoryLog, TestLink } from '../support.js';
import { entryOf, publish, TestMember, working } from './rig.js';

describe('leases of a dead thread', () => {
  /** Two endpoints, of which the first was leased an event; the thread has ended without a word. */
  function died(hasDeparted = false) {
    const file = shardFile(temporaryDirectory(), 0);
    const before = working({}, 1, new SqliteShardLog({ file, shard: 0 }));
    publish(before.link, 1);
    before.turn();
    before.one.leases();
    before.log.close();
    const log = new SqliteShardLog({ file, shard: 0 });
    onTestFinished(() => log.close());
    let claimed = 0;
    const made = makeShard(log, false, { hasDeparted, onClaimed: () => claimed++ });
    made.join(before.link);
    const other = new TestMember(new TestLink(65_536, 'other'), 1);
    made.join(other.link);
    made.shard.applyConsumers([entryOf()]);
    return { ...made, one: before.one, other, ended: () => claimed };
  }

  test('end at once when every endpoint has claimed, without an attempt', () => {
    const { one, other, turn, ended } = died();
    one.link.call('consumersClaimed', {});
    turn();
    expect(ended()).toBe(0);
    other.join('c1');
    other.tokens(1);
    other.link.call('consumersClaimed', {});
    turn();
    expect(ended()).toBe(1);
    expect(other.leases()).toMatchObject([{ sequence: 1, attempt: 1 }]);
  });

  test.each(['before', 'meanwhile'])('cost an attempt if an endpoint has left %s', (when) => {
    const { shard, other, one, turn } = died(when === 'before');
    other.join('c1');
    other.tokens(1);
    other.link.call('consumersClaimed', {});
    if (when === 'meanwhile') shard.leave(shard.links[0]!);
    else one.link.call('consumersClaimed', {});
    turn();
    turn();
    expect(other.leases()).toMatchObject([{ sequence: 1, attempt: 2 }]);
  });
});

describe('events that retention removes', () => {
  const prune = (rig: ReturnType<typeof working>, excessEvents: number) => {
    rig.link.call('pruneStep', { pattern: '*', excessEvents, excessBytes: 0, after: 0 }, { id: 6 });
    rig.turn();
  };

  test('are lost if they are open, and main is told of the gap', async () => {
    const news: ConsumerNews[] = [];
    const onNews = (of: readonly ConsumerNews[]) => news.push(...of);
    const rig = working({}, 1, undefined, { onNews });
    for (let n = 1; n <= 5; n++) publish(rig.link, n);
    rig.turn();
    const [leased] = rig.one.leases();
    prune(rig, 3);
    rig.turn();
    expect(rig.log.consumers.load()).toMatchObject([{ lost: 2 }]);
    // The one that is leased may still be acknowledged.
    rig.one.settle(SETTLE_ACK, [leased!]);
    rig.one.tokens(4);
    rig.turn();
    const said = rig.one.said();
    expect(said).toContainEqual({ settled: 1, refused: [] });
    expect(said.flatMap((one) => ('lease' in one ? [one.sequence] : []))).toEqual([4, 5]);
    await until('main has news', () => {
      rig.turn();
      return news.length > 0;
    });
    expect(news.flatMap(({ gaps }) => gaps)).toEqual([[2, 3]]);
  });

  test('are lost when they are handed back', () => {
    const rig = working({}, 1);
    publish(rig.link, 1);
    rig.turn();
    const [leased] = rig.one.leases();
    prune(rig, 1);
    rig.one.settle(SETTLE_HAND_BACK, [leased!]);
    rig.turn();
    expect(rig.log.consumers.load()).toMatchObject([{ lost: 1, position: 1 }]);
  });

  test.each([
    ['jobs.a', 4, 3],
    ['other', 0, 1],
  ])(
    'are lost before the consumer comes to them if they were on its topics: %s',
    (topic, lost, acked) => {
      const log = memoryLog([...Array.from({ length: 6 }, () => topic), 'jobs.a']);
      const rig = working({ maxAhead: 1 }, 0, log);
      rig.turn();
      rig.turn();
      prune(rig, 4);
      rig.one.tokens(9);
      for (let n = 0; n < 40; n++) {
        rig.turn();
        const leases = rig.one.leases();
        if (leases.length > 0) rig.one.settle(SETTLE_ACK, leases);
      }
      expect(log.consumers.load()).toMatchObject([{ lost, acked, position: 7 }]);
    },
  );

  test('are lost where they are the last before the end of the log', () => {
    const log = memoryLog(['jobs.a', 'jobs.a', 'jobs.a', 'other']);
    const rig = working({ maxAhead: 1 }, 0, log);
    prune(rig, 4);
    for (let n = 0; n < 10; n++) rig.turn();
    expect(log.consumers.load()).toMatchObject([{ position: 4, lost: 3 }]);
    expect(rig.shard.desk!.hasWork).toBe(false);
  });

  test.each([
    [false, 0],
    [true, 3],
  ])(
    'are lost to a consumer that is put back behind them only where a cursor promised them: %s',
    (isFromCursor, lost) => {
      const rig = working({}, 0, memoryLog(Array.from({ length: 5 }, () => 'jobs.a')));
      prune(rig, 3);
      rig.shard.applyConsumers([entryOf({}, { position: 5, round: 2 })]);
      for (let n = 0; n < 5; n++) rig.turn();
      const [before] = rig.log.consumers.load();
      rig.shard.applyConsumers([
        entryOf({}, { position: 0, round: 3, ...(isFromCursor && { isFromCursor }) }),
      ]);
      rig.one.tokens(5);
      for (let n = 0; n < 10; n++) rig.turn();
      expect(rig.one.leases().map(({ sequence }) => sequence)).toEqual([4, 5]);
      expect(rig.log.consumers.load()[0]!.lost - before!.lost).toBe(lost);
    },
  );

  test('are only those that a consumer is past, where a rule waits for it', () => {
    const retention = [{ pattern: '*', untilConsumedBy: ['worker'] }];
    const log = memoryLog([], { retention });
    const rig = working({}, 2, log, { prunes: true, retention });
    for (let n = 1; n <= 4; n++) publish(rig.link, n);
    rig.turn();
    const leases = rig.one.leases();
    const first = () => {
      let sequence = 0;
      log.read({ after: 0, limit: 1 }, (record) => {
        ({ sequence } = record);
        return false;
      });
      return sequence;
    };
    const needed = () => rig.shard.desk!.neededFrom('worker');
    expect([first(), needed()]).toEqual([1, 1]);
    rig.one.settle(SETTLE_ACK, leases);
    rig.turn();
    expect(needed()).toBe(3);
    const until = performance.now() + 20_000;
    while (first() < 3 && performance.now() < until) rig.turn();
    expect(first()).toBe(3);
    expect(rig.shard.desk!.neededFrom('nobody')).toBeUndefined();
  });
});
