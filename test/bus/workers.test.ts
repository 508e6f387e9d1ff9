import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import type { EventInput } from '../../src/protocol/event.js';
import { Collector, gather } from './support/collector.js';
import { refused } from './support/failures.js';
import { attachBus } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory, expectTopicOrder, expectWithoutHoles } from './support/oracle.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { DEADLINE_MS, until, within } from './support/wait.js';

/** The bus in a user's own worker threads: the same API, and no trace of a worker that is gone. */
const events = (count: number, mark = 'w'): EventInput[] =>
  Array.from({ length: count }, (_, n) => ({
    topic: `worker.${n % 5}`,
    type: 'worker_progress',
    payload: { mark, n },
  }));

describe('an attached worker', () => {
  test('publishes, and the thread that opened the bus sees it live', async () => {
    const bus = await openTestBus({ shards: 2 });
    const live = await Collector.start(bus, 'worker.*');
    const worker = await RemoteEndpoint.attach(bus);
    const acks = await worker.publishMany(events(300));
    expectWithoutHoles(acks);
    await live.count(300);
    expectSameHistory(live.events, acks, 'main');
    await worker.terminate();
  });

  test('subscribes to events of other threads and to its own', async () => {
    const bus = await openTestBus({ shards: 2 });
    const [one, two] = await Promise.all([RemoteEndpoint.attach(bus), RemoteEndpoint.attach(bus)]);
    await one.subscribe('all', '*', { from: 'earliest' });
    await two.subscribe('all', '*');
    const acks = await Promise.all([
      bus.publishMany(events(200, 'main')),
      one.publishEach(events(200, 'one')),
      two.publishMany(events(200, 'two')),
    ]);
    for (const worker of [one, two]) {
      await worker.count('all', 600);
      expectSameHistory(worker.received('all'), acks.flat(), 'worker');
    }
    await Promise.all([one.terminate(), two.terminate()]);
  });

  test('queries, reads, lists topics and subscribers, and resumes from a cursor', async () => {
    const bus = await openTestBus({ shards: 2 });
    const worker = await RemoteEndpoint.attach(bus);
    await bus.publishMany(events(3000));
    expect(await worker.query({ topic: 'worker.1', limit: 5 })).toHaveLength(5);
    const read = await worker.read({ topic: '*' });
    expectSameHistory(read, await gather(bus.read({ topic: '*' })), 'worker');
    expect(await worker.topics('worker.*')).toHaveLength(5);
    await worker.subscribe('first', '*', { from: 'earliest' });
    await worker.count('first', 3000);
    await worker.drain();
    const after = await worker.cursor('first');
    await worker.unsubscribe('first');
    await bus.publishMany(events(100));
    await worker.subscribe('second', '*', { from: { after } });
    await worker.count('second', 100);
    const stats = await worker.stats();
    expect(stats.subscriptions).toBe(1);
    expect(stats.endpoints).toBe(2);
    expect(stats.published).toBe(3100);
    await worker.terminate();
  });

  test('with tryPublish and drained loses nothing', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const live = await Collector.start(bus, '*');
    const worker = await RemoteEndpoint.attach(bus);
    await worker.tryPublishEach(events(2000));
    await live.count(2000);
    const numbers = live.events.map(({ payload }) => (payload as { n: number }).n);
    expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, index) => index));
    await worker.terminate();
  });

  test('that closes leaves no subscription behind, and its thread ends by itself', async () => {
    const bus = await openTestBus({ shards: 2 });
    const worker = await RemoteEndpoint.attach(bus);
    await worker.subscribe('all', '*');
    await worker.publishMany(events(10));
    await worker.close();
    await until('no subscription', async () => (await bus.stats()).subscriptions === 0);
    expect((await bus.stats()).endpoints).toBe(1);
    await refused(() => worker.publish(events(1)[0]!), 'BUS_CLOSED');
    const exited = worker.exited();
    await worker.letGo();
    expect(await within('the thread to end', exited)).toBe(0);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(10);
  });

  test('that is terminated leaves no subscription, and its acknowledged events are stored', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const live = await Collector.start(bus, '*');
    const worker = await RemoteEndpoint.attach(bus);
    await worker.subscribe('all', '*');
    const acks = await worker.publishMany(events(50));
    await worker.subscribeStuck('stuck', '*', { overflow: 'block', maxBuffer: 1 });
    const unknown = worker.publishEach(events(3000, 'late')).catch(() => undefined);
    await worker.terminate();
    await unknown;
    await until('one subscription', async () => (await bus.stats()).subscriptions === 1);
    expect(await bus.subscribers('worker.1')).toHaveLength(1);
    expect((await bus.stats()).endpoints).toBe(1);
    await within('others publish on', bus.publishMany(events(3000, 'main')));
    await within('drain', bus.drain());
    const all = await gather(bus.read<{ mark: string; n: number }>({ topic: '*' }));
    const ids = new Set(all.map(({ id }) => id));
    for (const ack of acks) expect(ids).toContain(ack.id);
    expect(all.filter(({ payload }) => payload.mark === 'main')).toHaveLength(3000);
    const late = all
      .filter(({ payload }) => payload.mark === 'late')
      .map(({ payload }) => payload.n);
    expect(new Set(late).size).toBe(late.length);
    await live.count(all.length);
    expectSameHistory(live.events, all, 'main');
  });

  test('may come and go many times', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const live = await Collector.start(bus, '*');
    for (let round = 0; round < 8; round++) {
      const worker = await RemoteEndpoint.attach(bus);
      await worker.subscribe('all', '*');
      await worker.publishMany(events(20));
      if (round % 2 === 0) await worker.close();
      await worker.terminate();
    }
    await live.count(160);
    expectTopicOrder(live.events, 'main');
    await until('all gone', async () => (await bus.stats()).endpoints === 1);
    await until('one subscription', async () => (await bus.stats()).subscriptions === 1);
  });

  test('that outlives the bus gets BUS_CLOSED', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2 });
    const worker = await RemoteEndpoint.attach(bus);
    await worker.subscribe('all', '*');
    await worker.publishMany(events(10));
    await within('close', bus.close());
    await refused(() => worker.publish(events(1)[0]!), 'BUS_CLOSED');
    await refused(() => worker.query({ topic: '*' }), 'BUS_CLOSED');
    const reopened = await openTestBus({ dir });
    expect(await gather(reopened.read({ topic: '*' }))).toHaveLength(10);
    await worker.terminate();
  });

  test('needs nothing of the thread that opened the bus', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const worker = await RemoteEndpoint.attach(bus);
    const word = new Int32Array(new SharedArrayBuffer(4));
    const done = worker.roundTrips(300, word);
    // This thread stands still meanwhile: no event loop, no messages.
    expect(Atomics.wait(word, 0, 0, DEADLINE_MS)).not.toBe('timed-out');
    expect(word[0]).toBe(300);
    await done;
    await worker.terminate();
  });

  test('that is never started costs the bus only memory', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const attachments = Array.from({ length: 20 }, () => bus.attachment());
    await within('acks', bus.publishMany(events(1000)));
    const late = await attachBus(attachments[7]!.data);
    expect(await late.publish(events(1)[0]!)).toMatchObject({ duplicate: false });
    await refused(async () => attachBus(attachments[7]!.data), ['OPTION_INVALID', 'BUS_CLOSED']);
    await within('close', bus.close());
    await refused(async () => attachBus(attachments[8]!.data), ['OPTION_INVALID', 'BUS_CLOSED']);
    await refused(() => late.publish(events(1)[0]!), 'BUS_CLOSED');
  });

  test('that dies of an uncaught error leaves no subscription behind', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { data, transferList } = bus.attachment();
    const code = `
      const { workerData } = require('node:worker_threads');
      import(workerData.entry).then(async ({ attachBus }) => {
        const bus = await attachBus(workerData.attachment);
        await bus.subscribe('*', () => {}).ready;
        await bus.publish({ topic: 'worker.last', type: 'worker_failed', payload: 1 });
        setImmediate(() => { throw new Error('my own mistake'); });
      });`;
    const entry = new URL('../../dist/index.js', import.meta.url).href;
    const worker = new Worker(code, {
      eval: true,
      workerData: { attachment: data, entry },
      transferList: [...transferList],
    });
    const [error] = await once(worker, 'error');
    expect(error).toMatchObject({ message: 'my own mistake' });
    await until('no subscription', async () => (await bus.stats()).subscriptions === 0);
    expect((await bus.stats()).endpoints).toBe(1);
    expect(await bus.query({ topic: 'worker.last' })).toHaveLength(1);
  });

  test('may be attached in the same thread, too', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { data } = bus.attachment();
    const second = await attachBus(data);
    const live = await Collector.start(second, '*');
    await bus.publish(events(1)[0]!);
    await second.publish(events(2)[1]!);
    await live.count(2);
    await second.close();
    expect((await bus.stats()).subscriptions).toBe(0);
    expect(await bus.publish(events(1)[0]!)).toMatchObject({ duplicate: false });
  });

  test('refuses an attachment that is not one', async () => {
    for (const data of [undefined, null, 5, 'bus', {}, []]) {
      await refused(async () => attachBus(data), 'OPTION_INVALID');
    }
  });
});
