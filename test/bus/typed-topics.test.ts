import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { EventInput } from '../../src/protocol/event.js';
import { gather } from './support/collector.js';
import { refused } from './support/failures.js';
import { defineTopic } from './support/millrace.js';
import { openTestBus } from './support/open.js';

/** Topics whose payloads a validator must let through, on a real bus. */
const orders = defineTopic('orders.*', z.object({ total: z.number().positive() }));
const notes = defineTopic('notes.+', v.object({ text: v.string() }));

describe('a typed topic', () => {
  test('takes what fits and refuses the rest with the issues of its validator', async () => {
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
});
