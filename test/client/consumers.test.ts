import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/client.js';
import { SETTLEMENTS_PER_RECORD } from '../../src/protocol/limits/consumers.js';
import { until } from '../bus/support/wait.js';
import { ConsumerServer } from './support/consumer-server.js';
import { connectTo } from './support/millrace-client.js';
import { send } from './support/wrong-server.js';

/** Members of consumers in a client, against a server whose every frame a test can choose. */

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

/** A promise, and the function that resolves it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

async function worker() {
  const server = await ConsumerServer.start();
  const { client, errors } = connectTo(server.url);
  return { server, client, errors, consumer: await client.consumer<number>('worker') };
}

describe('a run', () => {
  it('handles each job once, no more at once than asked for, and says so in few frames', async () => {
    const { server, consumer, client } = await worker();
    let running = 0;
    let most = 0;
    const seen: number[] = [];
    const run = consumer.run(
      async ({ event }) => {
        most = Math.max(most, ++running);
        await undefined;
        seen.push(event.payload);
        running--;
      },
      { concurrency: 100 },
    );
    server.add(...numbers(2000));
    await until('all', () => server.acked.length === 2000);
    expect([...seen].sort((a, b) => a - b)).toEqual(numbers(2000));
    expect(most).toBeLessThanOrEqual(100);
    expect(server.frames.length).toBeLessThan(200);
    expect(Math.max(...server.frames)).toBeLessThanOrEqual(SETTLEMENTS_PER_RECORD);
    expect(server.settled.every(({ durability }) => durability === 'synced')).toBe(true);
    await run.stop();
    await client.drain();
  });

  it('gives a job back with the reason, if its handler throws or rejects', async () => {
    const { server, consumer } = await worker();
    consumer.run(({ event }) => {
      if (event.payload === 1) throw new Error('no room');
      return Promise.reject(new Error('no time'));
    });
    server.add(1, 2);
    await until('both', () => server.settled.length === 2);
    expect(server.settled).toMatchObject([
      { kind: 'nak', reason: 'no room' },
      { kind: 'nak', reason: 'no time' },
    ]);
  });

  it('joins again over the next connection, aborts what it had, and settles nothing of before', async () => {
    const { server, consumer, client } = await worker();
    const first = gate();
    const held: Delivery<number>[] = [];
    const run = consumer.run(
      async (delivery) => {
        held.push(delivery);
        if (held.length === 1) await first.opened;
      },
      { concurrency: 1, name: 'one' },
    );
    server.add(1);
    await until('the first', () => held.length === 1);
    const { signal } = held[0]!;
    expect(signal.aborted).toBe(false);
    server.cut();
    await until('it is lost', () => signal.aborted);
    await expect(held[0]!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await until('it is back', () => server.members.length === 1);
    // The handler of before still has the only place.
    expect(held).toHaveLength(1);
    first.open();
    await until('the job is done', () => server.acked.length === 1);
    expect(server.settled).toHaveLength(1);
    expect(held.map(({ event }) => event.payload)).toEqual([1, 1]);
    expect(server.server.asked.filter(({ type }) => type === 'join')).toMatchObject([
      { payload: { consumer: 'worker', concurrency: 1, prefetch: true, name: 'one' } },
      { payload: { consumer: 'worker', concurrency: 1, prefetch: true, name: 'one' } },
    ]);
    await run.drain();
    expect(client.state).toBe('connected');
  });

  it('does not know what became of an ack that was sent and not answered', async () => {
    const { server, consumer } = await worker();
    const acks: Promise<void>[] = [];
    server.script = ({ type }, socket) => {
      if (type !== 'settle') return false;
      socket.terminate();
      server.script = () => false;
      return true;
    };
    consumer.run((delivery) => {
      acks.push(delivery.ack());
    });
    server.add(1);
    await until('one', () => acks.length === 1);
    await expect(acks[0]).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringContaining('or the event comes again'),
    });
    await until('it came again', () => acks.length === 2);
    await expect(acks[1]).resolves.toBeUndefined();
  });

  it('never begins a job whose lease has run out', async () => {
    const { server, consumer } = await worker();
    const busy = gate();
    const begun: number[] = [];
    consumer.run(async ({ event }) => {
      begun.push(event.payload);
      if (event.payload === 1) await busy.opened;
    });
    server.add(1);
    await until('it works', () => begun.length === 1);
    // What is left of this lease is nothing.
    server.force(2, 0);
    const lasting = server.force(3);
    busy.open();
    await until('the others', () => server.acked.length === 2);
    expect(begun).toEqual([1, 3]);
    expect(server.settled.map(({ lease }) => lease)).toContain(lasting);
  });

  it('is told of a lost lease, by the server or by the clock', async () => {
    const { server, consumer } = await worker();
    const held: Delivery<number>[] = [];
    const both = gate();
    consumer.run(
      async (delivery) => {
        held.push(delivery);
        await both.opened;
      },
      { concurrency: 2 },
    );
    await until('it has joined', () => server.members.length === 1);
    const told = server.force(1);
    await until('the first', () => held.length === 1);
    const { signal } = held[0]!;
    server.lose(told);
    await until('told', () => signal.aborted);
    expect(signal.reason).toMatchObject({ code: 'LEASE_LOST' });
    server.force(2, 30);
    await until('the second', () => held.length === 2);
    await until('by the clock', () => held[1]!.signal.aborted);
    both.open();
  });

  it('extends a lease, and the clock goes by the new end', async () => {
    const { server, consumer } = await worker();
    const held: Delivery<number>[] = [];
    const done = gate();
    consumer.run(async (delivery) => {
      held.push(delivery);
      await done.opened;
    });
    await until('it has joined', () => server.members.length === 1);
    server.force(1, 500);
    await until('the job', () => held.length === 1);
    const { signal, leaseUntil } = held[0]!;
    const end = await held[0]!.working();
    expect(end.getTime()).toBeGreaterThan(Date.now() + 20_000);
    await until('the first end has passed', () => Date.now() > leaseUntil.getTime() + 20);
    expect(signal.aborted).toBe(false);
    done.open();
    await until('acked', () => server.acked.length === 1);
  });

  it('that stops hands back what has not begun, the latest first, and waits for the rest', async () => {
    const { server, consumer } = await worker();
    const busy = gate();
    const begun: number[] = [];
    const run = consumer.run(async ({ event }) => {
      begun.push(event.payload);
      await busy.opened;
    });
    await until('it has joined', () => server.members.length === 1);
    for (const sequence of [1, 2, 3]) server.force(sequence);
    await until('the first', () => begun.length === 1);
    let isStopped = false;
    const stopped = run.stop().then(() => {
      isStopped = true;
    });
    await until('handed back', () => server.settled.length === 2);
    expect(server.settled.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      ['handBack', 3],
      ['handBack', 2],
    ]);
    await until('it leaves', () => server.server.count('leave') === 1);
    expect(isStopped).toBe(false);
    busy.open();
    await stopped;
    await run.closed;
    expect(server.acked).toEqual([1]);
    expect(begun).toEqual([1]);
  });

  it('ends with the error for which the server ends its member', async () => {
    const { server, consumer } = await worker();
    const run = consumer.run(() => {});
    await until('it has joined', () => server.members.length === 1);
    server.end('CONSUMER_UNKNOWN');
    await expect(run.closed).rejects.toMatchObject({ code: 'CONSUMER_UNKNOWN' });
    const again = consumer.run(() => {});
    await until('it has joined', () => server.members.length === 1);
    // A server that stops: the next one has the consumer.
    server.end('BUS_CLOSED');
    await until('it has joined again', () => server.members.length === 1);
    await again.stop();
    await again.closed;
  });

  it('tries again where the server refuses it for a while, and fails where it refuses it for good', async () => {
    const { server, consumer } = await worker();
    const codes = ['RATE_LIMITED', 'FORBIDDEN'];
    server.script = ({ type, requestId }, socket) => {
      const code = type === 'join' ? codes.shift() : undefined;
      if (code === undefined) return false;
      const payload = { code, message: code, details: { retryAfterMs: 1 } };
      send(socket, { type: 'error', requestId, payload });
      return true;
    };
    const run = consumer.run(() => {});
    await expect(run.closed).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(server.server.count('join')).toBe(2);
  });

  it('says again what the server had no time for', async () => {
    const { server, consumer } = await worker();
    let refusals = 2;
    server.script = ({ type, requestId }, socket) => {
      if (type !== 'settle' || refusals-- <= 0) return false;
      const payload = { code: 'RATE_LIMITED', message: 'wait', details: { retryAfterMs: 1 } };
      send(socket, { type: 'error', requestId, payload });
      return true;
    };
    consumer.run(() => {}, { concurrency: 10 });
    server.add(...numbers(10));
    await until('all', () => server.acked.length === 10);
  });

  it('ends without an error when its client closes, and what is settled is still sent', async () => {
    const { server, consumer, client } = await worker();
    let held: Delivery<number> | undefined;
    const run = consumer.run(async (delivery) => {
      held = delivery;
      await new Promise(() => {});
    });
    server.add(1);
    await until('it works', () => held !== undefined);
    const acked = held!.ack();
    await client.close();
    await run.closed;
    await expect(acked).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    await until('it was sent', () => server.acked.length === 1);
    expect(() => consumer.run(() => {})).toThrow(expect.objectContaining({ code: 'BUS_CLOSED' }));
  });

  it('has the client drain wait for its handlers, unless it is one of them that waits', async () => {
    const { server, consumer, client } = await worker();
    const busy = gate();
    let refusal: unknown;
    let begun = 0;
    consumer.run(async ({ event }) => {
      begun++;
      if (event.payload === 1) await busy.opened;
      else await client.drain().catch((error: unknown) => (refusal = error));
    });
    server.add(1);
    await until('it works', () => begun === 1);
    let isDrained = false;
    const drained = client.drain().then(() => {
      isDrained = true;
    });
    await client.serverTime();
    busy.open();
    await drained;
    expect(isDrained).toBe(true);
    expect(server.acked).toEqual([1]);
    server.add(2);
    await until('the second', () => server.acked.length === 2);
    expect(refusal).toMatchObject({ code: 'DRAIN_IN_HANDLER' });
  });

  it('is cut off from a server that leases far more than it has places for', async () => {
    const { server, consumer, client } = await worker();
    consumer.run(() => new Promise(() => {}));
    await until('it has joined', () => server.members.length === 1);
    const { reconnects } = client;
    for (let sequence = 0; sequence < 1100; sequence++) server.force(sequence);
    await until('it is cut', () => client.reconnects > reconnects);
  });
});

describe('an iterator of deliveries', () => {
  it('gives back what was not settled when its loop is left', async () => {
    const { server, consumer } = await worker();
    server.add(1, 2, 3);
    const got: number[] = [];
    for await (const delivery of consumer.deliveries({ concurrency: 2 })) {
      got.push(delivery.event.payload);
      if (got.length === 2) break;
      await delivery.ack();
    }
    expect(got).toEqual([1, 2]);
    expect(server.acked).toEqual([1]);
    expect(server.settled.filter(({ kind }) => kind === 'handBack')).not.toEqual([]);
    expect(server.server.asked.find(({ type }) => type === 'join')!.payload.prefetch).toBe(false);
  });
});

describe('a pull', () => {
  it('takes jobs whose leases outlive the connection', async () => {
    const { server, consumer, client } = await worker();
    server.add(1, 2, 3);
    const [one, two] = await consumer.pull({ max: 2 });
    const { reconnects } = client;
    let acked: Promise<void> | undefined;
    client.on('state', ({ previous }) => {
      // The connection is lost, and nothing that belongs to it has heard of that yet.
      if (previous === 'connected') acked = one!.ack();
    });
    server.cut();
    await until('it is back', () => client.reconnects > reconnects);
    await acked;
    await two!.nak({ delayMs: 5, reason: 'later' });
    expect(server.settled).toMatchObject([
      { kind: 'ack', sequence: 1 },
      { kind: 'nak', sequence: 2, delayMs: 5, reason: 'later' },
    ]);
    expect(one!.signal.aborted).toBe(false);
    await expect(one!.nak()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(one!.ack()).resolves.toBeUndefined();
  });

  it('aborts the signal when the clock or the server says that the lease is lost', async () => {
    const { server, consumer } = await worker();
    server.leaseMs = 20;
    server.add(1);
    const [late] = await consumer.pull();
    await until('it has run out', () => late!.signal.aborted);
    await expect(late!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(server.settled).toEqual([]);
  });
});

describe('what a client sends of consumers', () => {
  it('is checked before, and carries definitions as text', async () => {
    const { server, client, consumer } = await worker();
    await expect(client.consumer('a b')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(client.consumer('c', { filter: 'a', leaseMs: 1 })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    const since = new Date('2026-01-01T00:00:00Z');
    await client.consumer('c', {
      filter: ['a', 'b'],
      from: { since },
      order: 'topic',
      update: true,
    });
    expect(server.server.asked.at(-1)).toMatchObject({
      type: 'consumer',
      payload: {
        name: 'c',
        options: {
          filter: { topics: ['a', 'b'] },
          from: { since: since.toISOString() },
          order: 'topic',
          update: true,
        },
      },
    });
    await consumer.seek({ since });
    expect(server.server.asked.at(-1)!.payload).toEqual({
      name: 'worker',
      change: { kind: 'seek', from: { since: since.toISOString() } },
    });
    await consumer.skip({ shard: 0, sequence: 7 });
    await consumer.delete();
    expect(server.server.asked.at(-1)!.payload.change).toEqual({ kind: 'delete' });
  });
});
