import { getEventListeners, setMaxListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { EventInput, PublishAck } from '../../src/protocol/event.js';
import { MIB } from '../../src/protocol/limits/units.js';
import { Collector, gather } from './support/collector.js';
import { refused } from './support/failures.js';
import { openTestBus } from './support/open.js';
import { Gate, until, watch, within } from './support/wait.js';

/** Full rings: waiting, giving up, aborting, and carrying on when there is room. */
const note: EventInput = { topic: 'notes.one', type: 'chat_message', payload: 'x'.repeat(400) };

/** A bus whose only shard waits for a `block` subscriber, until the gate opens. */
async function openHeldBus(
  publishWaitMs: number,
): Promise<{ bus: Bus; gate: Gate; held: Collector }> {
  const bus = await openTestBus({ shards: 1, ringBytes: 4096, publishWaitMs });
  const gate = new Gate();
  const held = await Collector.start(bus, '*', {
    overflow: 'block',
    maxBuffer: 1,
    hold: () => gate.opened,
  });
  return { bus, gate, held };
}

/** Publishes without waiting, until tryPublish says that the ring is full. */
async function fill(bus: Bus): Promise<number> {
  for (let accepted = 0; accepted < 100_000; accepted++) {
    if (!bus.tryPublish({ ...note, payload: { n: accepted, text: note.payload } })) return accepted;
  }
  throw new Error('100,000 events and the ring of 4 KiB was never full');
}

describe('tryPublish', () => {
  test('returns false when the ring is full, and the event is not accepted', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    const accepted = await fill(bus);
    expect(accepted).toBeGreaterThan(0);
    await within('drained', bus.drained());
    expect(bus.tryPublish({ ...note, payload: { n: accepted } })).toBe(true);
    await within('drain', bus.drain());
    const stored = await gather(bus.read<{ n: number }>({ topic: '*' }));
    expect(stored.map(({ payload }) => payload.n)).toEqual(
      Array.from({ length: accepted + 1 }, (_, n) => n),
    );
  });

  test('loses nothing if the publisher awaits drained after each false', async () => {
    const bus = await openTestBus({ shards: 2, ringBytes: 4096 });
    const live = await Collector.start(bus, '*');
    for (let n = 0; n < 1500; n++) {
      const input = { ...note, topic: `t.${n % 5}`, payload: { n } };
      while (!bus.tryPublish(input)) await within('drained', bus.drained());
    }
    await live.count(1500);
    const seen = live.events.map(({ payload }) => (payload as { n: number }).n);
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 1500 }, (_, n) => n));
  });

  test('reports a failure to onError, as it has no promise', async () => {
    const bus = await openTestBus({ shards: 1 });
    await refused(() => bus.tryPublish({ ...note, topic: 'a..b' }), 'TOPIC_INVALID', 'a..b');
  });
});

