import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Event, PublishAck } from '../../src/protocol/event.js';
import { KIB } from '../../src/protocol/limits/units.js';
import { gather } from '../bus/support/collector.js';
import { refused, subscriptionRefused } from '../bus/support/failures.js';
import { defineTopic } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';
import { Gate, until, watch, within } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';

/** The client's calls against a real bus and its gateway: the same as those of the bus itself. */

const event = { topic: 'a.b', type: 'agent_log' };

async function serve(shards = 2) {
  const bus = await openTestBus({ shards });
  const gateway = await bus.serve({ port: 0 });
  return { bus, url: gateway.url };
}

describe('a client publishes', () => {
  test('one event, and gets the same ack as from the bus', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url, { source: 'me' });
    const ack = await client.publish({ ...event, payload: { n: 1 }, attributes: { agentId: '7' } });
    expect(ack).toMatchObject({ topic: 'a.b', durability: 'synced', duplicate: false });
    const [stored] = await bus.query({ topic: 'a.b' });
    expect(stored).toMatchObject({ id: ack.id, payload: { n: 1 }, source: 'me' });
    expect(stored!.attributes).toEqual({ agentId: '7' });
  });

  test('with each durability, an id and a timestamp', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url);
    const written = await client.publish({ ...event, payload: 1 }, { durability: 'written' });
    expect(written.durability).toBe('written');
    const none = await client.publish({ ...event, payload: 2 }, { persist: false });
    expect(none).toMatchObject({ durability: 'none' });
    const timestamp = new Date('2026-01-02T03:04:05.678Z');
    const own = { ...event, payload: 3, id: 'mine', timestamp };
    expect(await client.publish(own)).toMatchObject({ id: 'mine', duplicate: false });
    expect(await client.publish(own)).toMatchObject({ id: 'mine', duplicate: true });
    const stored = await bus.query({ topic: 'a.b' });
    expect(stored.map(({ payload }) => payload)).toEqual([1, 3]);
    expect(stored[1]!.timestamp).toBe(timestamp.toISOString());
  });

  test('many events in one call, in frames of bounded size, in their order', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url);
    const inputs = Array.from({ length: 3000 }, (_, n) => ({ ...event, payload: { n } }));
    const acks = await client.publishMany(inputs, { durability: 'written' });
    expect(acks).toHaveLength(3000);
    expect(new Set(acks.map(({ id }) => id)).size).toBe(3000);
    const stored = await gather(bus.read({ topic: 'a.b' }));
    expect(stored.map(({ payload }) => (payload as { n: number }).n)).toEqual(
      inputs.map(({ payload }) => payload.n),
    );
    expect(await client.publishMany([])).toEqual([]);
  });

  test('many events in several frames, and learns exactly which are stored if some are refused', async () => {
    const bus = await openTestBus({ shards: 2, maxShardBytes: 512 * KIB });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    const inputs = Array.from({ length: 3000 }, (_, n) => ({
      topic: `many.${n % 3}`,
      type: 't',
      id: `id-${n}`,
      payload: 'x'.repeat(1000),
    }));
    const error = await refused(() => client.publishMany(inputs), 'STORE_FULL');
    const { stored, acks, unknown, failed, index } = error.details as unknown as {
      stored: number[];
      acks: PublishAck[];
      unknown?: number[];
      failed: number;
      index: number;
    };
    const inLog = new Set((await gather(bus.read({ topic: 'many.*' }))).map(({ id }) => id));
    expect(inLog.size).toBeGreaterThan(0);
    expect(stored.map((at) => `id-${at}`)).toEqual(acks.map(({ id }) => id));
    expect(inputs.map((_, at) => at).filter((at) => inLog.has(`id-${at}`))).toEqual(stored);
    expect(unknown).toBeUndefined();
    expect(failed).toBe(inputs.length - stored.length);
    expect(stored).not.toContain(index);
  });

  test('with tryPublish until the outbox is full, and again when it is drained', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url, { maxOutboxEvents: 10 });
    let taken = 0;
    while (client.tryPublish({ ...event, payload: taken })) taken++;
    expect(taken).toBe(10);
    await refused(() => client.publish({ ...event, payload: 'x' }), 'BACKPRESSURE');
    await client.drained();
    expect(client.tryPublish({ ...event, payload: taken })).toBe(true);
    await client.drain();
    expect(client.unacknowledged).toBe(0);
    expect(await bus.query({ topic: '*' })).toHaveLength(11);
  });

  test('no malformed event, and refuses it before it is sent', async () => {
    const { url } = await serve();
    const { client } = connectTo(url);
    const bad: [unknown, string][] = [
      [{ ...event, topic: 'a..b', payload: 1 }, 'TOPIC_INVALID'],
      [{ ...event, type: 'two words', payload: 1 }, 'EVENT_INVALID'],
      [{ ...event, payload: 1n }, 'PAYLOAD_INVALID'],
      [{ ...event, payload: 'x'.repeat(1024 * 1024) }, 'PAYLOAD_TOO_LARGE'],
      ['nothing', 'EVENT_INVALID'],
    ];
    for (const [input, code] of bad) {
      await refused(() => client.publish(input as never), code as never);
      await refused(async () => client.tryPublish(input as never), code as never);
      const many = [{ ...event, payload: 'good' }, input] as never;
      const error = await refused(() => client.publishMany(many), code as never);
      expect(error.details).toMatchObject({ index: 1 });
    }
    const wrong = { durability: 'always' } as never;
    await refused(() => client.publish({ ...event, payload: 1 }, wrong), 'OPTION_INVALID');
    const both = { persist: false, durability: 'synced' } as const;
    await refused(() => client.publish({ ...event, payload: 1 }, both), 'OPTION_INVALID');
    expect(await client.query({ topic: '*' })).toEqual([]);
  });

  test('typed topics, checked before they are sent', async () => {
    const { url } = await serve();
    const orders = defineTopic('orders.*', z.object({ total: z.number().positive() }));
    const { client } = connectTo(url, { topics: [orders] });
    await client.publish(
      orders.event('orders.new', { type: 'order_created', payload: { total: 3 } }),
    );
    const wrong = { topic: 'orders.new', type: 'order_created', payload: { total: -1 } };
    const error = await refused(() => client.publish(wrong), 'PAYLOAD_INVALID');
    expect(error.details).toMatchObject({ issues: [{ path: ['total'] }] });
  });

  test('events that the server refuses, and gets the index and the acks of the others', async () => {
    const { url } = await serve();
    const { client } = connectTo(url);
    const long = 'x'.repeat(900 * 1024);
    const inputs = Array.from({ length: 4 }, (_, n) => ({ ...event, payload: `${n}${long}` }));
    expect(await client.publishMany(inputs)).toHaveLength(4);
  });
});

