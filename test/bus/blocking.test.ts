import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { BusError } from '../../src/protocol/errors.js';
import { expectBusError, refused } from './support/failures.js';
import { controls } from './support/millrace.js';
import { openTestBus } from './support/open.js';
import { Gate, until, within } from './support/wait.js';

/** `block` subscriptions that wait for themselves, or for ever. */
const input = (topic: string, payload: unknown = 0) => ({ topic, type: 't', payload });

const outcomesOf = (publishes: readonly Promise<unknown>[]) =>
  within('all outcomes', Promise.allSettled(publishes));

function codesOf(outcomes: readonly PromiseSettledResult<unknown>[]): Set<string> {
  const codes = outcomes.map((one) => (one.status === 'fulfilled' ? 'stored' : one.reason.code));
  return new Set(codes);
}

describe('a block subscription', () => {
  test('whose handler awaits a publish to another topic of its shard goes on', async () => {
    const bus = await openTestBus({ shards: 1, publishWaitMs: 300 });
    let handled = 0;
    const subscription = bus.subscribe(
      'in',
      async () => {
        await bus.publish(input('out'));
        handled++;
      },
      { overflow: 'block', maxBuffer: 1 },
    );
    await subscription.ready;
    const outcomes = await outcomesOf(Array.from({ length: 100 }, () => bus.publish(input('in'))));
    const codes = codesOf(outcomes);
    expect([...codes].every((code) => code === 'stored' || code === 'BACKPRESSURE')).toBe(true);
    const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(await bus.query({ topic: 'in', limit: 200 })).toHaveLength(stored);
    await until('all that was stored to be handled', () => handled === stored);
    expect(await within('another topic', bus.publish(input('other')))).toMatchObject({ shard: 0 });
  });

  test('whose handler publishes more to its own topic than it has room for gets a refusal', async () => {
    const bus = await openTestBus({ shards: 1, publishWaitMs: 300 });
    const refusals: unknown[] = [];
    const subscription = bus.subscribe(
      'jobs',
      async () => {
        const more = Array.from({ length: 100 }, () => bus.publish(input('jobs')));
        for (const one of await Promise.allSettled(more)) {
          if (one.status === 'rejected') refusals.push(one.reason);
        }
        await subscription.unsubscribe();
      },
      { overflow: 'block', maxBuffer: 2 },
    );
    await subscription.ready;
    await bus.publish(input('jobs'));
    await within('the end', subscription.closed);
    expect(refusals.length).toBeGreaterThan(0);
    const error = expectBusError(refusals[0], 'BACKPRESSURE', subscription.id);
    expect(error.details).toMatchObject({ waitedMs: 300, subscription: subscription.id });
    await within('another topic', bus.publish(input('other')));
  });

  test('that is stuck holds up other topics of its shard no longer than a publish may wait', async () => {
    const { bus, gate } = await stuck({ publishWaitMs: 200 });
    const held = outcomesOf(Array.from({ length: 50 }, () => bus.publish(input('held'))));
    await within('another topic', bus.publish(input('other')));
    expect(codesOf(await held)).toContain('BACKPRESSURE');
    // At once by now: it is known to be stuck.
    await refused(() => bus.publish(input('held')), 'BACKPRESSURE');
    await refused(() => bus.publish(input('held'), { persist: false }), 'BACKPRESSURE');
    gate.open();
    await until('it to take events again', () =>
      bus.publish(input('held')).then(
        () => true,
        (error: BusError) => error.code !== 'BACKPRESSURE',
      ),
    );
  });

  test('that is stuck does not refuse repeats of stored events, which it would not get', async () => {
    const { bus, gate } = await stuck({ publishWaitMs: 0 });
    await refused(() => bus.publish(input('held')), 'BACKPRESSURE');
    const repeat = await bus.publish({ ...input('held'), id: 'own' });
    expect(repeat).toMatchObject({ sequence: 1, duplicate: true });
    gate.open();
  });

  test('that is stuck leaves no refused event in the log, even if its shard is killed', async () => {
    const { bus, gate, got } = await stuck({ publishWaitMs: 0 });
    const publishes: Promise<unknown>[] = [];
    for (let n = 0; n < 400; n++) {
      const publish = bus.publish(input(n % 2 === 0 ? 'held' : 'other', n));
      publish.catch(() => {});
      publishes.push(publish);
      if (n % 100 === 50) void controls(bus).killShard(0);
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const outcomes = await outcomesOf(publishes);
    gate.open();
    const stored = outcomes.flatMap((one, n) => (one.status === 'fulfilled' ? [n] : []));
    const inLog = (await bus.query({ topic: '*', limit: 1000 })).map(({ payload }) => payload);
    const numbers = inLog.filter((payload) => typeof payload === 'number');
    expect(numbers.sort((a, b) => a - b)).toEqual(stored);
    await until('what is stored', () => stored.every((n) => n % 2 === 1 || got.has(n)));
  });
});

/** A bus with a subscription to `held` that takes nothing until the gate opens, and whose credit is used up. */
async function stuck(options: { publishWaitMs: number }): Promise<{
  bus: Bus;
  gate: Gate;
  got: Set<unknown>;
}> {
  const bus = await openTestBus({ shards: 1, systemEvents: false, ...options });
  const gate = new Gate();
  const got = new Set<unknown>();
  const subscription = bus.subscribe(
    'held',
    async ({ payload }) => {
      await gate.opened;
      got.add(payload);
    },
    { overflow: 'block', maxBuffer: 1 },
  );
  await subscription.ready;
  // The credit of a buffer of one event, and the buffer.
  await bus.publish({ ...input('held', 'first 0'), id: 'own' });
  for (let n = 1; n < 17; n++) await bus.publish(input('held', `first ${n}`));
  return { bus, gate, got };
}
