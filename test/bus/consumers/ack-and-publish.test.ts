import { describe, expect, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { Delivery } from '../../../src/protocol/consumers.js';
import { controls } from '../support/millrace.js';
import { openTestBus } from '../support/open.js';
import { until } from '../support/wait.js';

/** `ackAndPublish`: the ack and the events that follow from it, both or neither. */

/** With `shardBy`, so that the events of one line of jobs share a shard. */
const SHARES = { shards: 2, shardBy: { segments: 1 } };

const job = (topic: string, payload: unknown) => ({ topic, type: 'job', payload });

async function taken(bus: Bus, leaseMs = 600_000): Promise<Delivery> {
  const consumer = await bus.consumer('first', { filter: '*.todo', from: 'earliest', leaseMs });
  const [delivery] = await consumer.pull({ max: 1, waitMs: 20_000 });
  return delivery!;
}

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: { code: string }) => error.code,
  );

describe('ackAndPublish', () => {
  test('acknowledges the event and publishes others', async () => {
    const bus = await openTestBus(SHARES);
    await bus.publish(job('a.todo', 1));
    const delivery = await taken(bus);
    const acks = await delivery.ackAndPublish([job('a.done', 1), job('a.mail', 1)]);
    expect(acks).toMatchObject([{ topic: 'a.done' }, { topic: 'a.mail' }]);
    expect(await bus.query({ topic: 'a.*' })).toHaveLength(3);
    const consumer = await bus.consumer('first');
    expect(await consumer.info()).toMatchObject({ acked: 1, inFlight: 0 });
    // A second ack is the same ack; anything else is too late.
    await delivery.ack();
    expect(await failure(delivery.nak())).toBe('LEASE_LOST');
    expect(await failure(delivery.ackAndPublish([job('a.done', 2)]))).toBe('LEASE_LOST');
  });

  test('is refused whole where a topic is of another shard, and leaves the lease', async () => {
    const bus = await openTestBus(SHARES);
    await bus.publish(job('a.todo', 1));
    const delivery = await taken(bus);
    const { shard } = delivery.event;
    const names = Array.from({ length: 20 }, (_, n) => `t${n}.x`);
    const acks = await bus.publishMany(names.map((topic) => job(topic, 0)));
    const other = acks.find((ack) => ack.shard !== shard)!.topic;
    const inputs = [job('a.done', 1), job(other, 1)];
    expect(await failure(delivery.ackAndPublish(inputs))).toBe('ATOMIC_ACROSS_SHARDS');
    expect(await bus.query({ topic: 'a.done' })).toEqual([]);
    expect(await failure(delivery.ackAndPublish([job('a.done', 1)]))).toBeUndefined();
  });

  test('publishes nothing for a lease that another has settled', async () => {
    const bus = await openTestBus(SHARES);
    await bus.publish(job('a.todo', 1));
    const delivery = await taken(bus);
    const consumer = await bus.consumer('first');
    await consumer.skip({ shard: delivery.event.shard, sequence: delivery.event.sequence! });
    expect(await failure(delivery.ackAndPublish([job('a.done', 1)]))).toBe('LEASE_LOST');
    expect(await bus.query({ topic: 'a.done' })).toEqual([]);
  });

  test('is an ack where nothing follows', async () => {
    const bus = await openTestBus(SHARES);
    await bus.publish(job('a.todo', 1));
    expect(await (await taken(bus)).ackAndPublish([])).toEqual([]);
    expect(await (await bus.consumer('first')).info()).toMatchObject({ acked: 1 });
  });

  test('leaves the lease where an expectation is not met', async () => {
    const bus = await openTestBus(SHARES);
    await bus.publishMany([job('a.todo', 1), job('a.done', 0)]);
    const delivery = await taken(bus);
    const inputs = [job('a.done', 1)];
    const refused = delivery.ackAndPublish(inputs, { expect: { 'a.done': 'none' } });
    expect(await failure(refused)).toBe('CONFLICT');
    await delivery.ackAndPublish(inputs);
    expect(await bus.query({ topic: 'a.done' })).toHaveLength(2);
  });

  test('keeps the place and the lease of an event whose handler does not await it', async () => {
    const bus = await openTestBus({ shards: 1 });
    const total = 3000;
    const options = { leaseMs: 600_000, maxAttempts: 1, deadLetter: 'dead.first' };
    const first = await bus.consumer('first', { filter: '*.todo', from: 'earliest', ...options });
    const begun: unknown[] = [];
    let done = 0;
    let most = 0;
    const errors: unknown[] = [];
    const run = first.run(
      (delivery) => {
        begun.push(delivery.event.payload);
        most = Math.max(most, begun.length - done - errors.length);
        delivery.ackAndPublish([job('a.done', delivery.event.payload as number)]).then(
          () => done++,
          (error) => errors.push(error),
        );
      },
      { concurrency: 8 },
    );
    await bus.publishMany(Array.from({ length: total }, (_, n) => job('a.todo', n)));
    for (let mark = 500; mark < total; mark += 500) {
      await until('it goes on', () => done >= mark, 60_000);
      await controls(bus).killShard(0);
    }
    await until('all are done', () => done + errors.length === total, 60_000);
    await run.stop();
    expect(errors).toEqual([]);
    expect(most).toBeLessThanOrEqual(8);
    expect(new Set(begun).size).toBe(begun.length);
    expect(await bus.query({ topic: 'a.done', limit: total + 1 })).toHaveLength(total);
    expect(await first.info()).toMatchObject({ acked: total, dead: 0, inFlight: 0 });
  }, 180_000);

  test('keeps the lease of an event whose loop is left meanwhile', async () => {
    const bus = await openTestBus({ shards: 1 });
    const first = await bus.consumer('first', { filter: '*.todo', from: 'earliest' });
    await bus.publish(job('a.todo', 1));
    const outcomes: Promise<unknown>[] = [];
    for await (const delivery of first.deliveries()) {
      await controls(bus).killShard(0);
      outcomes.push(delivery.ackAndPublish([job('a.done', 1)]).catch(({ code }) => code));
      break;
    }
    expect(await outcomes[0]).toMatchObject([{ topic: 'a.done' }]);
    expect(await first.info()).toMatchObject({ acked: 1, inFlight: 0, redelivered: 0 });
  });

  test('gives every job exactly one follow-up while threads of its shards are killed', async () => {
    const bus = await openTestBus(SHARES);
    const total = 6000;
    const options = { leaseMs: 600_000, backoffMs: [0], maxAttempts: 1000 };
    const first = await bus.consumer('first', { filter: '*.todo', from: 'earliest', ...options });
    const resolved = new Set<number>();
    const unexpected: unknown[] = [];
    const run = first.run(
      async (delivery) => {
        const n = delivery.event.payload as number;
        const [line] = delivery.event.topic.split('.');
        try {
          await delivery.ackAndPublish([job(`${line}.done`, n)]);
          if (resolved.has(n)) unexpected.push(`again ${n}`);
          resolved.add(n);
        } catch (error) {
          unexpected.push(error);
        }
      },
      { concurrency: 64 },
    );
    const inputs = Array.from({ length: total }, (_, n) => job(`line${n % 8}.todo`, n));
    const published = (async () => {
      for (let at = 0; at < total; at += 500) await bus.publishMany(inputs.slice(at, at + 500));
    })();
    let kills = 0;
    while (resolved.size < total) {
      const before = resolved.size;
      await until('it goes on', () => resolved.size >= Math.min(total, before + 700), 60_000);
      if (resolved.size < total) await controls(bus).killShard(kills++ % 2);
    }
    await published;
    await run.stop();
    expect(unexpected).toEqual([]);
    const done: number[] = [];
    for await (const event of bus.read({ topic: '*' })) {
      if (event.topic.endsWith('.done')) done.push(event.payload as number);
    }
    expect(done.sort((a, b) => a - b)).toEqual(inputs.map((_, n) => n));
    expect(kills).toBeGreaterThan(4);
    expect(await first.info()).toMatchObject({ inFlight: 0 });
    expect(await first.pull({ max: 10 })).toEqual([]);
  }, 180_000);
});
