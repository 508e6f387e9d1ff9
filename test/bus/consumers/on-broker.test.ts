import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { Delivery } from '../../../src/protocol/consumers.js';
import type { Event } from '../../../src/protocol/event.js';
import { memoryBroker } from '../../testing/subjects.js';
import { controls, openBus } from '../support/millrace.js';
import { until } from '../support/wait.js';
import { publishJobs, workerOf } from './support.js';

const SHARDS = 2;

function newBroker() {
  const broker = memoryBroker({ shards: SHARDS, consumers: true });
  onTestFinished(() => broker.close());
  return broker;
}

async function nodeOn(broker: ReturnType<typeof newBroker>): Promise<Bus> {
  const bus = await openBus({ store: broker.connect(), systemEvents: false });
  onTestFinished(() => bus.close());
  return bus;
}

const payloads = (events: readonly Event[]): unknown[] => events.map(({ payload }) => payload);

describe('a consumer of a bus on a broker', () => {
  test('gets each event once, those of a topic in order, though threads of shards and desks die', async () => {
    const bus = await nodeOn(newBroker());
    const worker = await workerOf(bus, { order: 'topic', maxAttempts: 100 });
    const done: Event[] = [];
    let kills = 0;
    const run = worker.run(
      async ({ event }) => {
        done.push(event);
        if (done.length % 60 !== 0) return;
        const shard = kills % SHARDS;
        await (kills++ % 2 === 0 ? controls(bus).killDesk(shard) : controls(bus).killShard(shard));
      },
      { concurrency: 8 },
    );
    await publishJobs(bus, 400);
    await until('all are acknowledged', async () => (await worker.info()).acked === 400);
    await run.stop();
    expect(kills).toBeGreaterThan(3);
    for (const name of new Set(done.map(({ topic }) => topic))) {
      const all = payloads(done.filter(({ topic }) => topic === name)) as number[];
      expect(all).toEqual([...all].sort((a, b) => a - b));
    }
    expect(new Set(payloads(done)).size).toBe(400);
    await until('the figures of the bus say so', async () => {
      const { count, pending, inFlight } = (await bus.stats()).consumers;
      return count === 1 && pending === 0 && inFlight === 0;
    });
  });

  test('goes on at the next node where it was: acks, attempts, dead events and their letters', async () => {
    const broker = newBroker();
    const one = await nodeOn(broker);
    const worker = await workerOf(one, {
      maxAttempts: 3,
      backoffMs: [0],
      deadLetter: 'dead.worker',
    });
    await publishJobs(one, 30);
    const run = worker.run(async (delivery) => {
      const number = delivery.event.payload as number;
      if (number % 3 === 0) await delivery.ack();
      else if (number % 3 === 1) await delivery.term(`no ${number}`);
      else await delivery.nak({ delayMs: 600_000 });
    });
    await until('all are settled', async () => {
      const { acked, dead, waiting } = await worker.info();
      return acked + dead + waiting === 30;
    });
    await run.stop();
    await one.close();

    const other = await nodeOn(broker);
    const again = await workerOf(other, {
      maxAttempts: 3,
      backoffMs: [0],
      deadLetter: 'dead.worker',
    });
    const info = await again.info();
    expect(info).toMatchObject({ acked: 10, dead: 10, waiting: 10, inFlight: 0 });
    await until('all letters are there', async () => {
      return (await other.query({ topic: 'dead.worker' })).length === 10;
    });
    const { redriven } = await again.redrive();
    expect(redriven).toHaveLength(10);
    const came: Delivery[] = [];
    const second = again.run(async (delivery) => {
      came.push(delivery);
    });
    await until('the redriven are done', async () => (await again.info()).acked === 20);
    await second.stop();
    expect((came.map(({ event }) => event.payload) as number[]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, n) => 3 * n + 1),
    );
  });

  test('takes no ack together with events, which the broker cannot store in one commit', async () => {
    const bus = await nodeOn(newBroker());
    const worker = await workerOf(bus);
    await publishJobs(bus, 1);
    for await (const delivery of worker.deliveries()) {
      await expect(
        delivery.ackAndPublish([{ topic: delivery.event.topic, type: 'next', payload: 1 }]),
      ).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('does not take ackAndPublish'),
      });
      await delivery.ack();
      break;
    }
    await until('it is acknowledged', async () => (await worker.info()).acked === 1);
  });
});
