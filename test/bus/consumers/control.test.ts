import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/index.js';
import type { Consumer, DeadEvent, Delivery } from '../../../src/protocol/consumers.js';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { controls } from '../support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from '../support/open.js';
import { until } from '../support/wait.js';
import { busOn, memoryStoreOf } from './support/shared.js';
import { workerOf } from './support.js';

const SHARDS = 2;
const directingWorker = new URL('./support/directing-worker.js', import.meta.url);
const topicIn = (shard: number): string => {
  for (let n = 0; ; n++) if (shardOf(`jobs.${n}`, SHARDS) === shard) return `jobs.${n}`;
};

async function publish(bus: Bus, count: number, shard?: number): Promise<string[]> {
  const acks = await bus.publishMany(
    Array.from({ length: count }, (_, n) => ({
      topic: topicIn(shard ?? n % SHARDS),
      type: 'job',
      payload: n,
      id: `job-${shard ?? 'x'}-${n}`,
    })),
  );
  return acks.map(({ id }) => id);
}

async function rig(options: Parameters<typeof workerOf>[1] = {}) {
  const bus = await openTestBus({ shards: SHARDS });
  return { bus, worker: await workerOf(bus, options) };
}

/** Lets so many events die at their first attempt. */
async function die(worker: Consumer, count: number): Promise<void> {
  const run = worker.run((delivery) => delivery.term(`no ${delivery.event.id}`), {
    concurrency: 4,
  });
  await until(`${count} are dead`, async () => (await worker.info()).dead === count);
  await run.stop();
}

describe('info of a consumer', () => {
  it('counts what is to be done, in hand and done, and names the members', async () => {
    const { bus, worker } = await rig();
    await publish(bus, 10);
    expect(await worker.info()).toMatchObject({
      name: 'worker',
      paused: false,
      pending: 10,
      inFlight: 0,
      dead: 0,
      acked: 0,
      members: [],
      definition: { filter: { topics: ['jobs.*'] }, maxAttempts: 5 },
    });
    const inHand: Delivery[] = [];
    for await (const delivery of worker.deliveries({ concurrency: 3, name: 'by hand' })) {
      inHand.push(delivery);
      if (inHand.length < 3) continue;
      await inHand[0]!.ack();
      const info = await worker.info();
      expect(info).toMatchObject({ pending: 9, acked: 1, members: [{ name: 'by hand' }] });
      expect(info.inFlight).toBeGreaterThanOrEqual(2);
      expect(info.oldestAgeMs).toBeGreaterThanOrEqual(0);
      expect(info.shards.map(({ shard, head }) => [shard, head])).toEqual([
        [0, 5],
        [1, 5],
      ]);
      break;
    }
    expect(await bus.consumers()).toMatchObject([{ name: 'worker', acked: 1 }]);
  });

  it('and every other call is refused once the consumer is deleted, also in favour of another of its name', async () => {
    const { bus, worker } = await rig();
    await publish(bus, 2);
    await worker.delete();
    const unknown = { code: 'CONSUMER_UNKNOWN', details: { consumer: 'worker' } };
    await expect(bus.consumer('worker')).rejects.toMatchObject(unknown);
    expect(await bus.consumers()).toEqual([]);
    const again = await workerOf(bus);
    for (const call of ['info', 'open', 'dead', 'pause', 'redrive', 'delete'] as const) {
      await expect(worker[call](), call).rejects.toMatchObject(unknown);
    }
    expect(await again.info()).toMatchObject({ pending: 2 });
  });
});

describe('stats', () => {
  it('count all consumers together', async () => {
    const { bus, worker } = await rig({ maxAttempts: 1 });
    await bus.consumer('quiet', { filter: 'nothing.*' });
    await publish(bus, 6);
    await die(worker, 6);
    await publish(bus, 2, 0);
    await worker.pull({ max: 1, waitMs: 10_000 });
    const totals = { count: 2, pending: 2, inFlight: 1, waiting: 0, dead: 6 };
    await until('the figures of both shards are fresh', async () =>
      isDeepStrictEqual((await bus.stats()).consumers, totals),
    );
    await worker.delete();
    await until('it is not counted', async () => (await bus.stats()).consumers.count === 1);
  });
});

describe('a definition', () => {
  it('that differs is refused, and taken with update: true', async () => {
    const { bus } = await rig();
    await expect(workerOf(bus, { leaseMs: 1000 })).rejects.toMatchObject({
      code: 'CONSUMER_EXISTS',
      details: { fields: ['leaseMs'] },
    });
    const changed = await workerOf(bus, { leaseMs: 1000, update: true });
    expect((await changed.info()).definition.leaseMs).toBe(1000);
  });

  it('changes its order only while nothing is open, and nothing that was done comes again', async () => {
    const { bus, worker } = await rig();
    await publish(bus, 6);
    const done: unknown[] = [];
    const byTopic = { order: 'topic' as const, update: true };
    for await (const delivery of worker.deliveries()) {
      await expect(workerOf(bus, byTopic)).rejects.toMatchObject({ code: 'CONSUMER_BUSY' });
      await delivery.ack();
      done.push(delivery.event.payload);
      if (done.length === 6) break;
    }
    const changed = await workerOf(bus, byTopic);
    expect((await changed.info()).definition.order).toBe('topic');
    await publish(bus, 4, 1);
    for await (const delivery of changed.deliveries()) {
      await delivery.ack();
      done.push(delivery.event.payload);
      if (done.length === 10) break;
    }
    expect(done.sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 5]);
  });
});

