import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BusError, ErrorCode } from '../../src/protocol/errors.js';
import type { Event, PublishAck } from '../../src/protocol/event.js';
import { gather } from './support/collector.js';
import { controls } from './support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory, stored } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { Gate, within } from './support/wait.js';

/**
 * A bus that is closed in the middle of everything: each publish is answered, what was acknowledged is there
 * after reopening, and what was refused is not.
 */
const inputs = (count: number, mark: string) =>
  Array.from({ length: count }, (_, n) => ({
    topic: `t.${n % 7}`,
    type: 'worker_progress',
    payload: { mark, n, pad: n % 61 === 0 ? 'x'.repeat(5000) : '' },
  }));

/**
 * Refusals of events that are not stored. A shard with a small ring that commits each event by itself may keep
 * publishes waiting for too long.
 */
const REFUSALS = ['BUS_CLOSED', 'BACKPRESSURE'];

/** The outcome of a publish: its ack, or the code of its refusal. */
type Outcome = PublishAck | ErrorCode;

async function outcomesOf(publishes: readonly Promise<PublishAck>[]): Promise<Outcome[]> {
  const settled = await within('all outcomes', Promise.allSettled(publishes));
  return settled.map((one) =>
    one.status === 'fulfilled' ? one.value : (one.reason as BusError).code,
  );
}

/**
 * Checks that acknowledged events are stored, and refused ones are not. A shard that dies while the bus closes is not
 * replaced, so the outcome of the events it had in hand is unknown.
 */
function expectFacts(
  all: readonly Event<{ n: number }>[],
  outcomes: readonly Outcome[],
  mayBeUnknown: boolean,
): void {
  const unknown = new Set<number>();
  for (const [n, outcome] of outcomes.entries()) {
    if (outcome === 'PUBLISH_UNKNOWN' && mayBeUnknown) unknown.add(n);
    else if (typeof outcome === 'string') expect(REFUSALS).toContain(outcome);
  }
  const acks = outcomes.filter((outcome) => typeof outcome !== 'string');
  const known = all.filter(({ payload, id }) => {
    return !unknown.has(payload.n) || acks.some((ack) => ack.id === id);
  });
  expectSameHistory(known, stored(acks), 'reopened');
}

/** A log keeps it for as long as anybody has it open. */
test('a closed bus leaves no write-ahead log behind, even if others were reading', async () => {
  const dir = temporaryDirectory();
  const bus = await openTestBus({ dir, shards: 2, systemEvents: false });
  await bus.publishMany(inputs(3000, 'read'));
  expect(await bus.query({ topic: '*', limit: 10 })).toHaveLength(10);
  const subscription = bus.subscribe('*', () => {}, { from: 'earliest' });
  const reading = [bus.query({ topic: '*', limit: 3000 }), bus.backup(join(dir, 'copy'))];
  const settled = Promise.allSettled(reading);
  await closeTestBus(bus);
  await within('the end of the subscription', subscription.closed);
  for (const one of await settled) {
    if (one.status === 'rejected') expect(['BUS_CLOSED', 'ABORTED']).toContain(one.reason.code);
  }
  expect(readdirSync(dir).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);
});

/** How long the shard may take depends on what it was given, and not on a clock. */
test('a shard that is closed during many slow commits settles every publish', async () => {
  const bus = await openTestBus({ shards: 1, commitBatchEvents: 1, ringBytes: 16 * 1024 * 1024 });
  const outcomes = Promise.allSettled(inputs(8000, 'slow').map((input) => bus.publish(input)));
  await bus.close();
  const refusals = (await outcomes).flatMap((one) =>
    one.status === 'rejected' ? [one.reason.code] : [],
  );
  expect(refusals.filter((code) => code !== 'BUS_CLOSED')).toEqual([]);
}, 120_000);

