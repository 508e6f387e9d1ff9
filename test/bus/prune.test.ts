import { describe, expect, it } from 'vitest';
import type { Bus, Gap } from '../../src/index.js';
import { controls } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

const { verifyDirectory }: typeof import('../../src/store/upkeep/verify.js') = await import(
  /* @vite-ignore */ new URL('../../dist/store/upkeep/verify.js', import.meta.url).href
);

async function fill(bus: Bus, topic: string, count: number): Promise<void> {
  const inputs = Array.from({ length: count }, (_, n) => ({
    topic,
    type: 'state_updated',
    payload: n,
  }));
  await bus.publishMany(inputs);
}

async function payloads(bus: Bus, topic: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { payload } of bus.read({ topic })) found.push(payload);
  return found;
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

describe('prune', () => {
  it('keeps the given number of the newest matching events, and all others', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 1 });
    await fill(bus, 'a.x', 3000);
    await fill(bus, 'b', 10);
    await fill(bus, 'a.y', 2000);
    const { events, bytes } = await bus.prune({ pattern: 'a.*', maxEvents: 2500 });
    expect(events).toBe(2500);
    expect(bytes).toBeGreaterThan(2500);
    expect(await payloads(bus, 'a.x')).toEqual(numbers(2500, 3000));
    expect(await payloads(bus, 'a.y')).toEqual(numbers(0, 2000));
    expect(await payloads(bus, 'b')).toEqual(numbers(0, 10));
    expect(await bus.topics()).toMatchObject([
      { name: 'a.x', events: 500, firstSequence: 2501 },
      { name: 'a.y', events: 2000 },
      { name: 'b', events: 10 },
    ]);
    await bus.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('removes events recorded before a time', async () => {
    const bus = await openTestBus({ shards: 2 });
    for (const topic of ['a', 'b', 'c', 'd']) await fill(bus, topic, 5);
    const last = (await bus.query({ topic: '*', limit: 1000 })).map(({ timestamp }) =>
      Date.parse(timestamp),
    );
    const before = new Date(Math.max(...last) + 1);
    // Recorded time has a resolution of a millisecond.
    while (Date.now() <= before.getTime()) await new Promise((resolve) => setImmediate(resolve));
    await fill(bus, 'a', 3);
    expect(await bus.prune({ before })).toMatchObject({ events: 20 });
    expect(await payloads(bus, '*')).toEqual([0, 1, 2]);
    expect(await bus.prune({ before })).toEqual({ events: 0, bytes: 0 });
  });

  it('goes by size, and may remove everything', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 'a', 1000);
    const { bytes } = await bus.prune({ maxBytes: 50_000 });
    expect(bytes).toBeGreaterThan(0);
    const left = (await payloads(bus, 'a')).length;
    expect(left).toBeGreaterThan(100);
    expect(left).toBeLessThan(1000);
    expect(await bus.prune({ maxEvents: 0 })).toMatchObject({ events: left });
    expect(await payloads(bus, 'a')).toEqual([]);
    // Sequences go on.
    expect(await bus.publish({ topic: 'a', type: 'state_updated', payload: 0 })).toMatchObject({
      sequence: 1001,
    });
  });

  it('causes a gap for a subscription that had not read the removed events', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 'a', 100);
    const cursor = await cursorAfter(bus, 10);
    await bus.prune({ pattern: 'a', maxEvents: 20 });
    const gaps: Gap[] = [];
    const got: unknown[] = [];
    const reader = bus.subscribe('a', ({ payload }) => void got.push(payload), {
      from: { after: cursor },
    });
    reader.on('gap', (gap) => gaps.push(gap));
    await reader.ready;
    await bus.drain();
    expect(gaps).toEqual([{ shard: 0, from: 11, to: 80, reason: 'pruned' }]);
    expect(got).toEqual(numbers(80, 100));
  });

  it('continues after a shard has died, and during publishes', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 'a', 10_000);
    const pruning = bus.prune({ pattern: 'a', maxEvents: 100 });
    controls(bus).crashShard(0);
    await fill(bus, 'b', 100);
    await pruning;
    expect(await payloads(bus, 'a')).toEqual(numbers(9900, 10_000));
    expect(await payloads(bus, 'b')).toEqual(numbers(0, 100));
  });

  it('needs a limit', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 'a', 10);
    const refused: readonly [options: object, path: string][] = [
      [{}, ''],
      [{ pattern: 'a' }, ''],
      [{ maxEvents: -1 }, 'maxEvents'],
      [{ maxBytes: 1.5 }, 'maxBytes'],
      [{ before: 'yesterday' }, 'before'],
      [{ pattern: 'a..b', maxEvents: 1 }, 'pattern'],
      [{ max: 1 }, 'max'],
    ];
    for (const [options, path] of refused) {
      const error = await bus.prune(options).catch((one: unknown) => one);
      expect(error, path).toMatchObject({ code: 'OPTION_INVALID' });
      expect(error, path).toHaveProperty('details.faults.0.path', path);
    }
    const signal = AbortSignal.abort();
    await expect(bus.prune({ maxEvents: 0, signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await payloads(bus, 'a')).toHaveLength(10);
  });
});

/** The cursor of a subscription that has consumed that many events of topic `a`. */
async function cursorAfter(bus: Bus, count: number): Promise<string> {
  const subscription = bus.subscribe('a', { from: 'earliest' });
  let left = count;
  // The loop is left with the next one in hand, which is not consumed.
  for await (const _event of subscription) if (left-- === 0) break;
  return subscription.cursor;
}
