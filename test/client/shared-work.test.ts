import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { BusClient, Delivery } from '../../src/client.js';
import { until } from '../bus/support/wait.js';
import { startServer, temporaryDirectory } from '../cli/support/command.js';
import { ROOT } from '../docs/samples.js';
import { connectTo, reconnected } from './support/millrace-client.js';

/** Clients that share the work of a consumer of a real server, which they and their server may not survive. */

const JOBS = 2000;

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

async function publishJobs(client: BusClient, count: number): Promise<void> {
  const jobs = numbers(count).map((payload) => ({
    topic: `jobs.${payload % 7}`,
    type: 'job_due',
    payload,
  }));
  for (let from = 0; from < count; from += 500)
    await client.publishMany(jobs.slice(from, from + 500));
}

const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

describe('clients of one consumer', () => {
  it('share 2,000 jobs, and each is acknowledged once', async () => {
    const server = await startServer(temporaryDirectory(), ['--shards', '3']);
    const clients = [connectTo(server.url).client, connectTo(server.url).client];
    const options = { filter: 'jobs.*', from: 'earliest' } as const;
    const seen: number[][] = [[], []];
    await publishJobs(clients[0]!, JOBS / 2);
    for (const [at, client] of clients.entries()) {
      const consumer = await client.consumer<number>('worker', options);
      consumer.run(async ({ event }) => void seen[at]!.push(event.payload), {
        concurrency: 8,
        name: `client ${at}`,
      });
    }
    const all = connectTo(server.url).client;
    await publishJobs(all, JOBS / 2);
    const consumer = await all.consumer('worker');
    await until('all are done', async () => (await consumer.info()).acked >= JOBS);
    const info = await consumer.info();
    expect(info).toMatchObject({ acked: JOBS, inFlight: 0, dead: 0, lost: 0 });
    expect(info.members.map(({ name }) => name).sort()).toEqual(['client 0', 'client 1']);
    // Each half was published twice, once before and once after the members were there.
    const twice = sorted([...numbers(JOBS / 2), ...numbers(JOBS / 2)]);
    expect(sorted(seen.flat())).toEqual(twice);
    for (const one of seen) expect(one.length).toBeGreaterThan(0);
    await Promise.all(clients.map((client) => client.drain()));
  });

  it('get the jobs of a process that was killed at once, long before their leases end', async () => {
    const server = await startServer(temporaryDirectory(), ['--shards', '2']);
    const { client } = connectTo(server.url);
    const options = { filter: 'jobs.*', from: 'earliest', leaseMs: 3_600_000 } as const;
    const consumer = await client.consumer<number>('worker', options);
    await publishJobs(client, 100);
    const code = `
      import { connect } from 'millrace/client';
      const consumer = await connect('${server.url}').consumer('worker');
      let begun = 0;
      consumer.run(({ event }) => {
        if (event.payload % 2 === 1) return;
        if (++begun === 20) console.log('busy');
        return new Promise(() => {});
      }, { concurrency: 20 });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT });
    await once(child.stdout, 'data');
    await until('it holds 20', async () => (await consumer.info()).inFlight === 20);
    child.kill('SIGKILL');
    const seen: number[] = [];
    consumer.run(({ event }) => void seen.push(event.payload), { concurrency: 4 });
    await until('all are done', async () => (await consumer.info()).acked === 100);
    expect(seen.filter((job) => job % 2 === 0).length).toBe(50);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('go on with the next server, and an acknowledged job never comes again', async () => {
    let server = await startServer(temporaryDirectory(), ['--shards', '2']);
    const { client } = connectTo(server.url);
    const consumer = await client.consumer<number>('worker', {
      filter: 'jobs.*',
      from: 'earliest',
      maxAttempts: 1000,
      backoffMs: [0],
    });
    await publishJobs(client, 600);
    const acked = new Set<number>();
    const begunAfterAck: number[] = [];
    consumer.run(
      async (delivery: Delivery<number>) => {
        const { payload } = delivery.event;
        if (acked.has(payload)) begunAfterAck.push(payload);
        await delivery.ack().then(
          () => acked.add(payload),
          () => {},
        );
      },
      { concurrency: 8 },
    );
    await until('some are done', () => acked.size >= 50);
    const { reconnects } = client;
    await server.stop('SIGKILL');
    server = await startServer(server.dir, ['--port', String(server.port), '--shards', '2']);
    await reconnected(client, reconnects);
    await until('nothing is left', async () => (await consumer.info()).pending === 0);
    expect(begunAfterAck).toEqual([]);
    // An ack whose answer was lost is carried out or not; then the job has come again.
    expect(acked.size).toBeGreaterThanOrEqual(600 - 8 - 256);
    expect((await consumer.info()).dead).toBe(0);
  });

  it('lose the jobs of a worker that never answers, which are dead after their attempts', async () => {
    const server = await startServer(temporaryDirectory(), ['--shards', '1']);
    const { client } = connectTo(server.url);
    const consumer = await client.consumer<number>('worker', {
      filter: 'jobs.*',
      from: 'earliest',
      leaseMs: 200,
      maxAttempts: 2,
      backoffMs: [0],
    });
    const heard: string[] = [];
    consumer.on('dead', ({ cause }) => heard.push(cause));
    const lost: number[] = [];
    const run = consumer.run(
      (delivery) => {
        delivery.signal.addEventListener('abort', () => lost.push(delivery.attempt));
        return new Promise(() => {});
      },
      { concurrency: 4 },
    );
    await publishJobs(client, 1);
    await until('it is dead', async () => (await consumer.info()).dead === 1);
    expect(lost).toEqual([1, 2]);
    const { events } = await consumer.dead();
    expect(events).toMatchObject([
      { topic: 'jobs.1', attempts: 2, cause: 'expired', letter: 'kept' },
    ]);
    await until('it is told', () => heard.length === 1);
    expect(heard).toEqual(['expired']);
    void run.stop();
    const { redriven } = await consumer.redrive({ dryRun: true });
    expect(redriven.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
    expect((await consumer.info()).dead).toBe(1);
    expect((await consumer.redrive({ ids: [events[0]!.id, 'none'] })).unknown).toEqual(['none']);
    const [again] = await consumer.pull({ waitMs: 10_000 });
    expect(again!.event.payload).toBe(1);
    await again!.ack();
    expect(await consumer.info()).toMatchObject({ dead: 0, pending: 0 });
  });

  it('direct a consumer as a thread of the bus does', async () => {
    const server = await startServer(temporaryDirectory(), ['--shards', '1']);
    const { client } = connectTo(server.url);
    const consumer = await client.consumer('worker', { filter: 'jobs.*', order: 'topic' });
    await expect(client.consumer('worker', { filter: 'jobs.*' })).rejects.toMatchObject({
      code: 'CONSUMER_EXISTS',
    });
    await expect(client.consumer('nobody')).rejects.toMatchObject({ code: 'CONSUMER_UNKNOWN' });
    expect((await client.consumers()).map(({ name }) => name)).toEqual(['worker']);
    await consumer.pause();
    await publishJobs(client, 14);
    await until('all are open', async () => (await consumer.open()).events.length === 14);
    expect(await consumer.pull({ max: 3 })).toEqual([]);
    const page = await consumer.open({ limit: 10 });
    expect(page.events.map(({ state }) => state)).toEqual([
      ...Array.from({ length: 7 }, () => 'ready'),
      ...Array.from({ length: 3 }, () => 'held'),
    ]);
    expect((await consumer.open({ after: page.next! })).events).toHaveLength(4);
    const { shard, sequence } = page.events[0]!;
    await consumer.skip({ shard, sequence });
    await expect(consumer.skip({ shard, sequence })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await consumer.resume();
    const pulled = await consumer.pull({ max: 100 });
    expect(pulled).toHaveLength(7);
    await Promise.all(pulled.map((one) => one.nak({ count: false })));
    await consumer.seek('earliest');
    await expect(pulled[0]!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    const run = consumer.run(() => {});
    await consumer.delete();
    await expect(run.closed).rejects.toMatchObject({ code: 'CONSUMER_UNKNOWN' });
    expect(await client.consumers()).toEqual([]);
  });
});