describe('a bus that is closed', () => {
  test(
    'property: has stored exactly the acknowledged events',
    async () => {
      const property = fc.asyncProperty(
        fc.record({
          shards: fc.integer({ min: 1, max: 3 }),
          ringBytes: fc.constantFrom(4096, 65_536),
          commitBatchEvents: fc.constantFrom(1, 30, 4096),
        }),
        fc.integer({ min: 1, max: 1500 }),
        fc.integer({ min: 0, max: 40 }),
        fc.constantFrom('nobody', 'a stuck one', 'a blocking one'),
        fc.constantFrom('nothing', 'a kill before', 'a kill after'),
        async (options, count, turns, subscriber, disturbance) => {
          const dir = temporaryDirectory();
          let bus = await openTestBus({ dir, ...options });
          const worker = await RemoteEndpoint.attach(bus);
          const gate = new Gate();
          if (subscriber !== 'nobody') {
            const overflow = subscriber === 'a stuck one' ? 'catch-up' : 'block';
            const held = bus.subscribe('*', () => gate.opened, { overflow, maxBuffer: 3 });
            await held.ready;
          }
          const mine = inputs(count, 'main').map((input) => bus.publish(input));
          const outcomes = outcomesOf(mine);
          const theirs = worker
            .publishEach(inputs(count, 'worker'))
            .catch((error: BusError) =>
              expect([...REFUSALS, 'PUBLISH_UNKNOWN']).toContain(error.code),
            );
          for (let turn = 0; turn < turns; turn++) {
            await new Promise((resolve) => setImmediate(resolve));
          }
          if (disturbance === 'a kill before')
            controls(bus)
              .killShard(0)
              .catch(() => undefined);
          const closed = closeTestBus(bus);
          if (disturbance === 'a kill after')
            controls(bus)
              .killShard(0)
              .catch(() => undefined);
          await within('close', closed);
          const mineAre = await outcomes;
          await within("the worker's outcomes", theirs);
          await worker.terminate();
          gate.open();
          bus = await openTestBus({ dir });
          const all = await gather(bus.read<{ mark: string; n: number }>({ topic: '*' }));
          const ours = all.filter(({ payload }) => payload.mark === 'main');
          expectFacts(ours, mineAre, disturbance !== 'nothing');
          const numbers = all.filter(({ payload }) => payload.mark === 'worker');
          expect(new Set(numbers.map(({ payload }) => JSON.stringify(payload))).size).toBe(
            numbers.length,
          );
          for (let shard = 0; shard < options.shards; shard++) {
            const sequences = all.filter((event) => event.shard === shard);
            expect(sequences.map(({ sequence }) => sequence).sort((a, b) => a! - b!)).toEqual(
              sequences.map((_, index) => index + 1),
            );
          }
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 10);
    },
    propertyTimeoutMs(10),
  );

  test('while it reads history for a subscription does close', async () => {
    const bus = await openTestBus({ shards: 2 });
    for (let round = 0; round < 3; round++) await bus.publishMany(inputs(5000, 'main'));
    const subscription = bus.subscribe('*', () => {}, { from: 'earliest' });
    await within('close', bus.close());
    await within('closed', subscription.closed);
  });

  test('during a query, a new subscription and an update answers each', async () => {
    const bus = await openTestBus({ shards: 2 });
    await bus.publishMany(inputs(2000, 'main'));
    const old = bus.subscribe('t.1', () => {});
    await old.ready;
    const asked = [
      bus.query({ topic: '*', limit: 10_000 }),
      gather(bus.read({ topic: '*' })),
      bus.subscribe('*', () => {}, { from: { last: 5 } }).ready,
      bus.subscribers('t.1'),
      bus.topics(),
      old.update('t.2'),
      old.unsubscribe(),
      bus.drain(),
      bus.stats(),
    ].map((one: Promise<unknown>) => one.catch((error: unknown) => error));
    await within('close', bus.close());
    await within('all answers', Promise.all(asked));
  });
});

test('an idle bus wakes its shards to close, instead of waiting until they wake by themselves', async () => {
  // A parked shard that is not woken wakes by itself after 250 ms. If each close waited for that, even the quickest
  // would take as long.
  const looksEveryMs = 250;
  let quickestMs = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 10 && quickestMs >= looksEveryMs; n++) {
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    const startedAt = performance.now();
    await closeTestBus(bus);
    quickestMs = Math.min(quickestMs, performance.now() - startedAt);
  }
  expect(quickestMs).toBeLessThan(looksEveryMs);
});