describe('a client subscribes', () => {
  test('with a handler, to new and to stored events', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url);
    await bus.publish({ ...event, payload: 'before' });
    const all: unknown[] = [];
    const late: unknown[] = [];
    const earliest = client.subscribe('a.*', ({ payload }) => void all.push(payload), {
      from: 'earliest',
    });
    const caughtUp = new Promise((resolve) => earliest.on('caughtUp', resolve));
    const now = client.subscribe('a.*', ({ payload }) => void late.push(payload));
    await Promise.all([earliest.ready, now.ready]);
    await within('caughtUp', caughtUp);
    expect(all).toEqual(['before']);
    await bus.publish({ ...event, payload: 'after' });
    await until('both', () => all.length === 2 && late.length === 1);
    expect(all).toEqual(['before', 'after']);
    expect(late).toEqual(['after']);
  });

  test('and iterates, and goes on from the cursor with another client', async () => {
    const { bus, url } = await serve(3);
    const { client } = connectTo(url);
    const subscription = client.subscribe<number>('*', { from: 'earliest', name: 'reader' });
    for (let n = 0; n < 100; n++) await bus.publish({ ...event, topic: `a.${n % 9}`, payload: n });
    const seen: number[] = [];
    for await (const { payload } of subscription) {
      seen.push(payload);
      if (seen.length === 40) break;
    }
    // A loop that is left has not consumed the event in hand: it comes again.
    seen.pop();
    const rest = client.subscribe<number>('*', { from: { after: subscription.cursor } });
    for await (const { payload } of rest) {
      seen.push(payload);
      if (seen.length === 100) break;
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });

  test('and an event is consumed when its handler is done, one at a time and in order', async () => {
    const { bus, url } = await serve(1);
    const { client } = connectTo(url);
    const gate = new Gate();
    const begun: unknown[] = [];
    const subscription = client.subscribe('a.b', async ({ payload }) => {
      begun.push(payload);
      await gate.opened;
    });
    await subscription.ready;
    const before = subscription.cursor;
    await bus.publishMany([1, 2, 3].map((payload) => ({ ...event, payload })));
    await until('the others wait', () => subscription.pending === 2);
    expect(begun).toEqual([1]);
    expect(subscription.cursor).toBe(before);
    expect(subscription.lag).toBe(3);
    gate.open();
    await until('all are done', () => subscription.lag === 0);
    expect(begun).toEqual([1, 2, 3]);
    expect(subscription.cursor).not.toBe(before);
  });

  test('and a handler that throws ends only its own subscription', async () => {
    const { bus, url } = await serve(1);
    const { client, errors } = connectTo(url);
    const good: unknown[] = [];
    const bad = client.subscribe('a.b', () => {
      throw new Error('of the handler');
    });
    const other = client.subscribe('a.b', (one) => void good.push(one.payload));
    await Promise.all([bad.ready, other.ready]);
    await bus.publish({ ...event, payload: 1 });
    await expect(bad.closed).rejects.toThrow('of the handler');
    await until('the other', () => good.length === 1);
    expect(errors.map(({ code }) => code)).toEqual(['HANDLER_FAILED']);
    expect(client.state).toBe('connected');
  });

  test('and changes its filter in place', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url);
    const seen: unknown[] = [];
    const subscription = client.subscribe('a.*', ({ payload }) => void seen.push(payload));
    await subscription.ready;
    await Promise.all([subscription.update('b.*'), subscription.update('c.*')]);
    for (const topic of ['a.1', 'b.1', 'c.1'])
      await bus.publish({ ...event, topic, payload: topic });
    await until('one', () => seen.length === 1);
    expect(seen).toEqual(['c.1']);
    await refused(() => subscription.update('x..y'), 'PATTERN_INVALID');
  });

  test('and unsubscribes by a call, a signal or a block, before or after the waiting events', async () => {
    const { bus, url } = await serve(1);
    const { client } = connectTo(url);
    const aborter = new AbortController();
    const signalled = client.subscribe('a.b', () => {}, { signal: aborter.signal });
    const drained: unknown[] = [];
    const gate = new Gate();
    const slow = client.subscribe('a.b', async ({ payload }) => {
      await gate.opened;
      drained.push(payload);
    });
    await Promise.all([signalled.ready, slow.ready]);
    aborter.abort();
    await within('the end', signalled.closed);
    await bus.publishMany([1, 2, 3].map((payload) => ({ ...event, payload })));
    await until('they wait', () => slow.pending === 2);
    const drain = slow.drain();
    const watched = watch(drain);
    await until('the server has let it go', async () => (await bus.stats()).subscriptions === 0);
    expect(watched.settled).toBe(false);
    gate.open();
    await drain;
    expect(drained).toEqual([1, 2, 3]);
    await slow.closed;
    {
      await using block = client.subscribe('a.b', () => {});
      await block.ready;
    }
    await until('no subscriptions', async () => (await bus.stats()).subscriptions === 0);
    await refused(() => slow.update('x'), 'SUBSCRIPTION_UNKNOWN');
  });

  test('and gets the same error codes as from the bus', async () => {
    const { url } = await serve();
    const { client } = connectTo(url);
    const stranger = { after: 'ARowMU03WUNQSzEwUkhHQUFIRkpXWTYzU1daOQEAM8JcIQ' };
    await refused(() => client.subscribe('a..b'), 'PATTERN_INVALID');
    await refused(() => client.subscribe('a', { overflow: 'block' }), 'OPTION_INVALID');
    await refused(() => client.subscribe('a', { from: { last: 0 } }), 'OPTION_INVALID');
    await refused(() => client.subscribe('a', { from: { after: 'bad' } }), 'CURSOR_INVALID');
    const codes = ['CURSOR_EXPIRED', 'CURSOR_INVALID'] as const;
    await subscriptionRefused(() => client.subscribe('a', () => {}, { from: stranger }), codes);
    await refused(() => client.subscribe('a', { coalesce: { windowMs: 0 } }), 'OPTION_INVALID');
  });

  test('several times under one name', async () => {
    const { bus, url } = await serve(1);
    const { client } = connectTo(url);
    const seen: string[] = [];
    const [one, two] = ['one', 'two'].map((mark) =>
      client.subscribe('a.b', () => void seen.push(mark), { name: 'same' }),
    );
    await Promise.all([one!.ready, two!.ready]);
    await bus.publish({ ...event, payload: 1 });
    await until('both', () => seen.length === 2);
    const names = (await client.subscribers('a.b')).map(({ name }) => name);
    expect(names).toContain('same');
    await one!.unsubscribe();
    await bus.publish({ ...event, payload: 2 });
    await until('the second goes on', () => seen.length === 3);
    expect(seen[2]).toBe('two');
  });
});

