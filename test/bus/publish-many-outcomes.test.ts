import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { BusError } from '../../src/protocol/errors.js';
import type { EventInput } from '../../src/protocol/event.js';
import { Collector, gather } from './support/collector.js';
import { controls } from './support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { Gate, until, within } from './support/wait.js';

const indexes = v.array(v.pipe(v.number(), v.integer()));

/** Compares the events that the error of a `publishMany` names as stored with the log. */
const toldSchema = v.object({
  acks: v.array(v.object({ id: v.string(), shard: v.number(), sequence: v.number() })),
  stored: indexes,
  unknown: v.optional(indexes, []),
  failed: v.number(),
  index: v.number(),
});

const toldBy = ({ details }: BusError) => v.parse(toldSchema, details);

const inputsOf = (count: number, topics = 1, pad = 0): EventInput[] =>
  Array.from({ length: count }, (_, n) => ({
    topic: `many.${n % topics}`,
    type: 't',
    id: `id-${n}`,
    payload: pad === 0 ? n : 'x'.repeat(pad),
  }));

async function expectToldRight(
  bus: Bus,
  inputs: readonly EventInput[],
  error: BusError,
): Promise<void> {
  const { code } = error;
  const { acks, stored, unknown, failed, index } = toldBy(error);
  const inLog = new Map((await gather(bus.read({ topic: 'many.*' }))).map((e) => [e.id, e]));
  expect(acks.map(({ id }) => id)).toEqual(stored.map((at) => inputs[at]!.id));
  for (const { id, sequence, shard } of acks) {
    expect(inLog.get(id)).toMatchObject({ sequence, shard });
  }
  const isStored = (at: number): boolean => inLog.has(inputs[at]!.id!);
  const open = new Set(unknown);
  const judged = inputs.map((_, at) => at).filter((at) => !open.has(at));
  expect(judged.filter(isStored)).toEqual(stored);
  expect(failed).toBe(inputs.length - stored.length);
  expect(stored).not.toContain(index);
  expect(code === 'PUBLISH_UNKNOWN').toBe(unknown.length > 0);
  if (unknown.length > 0) expect(unknown).toContain(index);
}

const failureOf = (outcome: Promise<unknown>): Promise<BusError> =>
  within(
    'the refusal',
    outcome.then(
      () => Promise.reject(new Error('it was not refused')),
      (error: BusError) => error,
    ),
  );

/** A bus whose only shard holds still, its credit used up, until the gate opens. */
async function openHeldBus(publishWaitMs: number) {
  const bus = await openTestBus({ shards: 1, ringBytes: 16_384, publishWaitMs });
  const gate = new Gate();
  const held = await Collector.start(bus, 'hold', {
    overflow: 'block',
    maxBuffer: 1,
    hold: () => gate.opened,
  });
  for (let n = 0; n < 40; n++) bus.tryPublish({ topic: 'hold', type: 't', payload: n });
  await until('the shard to hold still', async () => {
    const [one] = (await bus.subscribers('hold')).filter(({ queued }) => queued > 0);
    return one !== undefined;
  });
  return { bus, gate, held };
}

describe('the error of a publishMany that was stored in part names the stored events', () => {
  test('if some waited for room too long', async () => {
    const { bus, gate } = await openHeldBus(100);
    const inputs = inputsOf(2000);
    // The waiting events are refused before those in the ring are stored.
    let refused = false;
    const many = bus.publishMany(inputs);
    const probe = bus.publish({ topic: 'other', type: 't', payload: 0 }).catch(() => {
      refused = true;
    });
    await within('the time-out', probe);
    expect(refused).toBe(true);
    gate.open();
    const error = await failureOf(many);
    expect(error.code).toBe('BACKPRESSURE');
    await expectToldRight(bus, inputs, error);
    expect(toldBy(error).stored.length).toBeGreaterThan(0);
  });

  test('if it was aborted while some waited', async () => {
    const { bus, gate } = await openHeldBus(60_000);
    const abort = new AbortController();
    const inputs = inputsOf(2000);
    const many = failureOf(bus.publishMany(inputs, { signal: abort.signal }));
    abort.abort();
    const error = await many;
    expect(error.code).toBe('PUBLISH_UNKNOWN');
    gate.open();
    await within('an ack', bus.publish({ topic: 'other', type: 't', payload: 0 }));
    await expectToldRight(bus, inputs, error);
  });

  test('if the stores of some shards were full', async () => {
    const bus = await openTestBus({ shards: 2, maxShardBytes: 512 * 1024 });
    const inputs = inputsOf(3000, 3, 1000);
    await expectToldRight(bus, inputs, await failureOf(bus.publishMany(inputs)));
  });

  test(
    'property: after any holds, kills and aborts, at any time',
    async () => {
      const plan = fc.record({
        shards: fc.integer({ min: 1, max: 2 }),
        publishWaitMs: fc.constantFrom(0, 5, 50, 60_000),
        counts: fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 4 }),
        what: fc.array(fc.constantFrom('kill', 'abort', 'tick'), { maxLength: 4 }),
      });
      await holds(
        fc.asyncProperty(plan, async ({ shards, publishWaitMs, counts, what }) => {
          const dir = temporaryDirectory();
          const bus = await openTestBus({ dir, shards, ringBytes: 4096, publishWaitMs });
          const abort = new AbortController();
          const all = inputsOf(
            counts.reduce((sum, count) => sum + count, 0),
            3,
          );
          let first = 0;
          const outcomes = counts.map((count) => {
            const inputs = all.slice(first, first + count);
            first += count;
            const many = bus.publishMany(inputs, { signal: abort.signal });
            return many.then(
              (acks) => ({ inputs, acks, error: undefined }),
              (error: BusError) => ({ inputs, acks: [], error }),
            );
          });
          for (const one of what) {
            if (one === 'kill') await controls(bus).killShard(0);
            else if (one === 'abort') abort.abort();
            else await new Promise((resolve) => setImmediate(resolve));
          }
          const told = await within('all outcomes', Promise.all(outcomes));
          // Behind all that is still being stored.
          const behind = inputsOf(6, 3).map((input) => ({ ...input, id: `behind-${input.id}` }));
          for (const input of behind) await until('room', () => stores(bus, input));
          for (const { inputs, acks, error } of told) {
            if (error !== undefined) await expectToldRight(bus, inputs, error);
            else expect(acks.map(({ id }) => id)).toEqual(inputs.map(({ id }) => id));
          }
          await closeTestBus(bus, dir);
        }),
        8,
      );
    },
    propertyTimeoutMs(8),
  );
});

function stores(bus: Bus, input: EventInput): Promise<boolean> {
  return bus.publish(input).then(
    () => true,
    () => false,
  );
}
