import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import type { Delivery } from '../../../src/protocol/consumers.js';
import { refused } from '../support/failures.js';
import { errorsTold, openTestBus } from '../support/open.js';
import { Gate, until, watch, within } from '../support/wait.js';
import { publishJobs, workerOf } from './support.js';

describe('a run', () => {
  test('gives an event back whose handler throws or rejects, and counts its attempts', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus, { maxAttempts: 3, backoffMs: [1] });
    const attempts: number[] = [];
    consumer.run(({ event, attempt }) => {
      if (event.payload !== 0) return;
      attempts.push(attempt);
      if (attempt === 1) throw new Error('thrown');
      return Promise.reject(new Error('rejected'));
    });
    await publishJobs(bus, 1);
    await until('three attempts', () => attempts.length === 3);
    const more = await consumer.pull({ max: 10 });
    expect(more).toEqual([]);
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('calls at most so many handlers at once, and each event begins once', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus);
    const gate = new Gate();
    let atOnce = 0;
    let most = 0;
    const begun: unknown[] = [];
    const run = consumer.run(
      async ({ event }) => {
        begun.push(event.payload);
        most = Math.max(most, ++atOnce);
        await gate.opened;
        await undefined;
        atOnce--;
      },
      { concurrency: 5 },
    );
    await publishJobs(bus, 40);
    await until('five are at work', () => begun.length === 5);
    gate.open();
    await until('all have begun', () => begun.length === 40);
    await run.drain();
    expect(most).toBe(5);
    expect(new Set(begun).size).toBe(40);
  });

  test('keeps the place of a handler that never returns, while its event goes to another member', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus, { leaseMs: 100, backoffMs: [0] });
    let stuck: Delivery | undefined;
    const first: unknown[] = [];
    consumer.run(
      (delivery) => {
        first.push(delivery.event.payload);
        if (stuck === undefined) {
          stuck = delivery;
          return new Promise(() => {});
        }
      },
      { name: 'first' },
    );
    await publishJobs(bus, 1);
    await until('it is stuck', () => stuck !== undefined);
    const second: unknown[] = [];
    const other = consumer.run(({ event }) => void second.push(event.payload));
    await publishJobs(bus, 3, 1);
    await until('the other has all', () => new Set(second).size === 4);
    expect(first).toEqual([0]);
    expect(stuck?.signal.aborted).toBe(true);
    await refused(() => stuck!.ack(), 'LEASE_LOST');
    await refused(() => stuck!.working(), 'LEASE_LOST');
    await other.stop();
  });

  test('goes by what a handler has said itself', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    const seen: [unknown, number][] = [];
    const outcomes: Promise<void>[] = [];
    consumer.run(async (delivery) => {
      const { event, attempt } = delivery;
      seen.push([event.payload, attempt]);
      if (attempt > 1 || seen.length > 6) return;
      if (event.payload === 0) outcomes.push(delivery.nak({ delayMs: 0 }));
      if (event.payload === 1) outcomes.push(delivery.term('no use'));
      if (event.payload === 2 && seen.length < 6) outcomes.push(delivery.nak({ count: false }));
    });
    await publishJobs(bus, 3);
    await until('they came again', () => seen.length >= 5);
    await bus.drain();
    await Promise.all(outcomes);
    expect(seen.filter(([payload]) => payload === 0)).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(seen.filter(([payload]) => payload === 1)).toEqual([[1, 1]]);
    const again = seen.filter(([payload]) => payload === 2);
    expect(again.length).toBeGreaterThan(1);
    expect(again.every(([, attempt]) => attempt === 1)).toBe(true);
  });

  test('answers a second ack with the first, and refuses another word on the event', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    let done: Delivery | undefined;
    let acks: Promise<void>[] = [];
    consumer.run(async (delivery) => {
      acks = [delivery.ack(), delivery.ack()];
      await acks[0];
      done = delivery;
    });
    await publishJobs(bus, 1);
    await until('it is done', () => done !== undefined);
    expect(acks[1]).toBe(acks[0]);
    await done!.ack();
    await refused(() => done!.nak(), 'LEASE_LOST');
    await refused(() => done!.term('late'), 'LEASE_LOST');
    await refused(() => done!.working(), 'LEASE_LOST');
    await refused(() => done!.nak({ delayMs: -1 }), 'OPTION_INVALID');
  });

  test('reports the failure of a handler that had settled its event', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    consumer.run(async (delivery) => {
      await delivery.ack();
      throw new Error('too late');
    });
    await publishJobs(bus, 1);
    await until('it is reported', () => errorsTold(bus).length === 1);
    expect(errorsTold(bus)[0]).toMatchObject({ code: 'HANDLER_FAILED' });
  });

  test('has its lease extended by a handler that is at work', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus, { leaseMs: 400 });
    const attempts: number[] = [];
    const ends: number[] = [];
    consumer.run(async (delivery) => {
      attempts.push(delivery.attempt);
      const before = delivery.leaseUntil.getTime();
      for (let n = 0; n < 8; n++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        await delivery.working();
      }
      const after = delivery.leaseUntil.getTime();
      await delivery.ack();
      ends.push(before, after);
    });
    await publishJobs(bus, 1);
    await until('it is done', () => ends.length > 0);
    expect(attempts).toEqual([1]);
    expect(ends[1]).toBeGreaterThan(ends[0]!);
  });

  test('runs its handler in the async context of the code that called it', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    storage.run('mine', () => consumer.run(() => void seen.push(storage.getStore())));
    await publishJobs(bus, 2);
    await until('both are handled', () => seen.length === 2);
    expect(seen).toEqual(['mine', 'mine']);
  });

  test('keeps the order of each key through retries, with many handlers', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus, {
      order: 'attributes.account',
      maxAttempts: 50,
      backoffMs: [0, 1],
    });
    const done = new Map<string, number[]>();
    const atWork = new Set<string>();
    const overtaken: unknown[] = [];
    let count = 0;
    const run = consumer.run(
      async ({ event, attempt }) => {
        const key = `${event.shard} ${event.attributes!.account}`;
        if (atWork.has(key)) overtaken.push(event.payload);
        atWork.add(key);
        await new Promise((resolve) => setImmediate(resolve));
        atWork.delete(key);
        const n = event.payload as number;
        if ((n * 7 + attempt) % 3 === 0) throw new Error('not yet');
        done.set(key, [...(done.get(key) ?? []), n]);
        count++;
      },
      { concurrency: 16 },
    );
    const inputs = Array.from({ length: 600 }, (_, n) => ({
      topic: `jobs.${n % 5}`,
      type: 'job',
      payload: n,
      attributes: { account: `a${n % 23}` },
    }));
    await bus.publishMany(inputs);
    await until('all are done', () => count >= 600);
    await run.stop();
    expect(overtaken).toEqual([]);
    expect(count).toBe(600);
    for (const [key, order] of done) {
      const shard = Number(key.split(' ')[0]);
      expect(order).toEqual([...order].sort((a, b) => a - b));
      expect(shard).toBeLessThan(2);
    }
  });
});