describe('a client asks', () => {
  test('for history, in pages and at once', async () => {
    const { bus, url } = await serve(3);
    const { client } = connectTo(url);
    const inputs = Array.from({ length: 1300 }, (_, n) => ({
      ...event,
      topic: `a.${n % 11}`,
      payload: n,
    }));
    await bus.publishMany(inputs);
    const read = await gather(client.read({ topic: '*' }));
    const own = await gather(bus.read({ topic: '*' }));
    expect(read.map(({ id }) => id)).toEqual(own.map(({ id }) => id));
    expect(await gather(client.read({ topic: '*', limit: 700 }))).toHaveLength(700);
    const newest = await client.query({ topic: '*', limit: 2, reverse: true });
    expect(newest).toEqual(await bus.query({ topic: '*', limit: 2, reverse: true }));
    expect(await gather(client.read({ topic: '*', limit: 5, reverse: true }))).toHaveLength(5);
    expect(await client.query({ topic: 'a.3', since: new Date(0) })).toHaveLength(100);
    await refused(() => gather(client.read({ topic: '*', reverse: true })), 'QUERY_INVALID');
    await refused(() => client.query({ topic: '*', limit: 10_001 }), 'QUERY_INVALID');
    await refused(() => client.query({ topic: 'a..b' }), 'PATTERN_INVALID');
  });

  test('for topics, subscribers and statistics', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url);
    await client.publish({ ...event, payload: 1 });
    expect(await client.topics('a.*')).toEqual(await bus.topics('a.*'));
    expect(await client.subscribers('a.b')).toEqual([]);
    expect((await client.stats()).published).toBe(1);
    expect(client.epoch).toBe(bus.epoch);
  });
});