describe('a consumer', () => {
  it('that is paused leases nothing until it is resumed, also after a restart', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: SHARDS });
    await (await workerOf(bus)).pause();
    await closeTestBus(bus);
    bus = await openTestBus({ dir });
    const worker = await bus.consumer('worker');
    const blocked: unknown[] = [];
    worker.on('blocked', (one) => blocked.push(one));
    await publish(bus, 4);
    let handled = 0;
    const run = worker.run(() => void handled++);
    expect(await worker.pull({ max: 4 })).toEqual([]);
    const info = await worker.info();
    expect(info).toMatchObject({ paused: true, blocked: { reason: 'paused' } });
    expect(handled).toBe(0);
    await until('it is told', () => blocked.length > 0);
    expect(blocked[0]).toMatchObject({ reason: 'paused' });
    await worker.resume();
    await until('all are handled', () => handled === 4);
    await run.stop();
  });

  it('moves: its leases are lost, and events come again from there', async () => {
    const { bus, worker } = await rig();
    await publish(bus, 4);
    const [delivery] = await worker.pull({ max: 1, waitMs: 10_000 });
    await worker.seek('now');
    expect(await worker.info()).toMatchObject({ pending: 0, inFlight: 0 });
    await expect(delivery!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await worker.seek('earliest');
    expect(await worker.info()).toMatchObject({ pending: 4 });
    await worker.seek({ last: 1 });
    const taken = await worker.pull({ max: 4, waitMs: 10_000 });
    expect(taken).toHaveLength(1);
    expect(taken[0]!.attempt).toBe(1);
  });

  it('lists what is open, in pages, and skips one of them', async () => {
    const { bus, worker } = await rig();
    await publish(bus, 6);
    const [taken] = await worker.pull({ max: 1, waitMs: 10_000 });
    const { shard, sequence } = taken!.event;
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await worker.open({ limit: 4, ...(after === undefined ? {} : { after }) });
      seen.push(...page.events.map((one) => `${one.shard}:${one.sequence} ${one.state}`));
      after = page.next;
      if (after === undefined) break;
    }
    expect(seen).toHaveLength(6);
    expect(seen.filter((one) => one.endsWith('leased'))).toEqual([`${shard}:${sequence} leased`]);
    await worker.skip({ shard, sequence: sequence! });
    await expect(worker.skip({ shard, sequence: sequence! })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(taken!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await worker.info()).toMatchObject({ pending: 5 });
  });

  it('tells of dead events, lists them, and lets them come again: first dry, then some, then all', async () => {
    const { bus, worker } = await rig({ maxAttempts: 1 });
    const told: DeadEvent[] = [];
    worker.on('dead', (dead) => told.push(dead));
    const ids = await publish(bus, 5);
    await die(worker, 5);
    await until('all are told', () => told.length === 5);
    expect(told[0]).toMatchObject({ cause: 'term', attempts: 1, letter: 'kept' });
    const { events } = await worker.dead();
    expect(events.map(({ id }) => id).sort()).toEqual(ids);
    expect(events[0]).toMatchObject({ cause: 'term', reason: `no ${events[0]!.id}` });
    const dry = await worker.redrive({ dryRun: true });
    expect(dry.redriven).toHaveLength(5);
    expect(await worker.info()).toMatchObject({ dead: 5, pending: 0 });
    const some = await worker.redrive({ ids: ['job-x-1', 'nobody'] });
    expect(some).toMatchObject({ redriven: [{ id: 'job-x-1' }], unknown: ['nobody'] });
    expect(await worker.info()).toMatchObject({ dead: 4, pending: 1 });
    expect((await worker.redrive()).redriven).toHaveLength(4);
    const handled: string[] = [];
    const run = worker.run(({ event, attempt }) => void handled.push(`${event.id} ${attempt}`));
    await until('all have come again', () => handled.length === 5);
    expect(handled.sort()).toEqual(ids.map((id) => `${id} 1`));
    await run.stop();
    expect(await worker.info()).toMatchObject({ dead: 0, pending: 0, acked: 5 });
  });

  it('is directed while the thread of a shard is replaced', async () => {
    const { bus, worker } = await rig();
    await publish(bus, 10);
    const killed = controls(bus).killShard(0);
    const paused = worker.pause();
    await Promise.all([killed, paused]);
    expect(await worker.info()).toMatchObject({ paused: true, pending: 10 });
  });

  it('is directed from an attached worker as well', async () => {
    const { bus, worker } = await rig({ maxAttempts: 1 });
    const { data, transferList } = bus.attachment();
    const thread = new Worker(directingWorker, { workerData: { attachment: data }, transferList });
    const said: object[] = [];
    thread.on('message', (message) => said.push(message));
    await until('it has looked', () => said.length === 1);
    expect(said).toEqual([{ paused: true, names: ['worker'] }]);
    const [id] = await publish(bus, 1);
    await die(worker, 1);
    await until('it has heard', () => said.length === 2);
    thread.postMessage('go on');
    await until('it has looked again', () => said.length === 3);
    expect(said.slice(1)).toEqual([{ dead: id }, { redriven: [id] }]);
    await once(thread, 'exit');
  });

  it('says nothing of itself on a bus without system events', async () => {
    const bus = await openTestBus({ shards: 1, systemEvents: false });
    const worker = await workerOf(bus);
    expect(() => worker.on('dead', () => {})).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });
});

describe('a store that keeps no consumers', () => {
  it('refuses them, and rules of retention that wait for them', async () => {
    const bus = await busOn(memoryStoreOf());
    const refused = {
      code: 'OPTION_INVALID',
      message: expect.stringContaining('keeps no durable'),
    };
    await expect(workerOf(bus)).rejects.toMatchObject(refused);
    await expect(bus.consumers()).rejects.toMatchObject(refused);
    const retention = [{ untilConsumedBy: ['worker'] }];
    await expect(busOn(memoryStoreOf(), { retention })).rejects.toMatchObject(refused);
  });
});