describe('the end of a run', () => {
  test('hands back what no handler has begun, and waits for those at work', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    const gate = new Gate();
    const begun: unknown[] = [];
    const run = consumer.run(
      async ({ event }) => {
        begun.push(event.payload);
        await gate.opened;
      },
      { concurrency: 2 },
    );
    await publishJobs(bus, 6);
    await until('two are at work', () => begun.length === 2);
    const stopped = run.stop();
    const watched = watch(stopped);
    const rest: [unknown, number][] = [];
    consumer.run(({ event, attempt }) => void rest.push([event.payload, attempt]), {
      concurrency: 4,
    });
    await until('the other has the rest', () => rest.length === 4);
    expect(watched.settled).toBe(false);
    expect(rest.every(([, attempt]) => attempt === 1)).toBe(true);
    gate.open();
    await stopped;
    await run.closed;
    await bus.drain();
    expect([...begun, ...rest.map(([payload]) => payload)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('comes with its signal', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    const stop = new AbortController();
    const seen: unknown[] = [];
    const run = consumer.run(
      ({ event }) => {
        seen.push(event.payload);
        stop.abort();
      },
      { signal: stop.signal },
    );
    await publishJobs(bus, 3);
    await within('its end', run.closed);
    expect(seen).toEqual([0]);
  });

  test('is refused to a handler that waits for it, and comes all the same', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    const refusals: unknown[] = [];
    const run = consumer.run(async () => {
      await run.stop().catch((error: unknown) => refusals.push(error));
    });
    await publishJobs(bus, 1);
    await within('its end', run.closed);
    expect(refusals).toMatchObject([{ code: 'DRAIN_IN_HANDLER' }]);
  });

  test('comes with the bus, which waits for the handlers at work and hands back the rest', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus);
    const gate = new Gate();
    const acks: unknown[] = [];
    let begun = 0;
    const run = consumer.run(
      async () => {
        begun++;
        await gate.opened;
        acks.push(await bus.publish({ topic: 'done', type: 'done', payload: null }));
      },
      { concurrency: 3 },
    );
    await publishJobs(bus, 10);
    await until('three are at work', () => begun === 3);
    const closed = bus.close();
    const watched = watch(closed);
    await new Promise((resolve) => setImmediate(resolve));
    expect(watched.settled).toBe(false);
    gate.open();
    await within('the close', closed);
    await run.closed;
    expect(begun).toBe(3);
    expect(acks).toHaveLength(3);
  });

  test('does not hold up a close that a handler waits for', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    let isClosed = false;
    consumer.run(async () => {
      await bus.close();
      isClosed = true;
    });
    await publishJobs(bus, 1).catch(() => {});
    await until('it is closed', () => isClosed);
  });
});

