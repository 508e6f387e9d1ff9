import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { SinkFigures } from '../../src/protocol/sink-figures.js';
import { figuresOf } from '../../src/sinks/figures-of.js';
import { newKey, writeKeys } from '../auth/support/auth.js';
import { openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { connectTo } from '../client/support/millrace-client.js';
import { audit, outbox, prepareOutbox, webhook } from './built.js';
import { openSqlite } from './sqlite.js';
import { accept, answer, startReceiver } from './webhook/support/receiver.js';

/** The sinks of a program in the figures of its bus. */

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const publish = (bus: Bus, payload: unknown = 1) =>
  bus.publish({ topic: 'orders.new', type: 'order_created', payload });
const consumerOf = (bus: Bus, name = 'mailer', maxAttempts = 1000) =>
  bus.consumer(name, { filter: 'orders.*', from: 'earliest', backoffMs: [10], maxAttempts });
const sinkOf = async (bus: Bus, name: string): Promise<SinkFigures | undefined> =>
  (await bus.stats()).sinks.list.find((one) => one.name === name);
const sinkIs = (bus: Bus, name: string, is: (sink: SinkFigures) => boolean) =>
  until(`the figures of ${name} say it`, async () => {
    const sink = await sinkOf(bus, name);
    return sink !== undefined && is(sink);
  });

describe('a sink in the figures of its bus', () => {
  it('waits while its receiver refuses, says why and what waits, and goes on', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 2 });
    expect((await bus.stats()).sinks).toEqual({ count: 0, failed: 0, waiting: 0, list: [] });
    let isOpen = false;
    const receiver = await startReceiver((...one) =>
      (isOpen ? accept : answer(503, `see https://me:pw@x.example/?token=t ${SECRET}`))(...one),
    );
    const consumer = await consumerOf(bus);
    const url = `${receiver.url}/orders?key=s3cr3t`;
    const sink = webhook({
      name: 'hook',
      consumer,
      url,
      secret: SECRET,
      allow: ['loopback'],
      onError: () => {},
    });
    await publish(bus);
    await sinkIs(bus, 'hook', ({ state, pending }) => state === 'waiting' && pending === 1);
    const { sinks } = await bus.stats();
    expect(sinks).toMatchObject({ count: 1, failed: 0, waiting: 1 });
    const [shown] = sinks.list;
    expect(shown).toMatchObject({
      ...{ name: 'hook', kind: 'webhook', consumer: 'mailer', done: 0, restarts: 0 },
      target: `${receiver.url}/orders?…`,
      lastError: { code: 'SINK_FAILED' },
    });
    expect(shown!.lastError!.message).toMatch(
      /HTTP 503 Service Unavailable: see https:\/\/…@x\.example\/\?… whsec_…$/,
    );
    expect(JSON.stringify(sinks)).not.toMatch(/s3cr3t|pw@|token=t/);
    expect(JSON.stringify(sinks)).not.toContain(SECRET.slice(6));
    expect(Date.parse(shown!.since!)).toBeGreaterThan(0);
    expect(shown!.failed).toBeGreaterThan(0);
    isOpen = true;
    await sinkIs(
      bus,
      'hook',
      (one) => one.done === 1 && one.state === 'running' && one.pending === 0,
    );
    const later = (await sinkOf(bus, 'hook'))!;
    expect(Date.parse(later.lastDoneAt!)).toBeGreaterThanOrEqual(Date.parse(later.lastFailedAt!));
    await sink.stop();
    await until('it is not shown', async () => (await bus.stats()).sinks.count === 0);
  });

  it('stays when it has failed, until one like it runs', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    const [gone, good] = [await startReceiver(answer(410)), await startReceiver()];
    const start = async (url: string) =>
      webhook({ consumer: await consumerOf(bus), url, secret: SECRET, allow: ['loopback'] });
    const first = await start(gone.url);
    await publish(bus);
    await expect(first.closed).rejects.toMatchObject({ code: 'ENDPOINT_GONE' });
    await sinkIs(bus, 'webhook', ({ state }) => state === 'failed');
    expect((await bus.stats()).sinks).toMatchObject({
      ...{ count: 1, failed: 1 },
      list: [{ lastError: { code: 'ENDPOINT_GONE' }, consumer: 'mailer' }],
    });
    const second = await start(good.url);
    await sinkIs(bus, 'webhook', ({ state }) => state === 'running');
    expect((await bus.stats()).sinks).toMatchObject({ count: 1, failed: 0 });
    await second.stop();
  });

  it('is shown from a worker thread, over the gateway, until the thread ends', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const operator = newKey({ name: 'operator', admin: ['*'] });
    const limited = newKey({ name: 'limited', subscribe: ['orders.*'], admin: ['orders.*'] });
    writeKeys(keysFile, operator, limited);
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    const { url } = await bus.serve({ port: 0, auth: { keysFile } });
    for (const name of ['trail', 'hooks']) await consumerOf(bus, name);
    const receiver = await startReceiver();
    const path = join(temporaryDirectory(), 'trail');
    const { data, transferList } = bus.attachment();
    const worker = new Worker(new URL('./support/sinks-worker.js', import.meta.url), {
      workerData: { attachment: data, path, url: receiver.url, secret: SECRET },
      transferList,
    });
    onTestFinished(() => void worker.terminate());
    await publish(bus);
    const { client } = connectTo(url, { getToken: () => operator.key });
    await until(
      'both have done it',
      async () => (await client.stats()).sinks.list.filter(({ done }) => done === 1).length === 2,
    );
    const { list } = (await client.stats()).sinks;
    expect(list.map(({ kind, target }) => [kind, target])).toEqual([
      ['audit', path],
      ['webhook', receiver.url],
    ]);
    expect(new Set(list.map(({ endpoint }) => endpoint)).size).toBe(1);
    const { client: little } = connectTo(url, { getToken: () => limited.key });
    await expect(little.stats()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const headers = { authorization: `Bearer ${limited.key}` };
    const refused = await fetch(`${url}/v1/stats`, { headers });
    expect([refused.status, (await refused.text()).includes(receiver.url)]).toEqual([403, false]);
    await worker.terminate();
    await until('none is shown', async () => (await bus.stats()).sinks.count === 0);
  });

  it('counts the rows that wait in an outbox', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 1, maxPayloadBytes: 1000 });
    const file = join(temporaryDirectory(), 'shop.db');
    const db = openSqlite(file);
    onTestFinished(() => void db.close());
    const enqueue = prepareOutbox(db);
    for (let n = 0; n < 5; n++) {
      enqueue({ topic: 'orders.new', type: 'order_created', payload: n });
    }
    // Nothing is published while a transaction of the program's own is open.
    db.exec('BEGIN IMMEDIATE');
    const sink = outbox({ bus, db });
    await sinkIs(bus, 'outbox', ({ pending }) => pending === 5);
    expect((await sinkOf(bus, 'outbox'))!.target).toBe(`outbox in ${file}`);
    db.exec('COMMIT');
    await sinkIs(bus, 'outbox', ({ done, pending }) => done === 5 && pending === 0);
    await sink.stop();
  });

  it('names the file of an outbox also where its path is relative', () => {
    const db = { name: 'shop.db', exec: () => {}, prepare: () => ({}) };
    const bus = { publishMany: async () => [], get: async () => undefined };
    const sink = outbox({ bus, db, onError: () => {} } as unknown as Parameters<typeof outbox>[0]);
    onTestFinished(() => sink.stop());
    const { target } = figuresOf(sink.info());
    expect(target).toBe('outbox in shop.db');
  });

  it('is one of many, of which figures name a bounded number', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    const receiver = await startReceiver(answer(410));
    const good = await startReceiver();
    const consumer = await consumerOf(bus);
    const options = { secret: SECRET, allow: ['loopback'] };
    const many = Array.from({ length: 150 }, (_, n) =>
      webhook({ ...options, name: `${n}`.padStart(255, 'n'), consumer, url: good.url }),
    );
    const gone = await consumerOf(bus, 'gone');
    webhook({ ...options, name: 'zz', consumer: gone, url: receiver.url });
    await publish(bus);
    await until('the failed one is the first', async () => {
      const { sinks } = await bus.stats();
      return sinks.list[0]?.name === 'zz' && sinks.list[0].state === 'failed';
    });
    const { sinks } = await bus.stats();
    expect(sinks.count).toBe(151);
    expect(sinks.list).toHaveLength(100);
    expect(JSON.stringify(sinks).length).toBeLessThan(100 * 1500);
    await Promise.all(many.map((sink) => sink.stop()));
  });

  it('is the archive too', async () => {
    const dir = join(temporaryDirectory(), 'archive');
    const bus = await openTestBus({ archive: { dir, segmentMs: 0 }, shards: 2 });
    const [sink] = (await bus.stats()).sinks.list;
    expect(sink).toMatchObject({ kind: 'archive', state: 'running', target: dir, failed: 0 });
    const trail = audit({ consumer: await consumerOf(bus), path: join(temporaryDirectory(), 't') });
    await until('both are shown', async () => (await bus.stats()).sinks.count === 2);
    await trail.stop();
  });
});
