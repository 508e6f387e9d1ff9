import { describe, expect, test } from 'vitest';
import type { Bus, BusOptions } from '../../src/main/bus.js';
import type { Event } from '../../src/protocol/event.js';
import { Collector, gather } from '../bus/support/collector.js';
import { errorsTold, openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { until, within } from '../bus/support/wait.js';
import { connectTo } from '../client/support/millrace-client.js';
import { FlakyS3 } from './flaky-s3.js';

/** Real buses with archives on disk and in a bucket, read through every door. */
const SMALL = { segmentBytes: 64 * 1024, segmentMs: 0 };
const COUNT = 1200;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const numbersOf = (events: readonly { payload?: unknown }[]): number[] =>
  events.map(({ payload }) => (payload as { n: number }).n);

async function publish(bus: Bus, first: number, count: number): Promise<void> {
  const inputs = upTo(count).map((n) => ({
    id: `event-${first + n}`,
    topic: 'log.a',
    type: 'chat_message',
    payload: { n: first + n, pad: 'x'.repeat(100) },
  }));
  await within('the acks', bus.publishMany(inputs));
}

const inLog = async (bus: Bus): Promise<number> =>
  (await bus.topics()).reduce((sum, { events }) => sum + events, 0);

async function pruned(bus: Bus, left: number): Promise<void> {
  await until('retention has removed', async () => (await inLog(bus)) <= left);
}

/** By where the archive is. */
const PLACES: Readonly<Record<string, () => Promise<NonNullable<BusOptions['archive']>>>> = {
  'a directory': async () => ({ dir: temporaryDirectory(), ...SMALL }),
  'a bucket': async () => ({ s3: (await FlakyS3.start()).s3, ...SMALL }),
};

describe.each(Object.entries(PLACES))('an archive in %s', (_, placeOf) => {
  test('is read over HTTP, the WebSocket and in a client as in process', async () => {
    const bus = await openTestBus({
      shards: 1,
      archive: await placeOf(),
      retention: [{ maxEvents: 50 }],
    });
    await publish(bus, 0, COUNT);
    await pruned(bus, 60);
    const gateway = await bus.serve({ port: 0 });
    const url = `http://127.0.0.1:${gateway.port}`;
    const query = new URLSearchParams({ topic: 'log.*', limit: String(COUNT) });
    const found = (await (await fetch(`${url}/v1/events?${query}`)).json()) as Event[];
    expect(numbersOf(found)).toEqual(upTo(COUNT));
    expect(found).toEqual(JSON.parse(JSON.stringify(await gather(bus.read({ topic: 'log.*' })))));
    // By a cursor in the middle of the archive, to one behind it.
    const [first] = await bus.query({ topic: 'log.a', limit: 1 });
    const part = await fetch(
      `${url}/v1/events?${new URLSearchParams({ topic: 'log.*', limit: '10' })}`,
    );
    const after = part.headers.get('millrace-cursor')!;
    const rest = new URLSearchParams({ topic: 'log.*', limit: String(COUNT), after });
    const behind = (await (await fetch(`${url}/v1/events?${rest}`)).json()) as Event[];
    expect(numbersOf(behind)).toEqual(upTo(COUNT).slice(10));
    const one = await fetch(`${url}/v1/events/${first!.id}?topic=log.*`);
    expect(await one.json()).toMatchObject({ id: 'event-0', sequence: 1 });
    const { client } = connectTo(url);
    expect(numbersOf(await gather(client.read({ topic: 'log.*' })))).toEqual(upTo(COUNT));
    expect(await client.get('log.a', 'event-7')).toMatchObject({ payload: { n: 7 } });
    const seen: number[] = [];
    const gaps: unknown[] = [];
    client
      .subscribe('log.*', ({ payload }) => void seen.push((payload as { n: number }).n), {
        from: 'earliest',
      })
      .on('gap', (gap) => gaps.push(gap));
    await publish(bus, COUNT, 100);
    await until('all events and the live ones', () => seen.length >= COUNT + 100);
    expect(seen).toEqual(upTo(COUNT + 100));
    expect(gaps).toEqual([]);
    expect(errorsTold(bus)).toEqual([]);
  });

  test('is read in pages while rows move into it, by many readers, without a gap or a repeat', async () => {
    const bus = await openTestBus({
      shards: 1,
      archive: await placeOf(),
      retention: [{ maxEvents: 20 }],
    });
    await publish(bus, 0, 200);
    const gateway = await bus.serve({ port: 0 });
    const { client } = connectTo(`http://127.0.0.1:${gateway.port}`);
    let isPublishing = true;
    const publishing = (async () => {
      for (let first = 200; first < 2000; first += 50) await publish(bus, first, 50);
      isPublishing = false;
    })();
    let rounds = 0;
    const reading = async (reverse: boolean, of: Pick<Bus, 'read'>): Promise<void> => {
      while (isPublishing || rounds < 4) {
        const numbers = numbersOf(await gather(of.read({ topic: 'log.*', reverse })));
        const sorted = reverse ? numbers.toReversed() : numbers;
        expect(sorted).toEqual(upTo(sorted.length));
        rounds++;
      }
    };
    const live = new Collector(bus, 'log.*', { from: 'earliest' });
    await Promise.all([
      publishing,
      reading(false, bus),
      reading(true, bus),
      reading(false, client as unknown as Bus),
    ]);
    await live.count(2000);
    expect(numbersOf(live.events)).toEqual(upTo(2000));
    expect(live.gaps).toEqual([]);
  });
});