describe('an iterator of deliveries', () => {
  test('gives one event after the other, and the next when the last one is settled', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus);
    await publishJobs(bus, 5);
    const seen: unknown[] = [];
    for await (const delivery of consumer.deliveries()) {
      seen.push(delivery.event.payload);
      void delivery.ack();
      if (seen.length === 5) break;
    }
    expect(seen.sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test('gives back what is not settled when the loop is left, at no cost of an attempt', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    await publishJobs(bus, 2);
    let left: Delivery | undefined;
    for await (const delivery of consumer.deliveries({ concurrency: 2 })) {
      left = delivery;
      break;
    }
    await refused(() => left!.ack(), 'LEASE_LOST');
    const again: [unknown, number][] = [];
    for await (const delivery of consumer.deliveries()) {
      again.push([delivery.event.payload, delivery.attempt]);
      await delivery.ack();
      if (again.length === 2) break;
    }
    expect(again.sort()).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  test('ends with its signal and with the bus', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    const stop = new AbortController();
    const one = consumer.deliveries({ signal: stop.signal }).next();
    const other = consumer.deliveries().next();
    await bus.stats();
    stop.abort();
    expect(await within('its end', one)).toEqual({ done: true, value: undefined });
    await bus.close();
    expect(await within('its end', other)).toEqual({ done: true, value: undefined });
  });
});

describe('a pull', () => {
  test('takes what is there, at most so many, and nothing where nothing is', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus);
    expect(await consumer.pull({ max: 5 })).toEqual([]);
    await publishJobs(bus, 7);
    const taken: Delivery[] = [];
    while (taken.length < 5) taken.push(...(await consumer.pull({ max: 5 - taken.length })));
    const rest = await consumer.pull({ max: 100, waitMs: 10_000 });
    taken.push(...rest);
    while (taken.length < 7) taken.push(...(await consumer.pull({ max: 100 })));
    expect(taken.map(({ event }) => event.payload).sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    await Promise.all(taken.map((delivery) => delivery.ack()));
    expect(await consumer.pull({ max: 5 })).toEqual([]);
  });

  test('waits for the first event', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus);
    const pulled = consumer.pull({ waitMs: 20_000 });
    const watched = watch(pulled);
    await bus.stats();
    expect(watched.settled).toBe(false);
    await publishJobs(bus, 1);
    const [delivery] = await within('an event', pulled);
    expect(delivery!.event.payload).toBe(0);
    await delivery!.nak({ delayMs: 0 });
    const [again] = await consumer.pull({ waitMs: 20_000 });
    expect(again!.attempt).toBe(2);
    await again!.ack();
  });

  test('is refused, or comes back empty-handed, when the bus closes', async () => {
    const bus = await openTestBus({ shards: 1 });
    const consumer = await workerOf(bus);
    const pulled = consumer.pull({ waitMs: 20_000 });
    await bus.stats();
    const outcome = pulled.catch((error: unknown) => error);
    await bus.close();
    expect(await within('an answer', outcome)).toMatchObject({ code: 'BUS_CLOSED' });
  });
});

test('options that cannot be are refused with their faults', async () => {
  const bus = await openTestBus({ shards: 1 });
  await refused(() => bus.consumer('nobody'), 'CONSUMER_UNKNOWN');
  await refused(() => bus.consumer('not a name', { filter: 'jobs.*' }), 'OPTION_INVALID');
  const consumer = await workerOf(bus);
  await refused(() => workerOf(bus, { leaseMs: 999 }), 'CONSUMER_EXISTS');
  expect(() => consumer.run(null as never)).toThrow('handler');
  expect(() => consumer.run(() => {}, { concurrency: 0 })).toThrow('concurrency');
  await refused(() => consumer.pull({ max: 0 }), 'OPTION_INVALID');
  await bus.close();
  expect(() => consumer.run(() => {})).toThrow('closed');
});
