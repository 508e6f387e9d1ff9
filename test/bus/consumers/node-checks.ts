import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { Consumer, Delivery } from '../../../src/protocol/consumers.js';
import type { LogStore } from '../../../src/store/log-store.js';
import { controls, openBus } from '../support/millrace.js';
import { until } from '../support/wait.js';
import { publishJobs, workerOf } from './support.js';

/** A history of two shards, with nothing in it. */
export interface SharedHistory {
  /** Makes a store for one more node. */
  connect(): LogStore;
  /** Called when all buses are closed. */
  dispose?(): void | Promise<void>;
}

const SHARDS = 2;

async function isAcked(worker: Consumer, count: number): Promise<boolean> {
  return (await worker.info()).acked === count;
}

/** Nodes on one broker: the first to open the broker owns the consumers, and the others relay. */
export function nodeChecks(name: string, newHistory: () => SharedHistory): void {
  const nodes = async (count: number): Promise<Bus[]> => {
    const history = newHistory();
    const buses: Bus[] = [];
    onTestFinished(async () => {
      await Promise.all(buses.map((bus) => bus.close()));
      await history.dispose?.();
    });
    for (let n = 0; n < count; n++) {
      buses.push(await openBus({ store: history.connect(), systemEvents: false }));
    }
    return buses;
  };

  describe(`a consumer with members on several nodes ${name}`, () => {
    test('gives each event to one of them, in order by key, and tells every node the same figures', async () => {
      const [one, other] = await nodes(2);
      const here = await workerOf(one!, { order: 'topic', maxAttempts: 100 });
      const there = await workerOf(other!, { order: 'topic', maxAttempts: 100 });
      const done: { node: number; topic: string; n: number }[] = [];
      const runs = [here, there].map((worker, node) =>
        worker.run(
          async ({ event: { topic, payload } }) => {
            done.push({ node, topic, n: payload as number });
          },
          { concurrency: 4 },
        ),
      );
      await publishJobs(other!, 300);
      await until('all are acknowledged', () => isAcked(there, 300));
      for (const run of runs) await run.stop();
      expect(done).toHaveLength(300);
      expect(new Set(done.map(({ n }) => n)).size).toBe(300);
      expect(new Set(done.map(({ node }) => node))).toEqual(new Set([0, 1]));
      for (const topic of new Set(done.map((one) => one.topic))) {
        const all = done.filter((one) => one.topic === topic).map(({ n }) => n);
        expect(all).toEqual([...all].sort((a, b) => a - b));
      }
      expect(await there.info()).toMatchObject({ acked: 300, pending: 0, inFlight: 0 });
      expect(await here.info()).toMatchObject({ acked: 300, pending: 0, inFlight: 0 });
      expect((await other!.consumers()).map(({ name }) => name)).toEqual(['worker']);
    });

    test('is paused, sought, redriven and deleted from any node', async () => {
      const [one, other] = await nodes(2);
      const here = await workerOf(one!, { maxAttempts: 1 });
      const there = await workerOf(other!, { maxAttempts: 1 });
      await publishJobs(one!, 10);
      await there.pause();
      expect(await here.info()).toMatchObject({ paused: true });
      await there.resume();
      const run = there.run(async (delivery) => {
        await delivery.term('no');
      });
      await until('all are dead', async () => (await here.info()).dead === 10);
      await run.stop();
      expect((await there.redrive()).redriven).toHaveLength(10);
      const second = there.run(async () => {});
      await until('the redriven are done', () => isAcked(here, 10));
      await second.stop();
      await there.seek('earliest');
      await until('all are to come again', async () => (await there.info()).pending === 10);
      await there.delete();
      expect(await one!.consumers()).toEqual([]);
      await expect(here.info()).rejects.toMatchObject({ code: 'CONSUMER_UNKNOWN' });
    });

    test('goes on when its owner closes, with what members of other nodes have in hand', async () => {
      const [one, other] = await nodes(2);
      await workerOf(one!, { leaseMs: 60_000 });
      const there = await workerOf(other!, { leaseMs: 60_000 });
      await publishJobs(other!, 40);
      const held: Delivery[] = [];
      let letGo = (): void => {};
      const free = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const run = there.run(
        async (delivery) => {
          held.push(delivery);
          await free;
        },
        { concurrency: 8 },
      );
      await until('eight are in hand', async () => held.length === 8);
      await one!.close();
      letGo();
      await until('all are acknowledged', () => isAcked(there, 40));
      await run.stop();
      expect(held).toHaveLength(40);
      expect(held.every(({ attempt }) => attempt === 1)).toBe(true);
    });

    test('loses nothing when threads of desks and of relays die', async () => {
      const buses = await nodes(3);
      const workers: Consumer[] = [];
      for (const bus of buses)
        workers.push(await workerOf(bus, { order: 'topic', maxAttempts: 100 }));
      const done: number[] = [];
      let kills = 0;
      const runs = workers.map((worker) =>
        worker.run(
          async ({ event }) => {
            done.push(event.payload as number);
            if (done.length % 50 !== 0) return;
            const bus = buses[kills % buses.length]!;
            await controls(bus).killDesk(kills++ % SHARDS);
          },
          { concurrency: 4 },
        ),
      );
      await publishJobs(buses[2]!, 300);
      await until('all are acknowledged', () => isAcked(workers[2]!, 300));
      for (const run of runs) await run.stop();
      expect(kills).toBeGreaterThan(4);
      expect(new Set(done).size).toBe(300);
    });
  });
}
