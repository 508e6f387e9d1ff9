import { describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/index.js';
import type { Consumer, Delivery, HeldKey } from '../../../src/protocol/consumers.js';
import { openTestBus, temporaryDirectory } from '../support/open.js';
import { until } from '../support/wait.js';
import { publishJobs, workerOf } from './support.js';

const SHARDS = 2;

/** Takes all events that are there, acknowledges those that are to be done, and hands back the others later. */
async function settleSome(worker: Consumer, isDone: (payload: number) => boolean): Promise<void> {
  const taken: Delivery[] = await worker.pull({ max: 1000, waitMs: 10_000 });
  for (const delivery of taken) {
    if (isDone(delivery.event.payload as number)) await delivery.ack();
    else await delivery.nak({ delayMs: 3_600_000, count: false });
  }
}

/** By payload, what the consumer hands out once it was moved. */
async function handedOut(worker: Consumer, count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const taken = await worker.pull({ max: 1000, waitMs: 10_000 });
    for (const delivery of taken) {
      found.push(delivery.event.payload as number);
      await delivery.ack();
    }
  }
  return found;
}

describe('the preview of a seek', () => {
  const isDone = (payload: number): boolean => payload % 3 !== 0;

  async function rig(): Promise<{ bus: Bus; worker: Consumer }> {
    const bus = await openTestBus({ shards: SHARDS });
    const worker = await workerOf(bus);
    await publishJobs(bus, 20);
    await bus.publish({ topic: 'others.a', type: 'job', payload: -1 });
    await publishJobs(bus, 10, 20);
    await settleSome(worker, isDone);
    await publishJobs(bus, 5, 30);
    return { bus, worker };
  }

  it('counts what is passed over, and changes nothing', async () => {
    const { worker } = await rig();
    const open = 10;
    const unread = 5;
    expect(await worker.seekPreview('now')).toEqual({
      again: 0,
      passed: open + unread,
      inFlight: 0,
      unseen: 0,
    });
    const { pending } = await worker.info();
    expect(pending).toBeGreaterThanOrEqual(open + unread);
    await worker.seek('now');
    expect(await worker.seekPreview('now')).toMatchObject({ again: 0, passed: 0 });
  });

  it('counts what comes again, as the seek then hands it out', async () => {
    const { worker } = await rig();
    const preview = await worker.seekPreview('earliest');
    expect(preview).toEqual({ again: 20, passed: 0, inFlight: 0, unseen: 0 });
    await worker.seek('earliest');
    expect(new Set(await handedOut(worker, 35)).size).toBe(35);
    expect(await worker.seekPreview('earliest')).toMatchObject({ again: 35, passed: 0 });
  });

  it('counts both ways around a place within', async () => {
    const { worker, bus } = await rig();
    const [, , middle] = await bus.query({ topic: 'jobs.*', limit: 100 });
    const since = middle!.timestamp;
    const { again, passed } = await worker.seekPreview({ since });
    const info = await worker.info();
    await worker.seek({ since });
    const open = (await handedOut(worker, 15 - passed + again)).length;
    expect(open).toBe(15 - passed + again);
    expect(info.acked).toBe(20);
    expect(await worker.seekPreview('now')).toMatchObject({ again: 0, passed: 0 });
  });

  it('counts leases that are lost, and refuses a place that is none', async () => {
    const { worker } = await rig();
    const taken = await worker.pull({ max: 3, waitMs: 10_000 });
    expect(await worker.seekPreview('now')).toMatchObject({ inFlight: taken.length });
    await expect(worker.seekPreview('sometimes' as never)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    await worker.delete();
    await expect(worker.seekPreview('now')).rejects.toMatchObject({ code: 'CONSUMER_UNKNOWN' });
  });
});

describe('the keys that are held up', () => {
  it('are listed with the event that stands first, why it failed, and how many wait', async () => {
    const bus = await openTestBus({ shards: SHARDS });
    const worker = await workerOf(bus, { order: 'attributes.customer', backoffMs: [3_600_000] });
    const publish = (n: number, customer: string) =>
      bus.publish({ topic: `jobs.${n}`, type: 'job', payload: n, attributes: { customer } });
    for (let n = 0; n < 6; n++) await publish(n % 2, n % 2 === 0 ? 'ada' : 'bob');
    await publish(7, 'eve');
    const run = worker.run(
      ({ event }) => {
        if (event.attributes?.customer === 'eve') return;
        throw new Error(`no mail for ${event.attributes?.customer}`);
      },
      { concurrency: 4 },
    );
    const held = async (): Promise<readonly HeldKey[]> => (await worker.heldKeys()).keys;
    await until('two keys wait', async () => {
      const keys = await held();
      return keys.length === 2 && keys.every(({ first }) => first.state === 'waiting');
    });
    await run.stop();
    const keys = [...(await held())].sort((a, b) => (a.key < b.key ? -1 : 1));
    expect(keys).toMatchObject([
      { key: 'ada', waiting: 2, first: { topic: 'jobs.0', attempts: 1 } },
      { key: 'bob', waiting: 2, first: { topic: 'jobs.1', attempts: 1 } },
    ]);
    for (const { first, key } of keys) {
      expect(first.lastFailure).toMatchObject({ cause: 'nak', reason: `no mail for ${key}` });
      expect(Date.parse(first.until!)).toBeGreaterThan(Date.parse(first.lastFailure!.at));
      expect(first.id).toMatch(/^\w+$/);
    }
    const page = await worker.heldKeys({ limit: 1 });
    const rest = await worker.heldKeys({ limit: 1, after: page.next! });
    expect([...page.keys, ...rest.keys].map(({ key }) => key).sort()).toEqual(['ada', 'bob']);
    const first = keys[0]!.first;
    await worker.skip(first);
    expect((await held()).find(({ key }) => key === 'ada')).toMatchObject({ waiting: 1 });
  });
});

describe('a pause', () => {
  it('says since when it is, also after a restart', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir });
    const worker = await workerOf(bus);
    expect(await worker.info()).not.toHaveProperty('pausedAt');
    const before = Date.now();
    await worker.pause();
    const { pausedAt, paused, pausedBy } = await worker.info();
    expect({ paused, pausedBy }).toEqual({ paused: true, pausedBy: undefined });
    expect(Date.parse(pausedAt!)).toBeGreaterThanOrEqual(before);
    await worker.pause();
    await bus.close();
    const again = await (await openTestBus({ dir })).consumer('worker');
    expect(await again.info()).toMatchObject({ paused: true, pausedAt });
    await again.resume();
    expect(await again.info()).not.toHaveProperty('pausedAt');
  });
});