describe('a publish that finds no room', () => {
  test('waits, then fails with BACKPRESSURE, and nothing is stored', async () => {
    const { bus, gate, held } = await openHeldBus(300);
    const outcomes: Promise<PublishAck>[] = [];
    let refusal: unknown;
    for (let n = 0; refusal === undefined && n < 50_000; n++) {
      const outcome = bus.publish({ ...note, payload: { n, text: 'y'.repeat(300) } });
      outcome.catch((error: unknown) => {
        refusal ??= error;
      });
      outcomes.push(outcome);
      if (n % 50 < 49) continue;
      const watched = watch(outcome);
      await until('an ack or a refusal', () => watched.settled);
    }
    expect(refusal).toMatchObject({
      code: 'BACKPRESSURE',
      message: expect.stringMatching(
        /^shard 0 took no more events: waited 300 ms for room in its ring(; .* waits?)?$/,
      ),
    });
    gate.open();
    const settled = await within('all publishes', Promise.allSettled(outcomes));
    const acked = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value.id] : []));
    await held.count(acked.length);
    expect(held.events.map(({ id }) => id)).toEqual(acked);
    const stored = await gather(bus.read({ topic: '*' }));
    expect(stored.map(({ id }) => id)).toEqual(acked);
  });

  test('goes on by itself when there is room again', async () => {
    const { bus, gate, held } = await openHeldBus(60_000);
    const outcomes = Array.from({ length: 3000 }, (_, n) =>
      bus.publish({ ...note, payload: { n } }),
    );
    await within('the first ack', outcomes[0]!);
    gate.open();
    const acks = await within('all acks', Promise.all(outcomes));
    expect(acks.map(({ sequence }) => sequence)).toEqual(acks.map((_, index) => index + 1));
    await held.count(3000);
    expect(held.payloads).toEqual(outcomes.map((_, n) => ({ n })));
  });

  test('is given up when its signal aborts, and then is not stored', async () => {
    const { bus, gate, held } = await openHeldBus(60_000);
    const outcomes = Array.from({ length: 3000 }, (_, n) =>
      bus.publish({ ...note, payload: { n } }),
    );
    const abort = new AbortController();
    const late = bus.publish({ ...note, payload: 'late' }, { signal: abort.signal });
    late.catch(() => undefined);
    abort.abort(new Error('changed my mind'));
    await refused(() => late, 'ABORTED');
    gate.open();
    await within('all acks', Promise.all(outcomes));
    await held.count(3000);
    expect(held.payloads).not.toContain('late');
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(3000);
  });

  test('in publishMany is given up with the other waiting events, and none of these is stored', async () => {
    const { bus, gate, held } = await openHeldBus(60_000);
    const abort = new AbortController();
    const inputs = Array.from({ length: 3000 }, (_, n) => ({ ...note, payload: n }));
    const many = bus.publishMany(inputs, { signal: abort.signal });
    abort.abort();
    // Some of them were with their shard already.
    await refused(() => many, ['PUBLISH_UNKNOWN', 'ABORTED']);
    gate.open();
    const last = await within('an ack', bus.publish({ ...note, payload: 'last' }));
    await held.count(last.sequence!);
    const stored = await gather(bus.read({ topic: '*' }));
    const numbers = Array.from({ length: last.sequence! - 1 }, (_, n) => n);
    expect(stored.map(({ payload }) => payload)).toEqual([...numbers, 'last']);
    expect(stored.length).toBeLessThan(3000);
  });

  test('does not wait at all with publishWaitMs 0', async () => {
    const { bus, gate } = await openHeldBus(0);
    const outcomes = Array.from({ length: 3000 }, (_, n) => bus.publish({ ...note, payload: n }));
    const settled = Promise.allSettled(outcomes);
    await refused(
      () => outcomes.at(-1),
      'BACKPRESSURE',
      'its ring is full, and this publish may not',
    );
    gate.open();
    const acks = (await within('all outcomes', settled)).filter(
      ({ status }) => status === 'fulfilled',
    );
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(acks.length);
  });

  test('leaves no listener on its signal, refused or not', async () => {
    const { bus, gate } = await openHeldBus(0);
    const { signal } = new AbortController();
    // Node warns from 11 on; here are thousands in flight.
    setMaxListeners(0, signal);
    const outcomes = Array.from({ length: 3000 }, (_, n) =>
      bus.publish({ ...note, payload: n }, { signal }),
    );
    const settled = Promise.allSettled(outcomes);
    await refused(() => outcomes.at(-1), 'BACKPRESSURE');
    gate.open();
    await within('all outcomes', settled);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('is refused at once if its signal is aborted already', async () => {
    const bus = await openTestBus({ shards: 1 });
    await refused(() => bus.publish(note, { signal: AbortSignal.abort() }), 'ABORTED');
    await refused(() => bus.publishMany([note], { signal: AbortSignal.abort() }), 'ABORTED');
    expect(await bus.query({ topic: '*' })).toEqual([]);
  });

  test('ignores a signal that aborts after the ack', async () => {
    const bus = await openTestBus({ shards: 1 });
    const abort = new AbortController();
    const ack = await bus.publish(note, { signal: abort.signal });
    abort.abort();
    expect(ack.sequence).toBe(1);
    expect(await bus.query({ topic: '*' })).toHaveLength(1);
  });
});

describe('a payload larger than an eighth of the ring', () => {
  test('keeps its place among smaller payloads', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    const live = await Collector.start(bus, '*');
    const sizes = Array.from({ length: 300 }, (_, n) => [3, 500, 512, 2000, 4096, 9000][n % 6]!);
    await Promise.all(
      sizes.map((size, n) => bus.publish({ ...note, payload: { n, pad: 'z'.repeat(size) } })),
    );
    await live.count(sizes.length);
    const expected = sizes.map((size, n) => [n, size]);
    const seen = (live.payloads as { n: number; pad: string }[]).map(({ n, pad }) => [
      n,
      pad.length,
    ]);
    expect(seen).toEqual(expected);
  });

  test('may be 1 MiB on the default ring, again and again', async () => {
    const bus = await openTestBus({ shards: 1 });
    const live = await Collector.start(bus, '*');
    const quoted = 2;
    const texts = Array.from({ length: 12 }, (_, n) => `${n % 10}`.repeat(MIB - quoted));
    const acks = await Promise.all(texts.map((payload) => bus.publish({ ...note, payload })));
    expect(acks.map(({ sequence }) => sequence)).toEqual(texts.map((_, index) => index + 1));
    await live.count(texts.length);
    expect(live.payloads.every((payload, n) => payload === texts[n])).toBe(true);
    const read = await gather(bus.read({ topic: '*' }));
    expect(read.every(({ payload }, n) => payload === texts[n])).toBe(true);
  });

  test('may be 1 MiB on the smallest ring, to a slow subscriber', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    const live = await Collector.start(bus, '*', {
      maxBuffer: 2,
      hold: () => new Promise((resolve) => setImmediate(resolve)),
    });
    const texts = Array.from({ length: 6 }, (_, n) => 'é'.repeat((MIB - 2 - n) >> 1));
    for (const payload of texts) await bus.publish({ ...note, payload });
    await live.count(texts.length);
    expect(live.payloads.every((payload, n) => payload === texts[n])).toBe(true);
  });
});