describe('a closed client', () => {
  test('refuses everything, and ends its subscriptions without an error', async () => {
    const { url } = await serve();
    const { client, states } = connectTo(url);
    const subscription = client.subscribe('*');
    await subscription.ready;
    const events = gather(subscription as AsyncIterable<Event>);
    await client.close();
    expect(await events).toEqual([]);
    await subscription.closed;
    await refused(() => client.publish({ ...event, payload: 1 }), 'BUS_CLOSED');
    await refused(() => client.query({ topic: '*' }), 'BUS_CLOSED');
    await refused(() => client.subscribe('*'), 'BUS_CLOSED');
    await refused(() => client.connected(), 'BUS_CLOSED');
    expect(states.map(({ state }) => state)).toEqual(['connected', 'closed']);
    await client.close();
  });
});

describe('a lazy client', () => {
  test('is idle until the first call', async () => {
    const { url } = await serve();
    const { client, states } = connectTo(url, { lazy: true });
    expect(client.state).toBe('idle');
    await client.publish({ ...event, payload: 1 });
    expect(states.map(({ state }) => state)).toEqual(['connecting', 'connected']);
  });
});

describe('a subscription of a client', () => {
  test('may have a name as long as the bus takes, also if the name is taken', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url);
    const name = 'n'.repeat(255);
    await Promise.all([1, 2].map(() => client.subscribe('a.b', { name }).ready));
    await bus.subscribe('a.b', { name }).ready;
    const names = (await bus.subscribers('a.b')).map((one) => one.name);
    expect(names).toHaveLength(3);
    expect(() => client.subscribe('a.b', { name: `${name}n` })).toThrow('1 to 255 characters');
    expect(() => bus.subscribe('a.b', { name: `${name}n` })).toThrow('255');
  });

  test('is typed by a definition in place of its pattern, as a query is', async () => {
    const { bus, url } = await serve();
    const { client } = connectTo(url);
    const orders = defineTopic('orders.*', z.object({ total: z.number() }));
    const totals: number[] = [];
    const live = client.subscribe(orders, ({ payload }) => void totals.push(payload.total));
    const paid = client.subscribe({ topics: orders, types: ['paid'] });
    await Promise.all([live.ready, paid.ready]);
    await client.publish(orders.event('orders.1', { type: 'new', payload: { total: 1 } }));
    await bus.publish(orders.event('orders.1', { type: 'paid', payload: { total: 2 } }));
    for await (const event of paid) {
      expect(event.payload.total).toBe(2);
      break;
    }
    await until('both are handled', () => totals.length === 2);
    expect(totals).toEqual([1, 2]);
    const found = await client.query({ topic: orders });
    expect(found.map(({ payload }) => payload.total)).toEqual([1, 2]);
    const read = await gather(client.read({ topic: orders, types: ['paid'] }));
    expect(read.map(({ payload }) => payload.total)).toEqual([2]);
  });
});
