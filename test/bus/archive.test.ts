import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Bus, BusOptions } from '../../src/main/bus.js';
import type { Event } from '../../src/protocol/event.js';
import { restore } from '../../src/store/upkeep/restore.js';
import { Collector, gather } from './support/collector.js';
import { errorsTold, openTestBus, temporaryDirectory } from './support/open.js';
import { until, within } from './support/wait.js';

/** What retention removes is archived first, and whoever reads history goes on through it. */
const SMALL = { segmentBytes: 64 * 1024, segmentMs: 0 };

async function openArchived(options: BusOptions = {}, dir = temporaryDirectory()): Promise<Bus> {
  return openTestBus({
    shards: 1,
    archive: { dir, ...SMALL },
    retention: [{ maxEvents: 100 }],
    ...options,
  });
}

async function publish(bus: Bus, topic: string, first: number, count: number): Promise<void> {
  const inputs = Array.from({ length: count }, (_, index) => ({
    topic,
    type: 'chat_message',
    payload: { n: first + index, pad: 'x'.repeat(100) },
  }));
  await within('the acks', bus.publishMany(inputs));
}

const numbersOf = (events: readonly Event<unknown>[]): number[] =>
  events.map(({ payload }) => (payload as { n: number }).n);
const upTo = (count: number, first = 0): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

async function inLog(bus: Bus): Promise<number> {
  return (await bus.topics()).reduce((sum, { events }) => sum + events, 0);
}

async function pruned(bus: Bus, left: number): Promise<void> {
  await until('retention has removed', async () => (await inLog(bus)) <= left);
}

