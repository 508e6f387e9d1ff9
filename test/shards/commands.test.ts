import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { BusError, type ErrorCode } from '../../src/protocol/errors.js';
import type { LogStore } from '../../src/store/log-store.js';
import type { ShardPruning } from '../../src/store/shard-log.js';
import { openBus } from '../bus/support/millrace.js';
import { temporaryDirectory } from '../bus/support/open.js';
import { storeOf } from '../testing/subjects.js';
import { makeShard, memoryLog, subscribeRequest, TestLink } from './support.js';

/** A shard without a thread whose log fails to count its events in the given way, and a link to it. */
function failing(error: Error) {
  const log = memoryLog(['a']);
  const pruning: ShardPruning = {
    pruneStep: () => false,
    prune: () => ({ events: 0, bytes: 0 }),
    totals: () => {
      throw error;
    },
  };
  Object.defineProperty(log, 'pruning', { value: pruning });
  const { turn, join } = makeShard(log);
  const link = new TestLink();
  join(link);
  link.call('totals', { pattern: '*' }, { id: 7 });
  return { link, turn };
}

describe('a call to a shard', () => {
  test.each<ErrorCode>(['STORE_CORRUPT', 'STORE_FULL', 'OPTION_INVALID', 'INTERNAL'])(
    'that fails with %s is refused with it, and the shard goes on',
    (code) => {
      const { link, turn } = failing(new BusError(code, 'planted'));
      turn();
      expect(link.replies()).toMatchObject([
        { id: 7, isAnswer: false, body: { code, message: 'planted' } },
      ]);
      link.call('sync', {}, { id: 8 });
      turn();
      expect(link.replies()).toEqual([{ id: 8, isAnswer: true, body: null }]);
    },
  );

  test.each([
    ['STORE_FAILED', new BusError('STORE_FAILED', 'planted')],
    ['an error of no code', new TypeError('planted')],
  ])('that fails with %s ends the shard, unanswered', (_, error) => {
    const { link, turn } = failing(error);
    expect(() => turn()).toThrow(error);
    expect(link.replies()).toEqual([]);
  });

  test('of another shape than it should have is refused, and the shard goes on', () => {
    const { turn, join } = makeShard();
    const link = new TestLink();
    join(link);
    link.call('totals', JSON.parse('{"pattern":7}'), { id: 1 });
    link.call('totals', { pattern: '*' }, { id: 2 });
    turn();
    expect(link.replies()).toMatchObject([
      { id: 1, isAnswer: false, body: { code: 'INTERNAL' } },
      { id: 2, isAnswer: true, body: { events: 0, bytes: 0 } },
    ]);
  });
});

describe('a publish', () => {
  const events = (link: TestLink) => link.taken().filter((one) => 'event' in one);

  test('is not taken before a subscription that its endpoint made earlier', () => {
    const { turn, join } = makeShard();
    const link = new TestLink();
    join(link);
    turn(() => {
      link.call('subscribe', subscribeRequest(1, ['a']));
      link.publish({ topic: 'a', timestamp: 1 });
    });
    turn();
    expect(events(link)).toEqual([{ event: 1 }]);
  });

  test('is not taken before commands that a turn has left over', () => {
    const { turn, join } = makeShard();
    const link = new TestLink(1 << 20);
    join(link);
    for (let id = 1; id <= 1024; id++) link.call('sync', {}, { id });
    link.call('subscribe', subscribeRequest(1, ['a']));
    link.publish({ topic: 'a', timestamp: 1 });
    for (let turns = 0; turns < 3; turns++) turn();
    expect(events(link)).toEqual([{ event: 1 }]);
  });

  test('is taken although its endpoint sends as many commands as the shard reads, and more', () => {
    const { turn, join } = makeShard();
    const link = new TestLink(1 << 20);
    join(link);
    link.publish({ topic: 'a', timestamp: 1 });
    const acks = [];
    for (let turns = 0; turns < 4; turns++) {
      for (let id = 1; id <= 1500; id++) link.call('sync', {}, { id });
      turn();
      acks.push(...link.acks());
    }
    expect(acks).toMatchObject([{ count: 1, sequence: 1 }]);
  });

  test('is taken in the turn that sees it', () => {
    const { turn, join } = makeShard();
    const link = new TestLink();
    join(link);
    link.publish({ topic: 'a', timestamp: 1 });
    turn();
    expect(link.acks()).toMatchObject([{ count: 1, sequence: 1 }]);
  });
});

describe('a removal of events', () => {
  /** A bus in a directory whose log fails to remove events as long as its first thread lives. */
  async function busThatFailsWith(code: ErrorCode): Promise<Bus> {
    const store = storeOf(temporaryDirectory());
    const faulty: LogStore = {
      name: store.name,
      async open(request) {
        const opened = await store.open(request);
        const { shards, epoch, shardLog, history } = opened;
        return {
          shards,
          epoch,
          ...(history === undefined ? {} : { history }),
          shardLog: new URL('./failing-removal.mjs', import.meta.url).href,
          shardOptions: (shard) => ({ code, shardLog, options: opened.shardOptions(shard) }),
          ready: () => opened.ready(),
          resolveCursor: (cursor, heads) => opened.resolveCursor(cursor, heads),
          close: (heads) => opened.close(heads),
        };
      },
    };
    const bus = await openBus({ store: faulty, shards: 1 });
    onTestFinished(() => bus.close());
    const inputs = [1, 2, 3].map((payload) => ({ topic: 'a', type: 'counted', payload }));
    await bus.publishMany(inputs);
    return bus;
  }

  const restarts = async (bus: Bus) => (await bus.stats()).shards[0]!.restarts;

  test('begins again with the next thread of a shard whose log failed', async () => {
    const bus = await busThatFailsWith('STORE_FAILED');
    expect(await bus.prune({ maxEvents: 1 })).toMatchObject({ events: 2 });
    expect(await restarts(bus)).toBe(1);
    expect(await bus.query({ topic: 'a' })).toMatchObject([{ payload: 3 }]);
  });

  test('that finds the store full is refused, and ends no thread', async () => {
    const bus = await busThatFailsWith('STORE_FULL');
    await expect(bus.prune({ maxEvents: 1 })).rejects.toMatchObject({ code: 'STORE_FULL' });
    expect(await bus.query({ topic: 'a' })).toHaveLength(3);
    expect(await restarts(bus)).toBe(0);
  });
});
