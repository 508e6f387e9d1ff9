import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import type * as index from '../../../src/index.js';
import type { Bus } from '../../../src/main/bus.js';
import type { Consumer, Delivery } from '../../../src/protocol/consumers.js';
import { publishJobs } from '../../bus/consumers/support.js';
import { until } from '../../bus/support/wait.js';
import { built } from '../../testing/subjects.js';
import { natsStore, newPrefix } from './support/nats.js';
import { NatsServer, natsServerPath } from './support/server.js';

/** The built one, because a bus's threads load built modules. */
const { openBus } = await built<typeof index>('index');

/** Acknowledges what comes. @returns the payloads */
function work(consumer: Consumer): unknown[] {
  const done: unknown[] = [];
  const run = consumer.run(({ event }) => void done.push(event.payload));
  onTestFinished(() => run.stop().catch(() => {}));
  return done;
}

const counted = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n);
const sorted = (payloads: readonly unknown[]) => [...payloads].sort((a, b) => +a! - +b!);

describe.runIf(natsServerPath !== undefined)('consumers on NATS, whose events are lost', () => {
  test('are handed out all of the new history, though the node that served them still runs', async () => {
    const server = await NatsServer.start();
    onTestFinished(() => server.dispose());
    const prefix = newPrefix();
    const open = async (): Promise<Bus> => {
      const store = natsStore({ servers: server.url, prefix, shards: 2 });
      const bus = await openBus({ store, systemEvents: false, onError: () => {} });
      // Nobody waits for it: the members of the first one have deliveries in hand that nobody decides.
      onTestFinished(() => void bus.close());
      return bus;
    };
    const before = await open();
    await publishJobs(before, 60);
    const late = await before.consumer('late', { filter: 'jobs.*', from: 'now' });
    const held: Delivery[] = [];
    const done: unknown[] = [];
    void (async () => {
      for await (const delivery of late.deliveries({ concurrency: 20 })) {
        if (held.length < 20) held.push(delivery);
        else await delivery.ack().then(() => done.push(delivery.event.payload));
      }
    })().catch(() => {});
    await publishJobs(before, 20, 60);
    await until('they are in hand', () => held.length === 20);

    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.delete(`${prefix}-0`);
    await manager.streams.delete(`${prefix}-1`);
    const after = await open();
    await connection.close();
    // Whoever served them would store where it was, and be believed.
    for (const delivery of held) delivery.ack().catch(() => {});
    await publishJobs(after, 30, 100);
    const there = work(await after.consumer('late'));
    await until('all are done', () => done.length + there.length >= 30);
    expect(sorted([...done, ...there])).toEqual(counted(100, 30));
  });

  test('are handed out all of the new history, and what was open or dead of the old one no more', async () => {
    const server = await NatsServer.start();
    onTestFinished(() => server.dispose());
    const prefix = newPrefix();
    const open = async (): Promise<Bus> => {
      const store = natsStore({ servers: server.url, prefix, shards: 2 });
      const bus = await openBus({ store, systemEvents: false });
      onTestFinished(() => bus.close());
      return bus;
    };
    const before = await open();
    const worker = await before.consumer('worker', { filter: 'jobs.*', from: 'earliest' });
    const done = work(worker);
    const strict = await before.consumer('strict', {
      filter: 'jobs.*',
      from: 'earliest',
      maxAttempts: 1,
    });
    const refusing = strict.run(() => Promise.reject(new Error('no')));
    await publishJobs(before, 60);
    await until('all are done', async () => (await worker.info()).acked === 60);
    await until('all are dead', async () => (await strict.info()).dead === 60);
    await refusing.stop();
    const late = await before.consumer('late', { filter: 'jobs.*', from: 'now' });
    await publishJobs(before, 10, 60);
    await until('the others are there', async () => (await late.info()).pending === 10);
    await until('the last are done', () => done.length === 70);
    await before.close();
    expect(sorted(done)).toEqual(counted(0, 70));

    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.delete(`${prefix}-0`);
    await manager.streams.delete(`${prefix}-1`);
    await connection.close();

    const after = await open();
    expect(after.epoch).not.toBe(before.epoch);
    await publishJobs(after, 30, 100);
    for (const name of ['worker', 'late', 'strict']) {
      const consumer = await after.consumer(name);
      expect(await consumer.info(), name).toMatchObject({ dead: 0, pending: 30 });
      const again = work(consumer);
      await until('all are done', () => again.length >= 30);
      expect(sorted(again), name).toEqual(counted(100, 30));
    }
  });
});