describe('an archive', () => {
  test('gives back all that retention has removed, once and in order', async () => {
    const bus = await openArchived();
    await publish(bus, 'log.a', 0, 3000);
    await pruned(bus, 200);
    expect(numbersOf(await gather(bus.read({ topic: '*' })))).toEqual(upTo(3000));
    const newest = await gather(bus.read({ topic: '*', reverse: true }));
    expect(numbersOf(newest)).toEqual(upTo(3000).reverse());
    expect(await inLog(bus)).toBeLessThanOrEqual(200);
    const [stats] = (await bus.stats()).shards;
    expect(stats!.archive).toMatchObject({ failingMs: 0 });
    expect(stats!.archive!.segments).toBeGreaterThan(3);
    expect(errorsTold(bus)).toEqual([]);
  });

  test('has no part in the newest event of each topic', async () => {
    const bus = await openArchived({ retention: [{ pattern: 'log.*', maxEvents: 100 }] });
    await publish(bus, 'kept.a', 0, 1);
    await publish(bus, 'log.a', 1, 1500);
    await publish(bus, 'kept.b', 1501, 1);
    await publish(bus, 'log.a', 1502, 1500);
    await pruned(bus, 200);
    const newest = [0, 1501, 3001];
    expect(numbersOf(await gather(bus.latest('*')))).toEqual(newest);
    expect(numbersOf(await gather(bus.latest('*', { reverse: true })))).toEqual(
      newest.toReversed(),
    );
    const seen = await Collector.start(bus, '*', { from: 'latest' });
    await publish(bus, 'log.a', 3002, 1);
    await until('the live event', () => seen.events.length >= 4);
    expect(numbersOf(seen.events)).toEqual([...newest, 3002]);
  });

  test('is read by topic, type, time, cursor and id', async () => {
    const bus = await openArchived();
    await publish(bus, 'log.a', 0, 500);
    const between = await bus.publish({ topic: 'log.b', type: 'order_made', payload: { n: -1 } });
    const { timestamp } = (await bus.get('log.b', between.id))!;
    await publish(bus, 'log.a', 500, 1500);
    await pruned(bus, 200);
    expect(numbersOf(await bus.query({ topic: 'log.b' }))).toEqual([-1]);
    expect(numbersOf(await bus.query({ topic: 'log.*', types: ['order_made'] }))).toEqual([-1]);
    expect(await bus.get('log.b', between.id)).toMatchObject({ sequence: between.sequence });
    expect(await bus.get('log.a', between.id)).toBeUndefined();
    const all = await gather(bus.read({ topic: '*' }));
    const since = await gather(bus.read({ topic: '*', since: timestamp }));
    const before = await gather(bus.read({ topic: '*', until: timestamp }));
    expect([...before, ...since].map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    expect(since.every((event) => event.timestamp >= timestamp)).toBe(true);
    expect(before.every((event) => event.timestamp < timestamp)).toBe(true);
    expect(numbersOf(await bus.query({ topic: 'log.a', limit: 5, reverse: true }))).toEqual(
      upTo(5, 1995).reverse(),
    );
  });

  test('goes over into the log and into live events without a gap or an overlap', async () => {
    const bus = await openArchived();
    await publish(bus, 'log.a', 0, 3000);
    await pruned(bus, 200);
    const seen = new Collector(bus, 'log.*', { from: 'earliest' });
    for (let first = 3000; first < 6000; first += 100) await publish(bus, 'log.a', first, 100);
    await until('all events', () => seen.events.length >= 6000);
    expect(numbersOf(seen.events)).toEqual(upTo(6000));
    expect(seen.gaps).toEqual([]);
  });

  test('resumes a cursor that stands in it', async () => {
    const bus = await openArchived();
    await publish(bus, 'log.a', 0, 1000);
    let cursor = '';
    const first = bus.subscribe('log.*', { from: 'earliest' });
    for await (const { payload } of first) {
      if ((payload as { n: number }).n === 299) break;
    }
    cursor = first.cursor;
    await publish(bus, 'log.a', 1000, 1000);
    await pruned(bus, 200);
    const seen = new Collector(bus, 'log.*', { from: { after: cursor } });
    await until('the rest', () => numbersOf(seen.events).includes(1999));
    const numbers = numbersOf(seen.events);
    expect(numbers).toEqual(upTo(2000 - numbers[0]!, numbers[0]));
    expect(numbers[0]).toBeLessThanOrEqual(300);
    expect(seen.gaps).toEqual([]);
  });

  test('is found again by the next bus', async () => {
    const archive = temporaryDirectory();
    const dir = temporaryDirectory();
    const bus = await openArchived({ dir }, archive);
    await publish(bus, 'log.a', 0, 1000);
    await pruned(bus, 200);
    await bus.close();
    const again = await openArchived({ dir }, archive);
    await publish(again, 'log.a', 1000, 1000);
    await pruned(again, 200);
    expect(numbersOf(await gather(again.read({ topic: '*' })))).toEqual(upTo(2000));
  });

  test('of another directory is refused', async () => {
    const archive = temporaryDirectory();
    await (await openArchived({}, archive)).close();
    await expect(openArchived({}, archive)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('archive.dir'),
    });
  });

  test('that lost a segment leaves a gap that is told', async () => {
    const archive = temporaryDirectory();
    const dir = temporaryDirectory();
    const bus = await openArchived({ dir }, archive);
    await publish(bus, 'log.a', 0, 2000);
    await pruned(bus, 200);
    await bus.close();
    const names = readdirSync(join(archive, 'shard-000')).sort();
    const lost = names.filter((name) => name.startsWith(names[2]!.slice(0, 33)));
    expect(lost).toHaveLength(2);
    for (const name of lost) rmSync(join(archive, 'shard-000', name));
    const [first, last] = lost[0]!.split('-').map(Number) as [number, number];
    const again = await openArchived({ dir }, archive);
    const options = { from: { since: new Date(0) } };
    const seen = new Collector(again, 'log.*', options);
    await until('the rest', () => seen.events.length >= 2000 - (last - first + 1));
    expect(seen.gaps).toEqual([{ shard: 0, from: first, to: last, reason: 'pruned' }]);
    const sequences = seen.events.map(({ sequence }) => sequence!);
    expect(sequences).toEqual(upTo(2000, 1).filter((one) => one < first || one > last));
  });

  test('goes on for a directory that was restored, without what the original did later', async () => {
    const archive = temporaryDirectory();
    const dir = temporaryDirectory();
    const backup = join(temporaryDirectory(), 'backup');
    const restored = join(temporaryDirectory(), 'restored');
    const bus = await openArchived({ dir }, archive);
    await publish(bus, 'log.a', 0, 1000);
    await pruned(bus, 200);
    await bus.backup(backup);
    await publish(bus, 'log.a', 5000, 1000);
    await pruned(bus, 200);
    await bus.close();
    restore(backup, restored);
    const again = await openArchived({ dir: restored }, archive);
    await publish(again, 'log.a', 1000, 1000);
    await pruned(again, 200);
    expect(numbersOf(await gather(again.read({ topic: '*' })))).toEqual(upTo(2000));
  });

  test('that fails holds retention back, says so, and goes on when it works again', async () => {
    const archive = temporaryDirectory();
    const inTheWay = join(archive, 'shard-000');
    writeFileSync(inTheWay, '');
    const bus = await openArchived({}, archive);
    await publish(bus, 'log.a', 0, 1000);
    await until('it is told', () => errorsTold(bus).length > 0);
    expect(errorsTold(bus)[0]).toMatchObject({
      code: 'ARCHIVE_FAILED',
      details: { setting: 'archive.dir' },
    });
    await until('the figures', async () => {
      const { failingMs, waitingMs } = (await bus.stats()).shards[0]!.archive!;
      return failingMs > 0 && waitingMs > 0;
    });
    expect(await inLog(bus)).toBe(1000);
    rmSync(inTheWay);
    await pruned(bus, 200);
    expect(numbersOf(await gather(bus.read({ topic: '*' })))).toEqual(upTo(1000));
    await until('the figures', async () => (await bus.stats()).shards[0]!.archive!.failingMs === 0);
  });

  test('loses and repeats nothing when its process is killed again and again', async () => {
    const archive = temporaryDirectory();
    const dir = temporaryDirectory();
    let acked = 0;
    for (let round = 0; round < 6; round++) {
      acked = Math.max(acked, await killed(dir, archive, 1 + round * 3));
    }
    const bus = await openArchived({ dir, retention: [{ maxEvents: 10 }] }, archive);
    await pruned(bus, 20);
    const sequences = (await gather(bus.read({ topic: '*' }))).map(({ sequence }) => sequence!);
    expect(sequences).toEqual(upTo(sequences.length, 1));
    expect(sequences.length).toBeGreaterThanOrEqual(acked);
    expect((await bus.stats()).shards[0]!.archive!.segments).toBeGreaterThan(1);
  });

  test('keeps what somebody asks to remove until it is archived', async () => {
    const bus = await openArchived({ retention: [] });
    await publish(bus, 'log.a', 0, 500);
    await until('it is removed', async () => {
      await bus.prune({ pattern: 'log.*', maxEvents: 1 });
      return (await inLog(bus)) === 1;
    });
    expect(numbersOf(await gather(bus.read({ topic: '*' })))).toEqual(upTo(500));
  });

  test('removes its oldest segments beyond its limits, which is told as a gap', async () => {
    const archive = { dir: temporaryDirectory(), ...SMALL, maxBytes: 20_000 };
    const bus = await openArchived({ archive });
    const ack = await bus.publish({ topic: 'log.a', type: 'chat_message', payload: { n: -1 } });
    for (let n = 0; n < 6000; n += 1000) {
      await publish(bus, 'log.a', n, 1000);
      await pruned(bus, 200);
    }
    await until('the archive is smaller', async () => {
      const { bytes } = (await bus.stats()).shards[0]!.archive!;
      return bytes <= 20_000;
    });
    const left = numbersOf(await gather(bus.read({ topic: '*' })));
    expect(left).toEqual(upTo(left.length, 6000 - left.length));
    expect(left.length).toBeLessThan(6000);
    const from = { after: ack.cursor! };
    const seen = new Collector(bus, 'log.*', { from });
    await until('the rest', () => seen.events.length >= left.length);
    expect(seen.gaps).toEqual([
      { shard: 0, from: 2, to: seen.events[0]!.sequence! - 1, reason: 'pruned' },
    ]);
  });

  test.each([
    { dir: ':memory:', archive: { dir: '/tmp/never' } },
    { archive: { dir: ':memory:' } },
    { dir: '/tmp/never', archive: { dir: '/tmp/./never/' } },
    { archive: { dir: '/tmp/never', segmentBytes: 1 } },
  ])('is refused with an option that makes no sense: %j', async (options) => {
    await expect(openTestBus(options)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});

const archiving = fileURLToPath(new URL('./support/archiving.js', import.meta.url));

/** Kills the process after it has archived and then had so many batches acknowledged. @returns the last that it told */
async function killed(dir: string, archive: string, batches: number): Promise<number> {
  const child = spawn(process.execPath, [archiving, dir, archive], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let acked = 0;
  let left = batches;
  let hasArchived = false;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, number] = line.split(' ');
    if (word === 'archived') hasArchived = true;
    else acked = Number(number);
    if (hasArchived && word === 'acked' && --left === 0) child.kill('SIGKILL');
  }
  const [, signal] = await within('its end', exited);
  expect(signal).toBe('SIGKILL');
  return acked;
}
