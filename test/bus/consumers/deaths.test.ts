import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import { controls } from '../support/millrace.js';
import { openTestBus, temporaryDirectory } from '../support/open.js';
import { until, within } from '../support/wait.js';
import { publishJobs, workerOf } from './support.js';

/** Threads and processes that die while they work, and those that do not. */
const WORKER = new URL('./worker.js', import.meta.url);

interface Begun {
  readonly payload: number;
  readonly attempt: number;
}

/** A worker thread that works for the consumer; `begun` grows. */
async function startWorker(bus: Bus, options: { stuck: boolean; concurrency: number }) {
  const { data, transferList } = bus.attachment();
  const worker = new Worker(WORKER, {
    workerData: { attachment: data, ...options },
    transferList: [...transferList],
  });
  const begun: Begun[] = [];
  let isClosed = false;
  worker.on('message', (message: Begun | { closed: true } | { ready: true }) => {
    if ('closed' in message) isClosed = true;
    else if ('payload' in message) begun.push(message);
  });
  await once(worker, 'message');
  const stop = async (): Promise<void> => {
    worker.postMessage('stop');
    await until('it is closed', () => isClosed);
  };
  return { worker, begun, stop };
}

describe('a consumer', () => {
  test('shares its events among the workers of two threads, each event once', async () => {
    const bus = await openTestBus({ shards: 2 });
    await workerOf(bus);
    const options = { stuck: false, concurrency: 4 };
    const one = await startWorker(bus, options);
    const other = await startWorker(bus, options);
    await publishJobs(bus, 2000);
    await until('all are handled', () => one.begun.length + other.begun.length >= 2000);
    await Promise.all([one.stop(), other.stop()]);
    const all = [...one.begun, ...other.begun].map(({ payload }) => payload);
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, n) => n));
    expect(one.begun.length).toBeGreaterThan(0);
    expect(other.begun.length).toBeGreaterThan(0);
  });

  test('gives the events of a worker that is terminated to others at once', async () => {
    const bus = await openTestBus({ shards: 2 });
    // Long enough that a lease which runs out would fail the test.
    const consumer = await workerOf(bus, { leaseMs: 600_000 });
    const dying = await startWorker(bus, { stuck: true, concurrency: 8 });
    await publishJobs(bus, 20);
    await until('it is full', () => dying.begun.length === 8);
    const rest: Begun[] = [];
    consumer.run(({ event, attempt }) => {
      rest.push({ payload: event.payload as number, attempt });
    });
    await until('the others are done', () => rest.length === 12);
    await dying.worker.terminate();
    await until('all are done', () => rest.length === 20);
    const payloads = rest.map(({ payload }) => payload).sort((a, b) => a - b);
    expect(payloads).toEqual(Array.from({ length: 20 }, (_, n) => n));
    const stuck = new Set(dying.begun.map(({ payload }) => payload));
    for (const { payload, attempt } of rest) expect(attempt).toBe(stuck.has(payload) ? 2 : 1);
  });

  test('loses nothing and repeats no ack while threads of its shards are killed', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus, { leaseMs: 600_000, backoffMs: [0], maxAttempts: 1000 });
    const acked = new Set<number>();
    const repeated: number[] = [];
    const thrown = new Set<number>();
    const run = consumer.run(
      async (delivery) => {
        const n = delivery.event.payload as number;
        if (acked.has(n)) repeated.push(n);
        if (n % 100 === 3 && !thrown.has(n)) {
          thrown.add(n);
          throw new Error('once');
        }
        await delivery.ack();
        acked.add(n);
      },
      { concurrency: 64 },
    );
    const total = 20_000;
    const published = publishJobs(bus, total);
    let kills = 0;
    while (acked.size < total) {
      const before = acked.size;
      await until('it goes on', () => acked.size >= Math.min(total, before + 1500), 60_000);
      if (acked.size < total) await controls(bus).killShard(kills++ % 2);
    }
    await published;
    await run.stop();
    expect(repeated).toEqual([]);
    expect(acked.size).toBe(total);
    expect(thrown.size).toBe(total / 100);
    expect(kills).toBeGreaterThan(5);
    expect(await consumer.pull({ max: 10 })).toEqual([]);
  }, 180_000);

  test('leaves a pulled event with its holder when the thread of its shard is replaced', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus, { leaseMs: 600_000 });
    await publishJobs(bus, 3);
    const pulled = await consumer.pull({ max: 3, waitMs: 20_000 });
    for (const how of ['killShard', 'crashShard'] as const) {
      const { restarts } = (await bus.stats()).shards[0]!;
      await controls(bus)[how](0);
      await until('it is replaced', async () => {
        const [shard] = (await bus.stats()).shards;
        return shard!.restarts > restarts && shard!.state === 'running';
      });
      // The holder has claimed its leases by then: calls of a link are answered in their order.
      expect((await consumer.info()).inFlight).toBe(pulled.length);
      await pulled.pop()!.ack();
    }
    await consumer.info();
    expect(pulled.map(({ signal }) => signal.aborted)).toEqual([false]);
    await pulled[0]!.ack();
    expect(await consumer.info()).toMatchObject({ acked: 3, inFlight: 0, redelivered: 0 });
  });

  test('never gives an event again whose ack resolved before kill -9', async () => {
    const dir = temporaryDirectory();
    const total = 3000;
    let bus = await openTestBus({ dir, shards: 2 });
    await workerOf(bus, { maxAttempts: 1000, backoffMs: [0] });
    await publishJobs(bus, total);
    await bus.close();
    const acked = new Set<number>();
    const begun = new Set<number>();
    for (let round = 0; round < 3; round++) {
      const before = new Set(acked);
      const told = await killAfter(dir, 150);
      for (const [word, n] of told) {
        expect(before.has(n)).toBe(false);
        (word === 'acked' ? acked : begun).add(n);
      }
    }
    bus = await openTestBus({ dir });
    const consumer = await bus.consumer('worker');
    const rest = new Set<number>();
    // An ack may be stored whose line is not written; every other event comes again.
    const mayBeMissing = (n: number): boolean => begun.has(n) || rest.has(n);
    const all = Array.from({ length: total }, (_, n) => n);
    const run = consumer.run(({ event }) => void rest.add(event.payload as number));
    await until('the rest is done', () => all.every(mayBeMissing));
    await run.stop();
    for (let empty = 0; empty < 5; empty++) {
      for (const delivery of await consumer.pull({ max: 1000 })) {
        rest.add(delivery.event.payload as number);
        await delivery.ack();
        empty = 0;
      }
    }
    for (const n of rest) expect(acked.has(n)).toBe(false);
    expect(acked.size).toBeGreaterThan(150);
  });
});

/** Starts a process that works, kills it after so many acks, and returns its lines. */
async function killAfter(dir: string, acks: number): Promise<[string, number][]> {
  const child = spawn(process.execPath, [fileURLToPath(WORKER), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const closed = once(child, 'close');
  const counted = (): number => text.split('acked').length;
  await until(`${acks} acks`, () => counted() > acks || child.exitCode !== null);
  child.kill('SIGKILL');
  await within('its end', closed);
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => [line.slice(0, 5), Number(line.slice(6))]);
}
