import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import type { BusClient } from '../../src/client/bus-client.js';
import type { Bus } from '../../src/main/bus.js';
import type { BusApi, Subscription } from '../../src/protocol/bus-api.js';
import type { PayloadOf } from '../../src/protocol/define-topic.js';
import type { Event, EventInput } from '../../src/protocol/event.js';
import { gather } from './support/collector.js';
import { refused } from './support/failures.js';
import { defineTopic } from './support/millrace.js';
import { openTestBus } from './support/open.js';
import { until } from './support/wait.js';

/** Topics whose payloads a validator must let through, on a real bus. */
type Order = { total: number };
const orders = defineTopic('orders.*', z.object({ total: z.number().positive() }));
const notes = defineTopic('notes.+', v.object({ text: v.string() }));

describe('a typed topic', () => {
  test('accepts payloads that fit, and refuses others with the issues of its validator', async () => {
    const bus = await openTestBus({ shards: 2, topics: [orders, notes] });
    const order = { topic: 'orders.eu.7', type: 'task_created' };
    await bus.publish({ ...order, payload: { total: 3 } });
    await bus.publish({ topic: 'notes.one', type: 'chat_message', payload: { text: 'hello' } });
    await bus.publish({ topic: 'other', type: 'chat_message', payload: { total: 'free' } });
    const error = await refused(
      () => bus.publish({ ...order, payload: { total: -1 } }),
      'PAYLOAD_INVALID',
    );
    expect(error.details).toMatchObject({ issues: [{ path: ['total'] }] });
    const wrong: EventInput = { ...order, payload: { text: 'hello' } };
    const mixed: EventInput[] = [{ ...order, payload: { total: 1 } }, wrong];
    await refused(() => bus.publishMany(mixed), 'PAYLOAD_INVALID');
    await refused(() => bus.tryPublish(wrong), 'PAYLOAD_INVALID');
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(3);
  });

  test('stands for its pattern in a subscription, a filter, an update, a query and a read', async () => {
    const bus = await openTestBus({ shards: 2, topics: [orders] });
    const totals: number[] = [];
    const all = bus.subscribe(orders, (event) => void totals.push(event.payload.total));
    const paid = bus.subscribe({ topics: orders, types: ['order.paid'] });
    const later = bus.subscribe<PayloadOf<typeof orders>>('nothing');
    await later.update(orders);
    await Promise.all([all.ready, paid.ready, later.ready]);
    await bus.publishMany([
      orders.event('orders.1', { type: 'order.created', payload: { total: 1 } }),
      orders.event('orders.1', { type: 'order.paid', payload: { total: 2 } }),
      notes.event('notes.1', { type: 'note', payload: { text: 'not an order' } }),
    ]);
    // An ack may be ahead of the delivery.
    await until('both are handled', () => totals.length === 2);
    expect(totals).toEqual([1, 2]);
    for await (const event of paid) {
      expect(event.payload.total).toBe(2);
      break;
    }
    for await (const event of later) {
      expect(event.payload.total).toBe(1);
      break;
    }
    const found = await bus.query({ topic: orders });
    expect(found.map(({ payload }) => payload.total)).toEqual([1, 2]);
    expect(await gather(bus.read({ topic: orders, types: ['order.paid'] }))).toHaveLength(1);
  });

  test('gives its type of payload to the calls of the bus and of the client', () => {
    expectTypeOf(typesOfBoth).returns.resolves.toBeVoid();
  });
});

/** Never called: the compiler checks it. */
async function typesOfBoth(bus: Bus, client: BusClient): Promise<void> {
  for (const api of [bus, client]) {
    await typesOfPublishing(api);
    await typesOfReading(api);
  }
  const mixed = [orderOne(), notes.event('notes.1', { type: 'note', payload: { text: '' } })];
  await client.publishMany([...mixed]);
  const coalesced = client.subscribe(orders, { coalesce: { windowMs: 10 } });
  for await (const event of coalesced) expectTypeOf(event.payload).toEqualTypeOf<Order>();
}

function orderOne(): EventInput<Order> {
  return orders.event('orders.1', { type: 'order.created', payload: { total: 1 } });
}

async function typesOfPublishing(api: BusApi): Promise<void> {
  const input = orders.event('orders.1', { type: 'order.created', payload: { total: 1 } });
  expectTypeOf(input).toEqualTypeOf<EventInput<Order>>();
  await api.publish(input);
  api.tryPublish(input);
  await api.publishMany([input, notes.event('notes.1', { type: 'note', payload: { text: '' } })]);
  // @ts-expect-error The payload of another topic.
  orders.event('orders.1', { type: 'order.created', payload: { text: '' } });
  // @ts-expect-error A type of payload that is named is checked.
  await api.publish<Order>({ topic: 'orders.1', type: 'order.created', payload: { text: '' } });
}

async function typesOfReading(api: BusApi): Promise<void> {
  expectTypeOf(api.subscribe(orders)).toEqualTypeOf<Subscription<Order>>();
  expectTypeOf(api.subscribe({ topics: orders, types: ['a'] })).toEqualTypeOf<
    Subscription<Order>
  >();
  expectTypeOf(api.subscribe('orders.*')).toEqualTypeOf<Subscription<unknown>>();
  api.subscribe(orders, (event) => void expectTypeOf(event).toEqualTypeOf<Event<Order>>());
  api.subscribe(
    { topics: ['orders.*'] },
    ({ payload }) => void expectTypeOf(payload).toBeUnknown(),
  );
  // @ts-expect-error A handler of other payloads.
  api.subscribe(orders, (event: Event<{ text: string }>) => void event);
  // @ts-expect-error The subscription is one of orders.
  await api.subscribe(orders).update(notes);
  expectTypeOf(await api.query({ topic: orders })).toEqualTypeOf<Event<Order>[]>();
  expectTypeOf(await api.query({ topic: '*' })).toEqualTypeOf<Event<unknown>[]>();
  for await (const event of api.read({ topic: orders, limit: 1 })) {
    expectTypeOf(event.payload).toEqualTypeOf<Order>();
  }
}
