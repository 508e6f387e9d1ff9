import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Consumer } from '../../src/protocol/consumers.js';
import { verifyTrail } from '../../src/sinks/audit/verify.js';
import { openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { until, within } from '../bus/support/wait.js';
import { connectTo } from '../client/support/millrace-client.js';
import { eventsIn, pathsOf } from './audit/support/trails.js';
import { audit, forward, webhook } from './built.js';
import { startReceiver } from './webhook/support/receiver.js';

/** The sinks in a worker thread of the bus, and in another process by a client. */

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const COUNT = 40;

async function game() {
  const bus = await openTestBus({ dir: ':memory:', shards: 2 });
  const from = { filter: 'a.*', from: 'earliest' } as const;
  const consumers = [
    await bus.consumer('trail', from),
    await bus.consumer('hooks', from),
    await bus.consumer('there', { ...from, order: 'topic' }),
  ];
  const path = join(temporaryDirectory(), 'trail');
  return { bus, consumers, path, receiver: await startReceiver() };
}

const publish = (bus: Bus) =>
  bus.publishMany(
    Array.from({ length: COUNT }, (_, n) => ({ topic: `a.${n % 5}`, type: 't', payload: n })),
  );

const settled = (consumers: readonly Consumer[]) =>
  until('all are acknowledged', async () => {
    const infos = await Promise.all(consumers.map((one) => one.info()));
    return infos.every(({ acked }) => acked === COUNT);
  });

describe('sinks', () => {
  it('work in a worker thread of the bus', async () => {
    const { bus, consumers, path, receiver } = await game();
    const { data, transferList } = bus.attachment();
    const worker = new Worker(new URL('./support/sinks-worker.js', import.meta.url), {
      workerData: { attachment: data, path, url: receiver.url, secret: SECRET },
      transferList,
    });
    onTestFinished(() => void worker.terminate());
    await publish(bus);
    await settled(consumers.slice(0, 2));
    const answer = new Promise((resolve) => worker.once('message', resolve));
    worker.postMessage('stop');
    expect(await within('the end', answer)).toEqual([COUNT, COUNT]);
    expect(await eventsIn(path)).toHaveLength(COUNT);
    expect(receiver.received).toHaveLength(COUNT);
  });

  it('work on the consumers of a client, through a lost connection', async () => {
    const { bus, consumers, path, receiver } = await game();
    const there = await openTestBus({ dir: ':memory:', shards: 1 });
    const gateway = await bus.serve({ port: 0 });
    const { client } = connectTo(gateway.url);
    const onError = () => {};
    const route = { here: 'h', there: 't' };
    const sinks = [
      audit({ consumer: await client.consumer('trail'), path, onError }),
      webhook({
        ...{ consumer: await client.consumer('hooks'), url: receiver.url, secret: SECRET },
        ...{ allow: ['loopback'], onError },
      }),
      forward({ consumer: await client.consumer('there'), to: there, ...route, onError }),
    ];
    await Promise.all(sinks.map((sink) => sink.ready));
    await publish(bus);
    await until('some have come', () => receiver.received.length > 3);
    const [connection] = (await client.connections()).connections;
    await client.disconnect(connection!.id).catch(() => {});
    await settled(consumers);
    await Promise.all(sinks.map((sink) => sink.stop()));
    expect((await eventsIn(path)).map(({ payload }) => payload).sort()).toEqual(
      [...Array(COUNT).keys()].sort(),
    );
    expect((await verifyTrail(await pathsOf(path))).fault).toBeUndefined();
    // A request whose ack was lost with the connection is sent again, under the same id.
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(COUNT);
    for (const { body, headers } of receiver.received) new Webhook(SECRET).verify(body, headers);
    const arrived = await there.query({ topic: 'a.*', limit: 1000 });
    expect(arrived).toHaveLength(COUNT);
    await client.close();
  });
});
