import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { Bus, Event, Gap } from '../../src/index.js';
import { errorsTold, openTestBus, temporaryDirectory } from './support/open.js';

/** As built: they start no thread, but load the addon that the bus has loaded. */
const { restore }: typeof import('../../src/store/upkeep/restore.js') = await import(
  /* @vite-ignore */ new URL('../../dist/store/upkeep/restore.js', import.meta.url).href
);
const { verifyDirectory }: typeof import('../../src/store/upkeep/verify.js') = await import(
  /* @vite-ignore */ new URL('../../dist/store/upkeep/verify.js', import.meta.url).href
);

const event = (n: number, topic = `a.${n % 7}`) => ({
  topic,
  type: 'state_updated',
  payload: { n, text: 'x'.repeat(4000) },
});

async function fill(bus: Bus, from: number, to: number): Promise<void> {
  const inputs = [];
  for (let n = from; n < to; n++) inputs.push(event(n));
  await bus.publishMany(inputs);
}

async function all(bus: Bus): Promise<Event<{ n: number }>[]> {
  const events: Event<{ n: number }>[] = [];
  for await (const one of bus.read<{ n: number }>({ topic: '*' })) events.push(one);
  return events;
}

const faults = (dir: string) =>
  [...verifyDirectory(dir)].filter(({ severity }) => severity === 'error');

describe('a backup', () => {
  it('is sound and complete up to one moment of each shard, while others publish', async () => {
    const bus = await openTestBus({ shards: 2 });
    await fill(bus, 0, 4000);
    const to = join(temporaryDirectory(), 'copy');
    let isRunning = true;
    let published = 4000;
    const publishing = (async () => {
      while (isRunning) {
        await fill(bus, published, published + 100);
        published += 100;
      }
    })();
    const result = await bus.backup(to);
    isRunning = false;
    await publishing;
    expect(result.heads.reduce((sum, head) => sum + head)).toBeGreaterThanOrEqual(4000);
    expect(faults(to)).toEqual([]);
    expect(readdirSync(to).sort()).toEqual(
      expect.arrayContaining(['manifest.json', 'shard-000.db', 'shard-001.db']),
    );

    const target = join(temporaryDirectory(), 'restored');
    const restored = restore(to, target);
    expect(restored.heads).toEqual(result.heads);
    const copy = await openTestBus({ dir: target });
    const there = await all(copy);
    expect(there).toHaveLength(result.heads.reduce((sum, head) => sum + head));
    const positions = new Set(result.heads.flatMap((head, shard) => [`${shard}:${head}`]));
    const here = (await all(bus)).filter(
      ({ shard, sequence }) => sequence! <= result.heads[shard]!,
    );
    const byPlace = (a: Event, b: Event) => a.shard - b.shard || a.sequence! - b.sequence!;
    expect(there.sort(byPlace)).toEqual(here.sort(byPlace));
    const last = there.filter(({ shard, sequence }) => positions.has(`${shard}:${sequence}`));
    expect(last).toHaveLength(2);
  });

  it('reports its progress, and gives a cursor that goes on in the restored directory', async () => {
    const bus = await openTestBus({ shards: 2 });
    await fill(bus, 0, 500);
    const to = join(temporaryDirectory(), 'copy');
    const told: { shard: number; pages: number; pagesLeft: number }[] = [];
    const { cursor, epoch, bytes } = await bus.backup(to, {
      onProgress: (progress) => void told.push(progress),
    });
    expect([...new Set(told.map(({ shard }) => shard))]).toEqual([0, 1]);
    expect(told.filter(({ pages, pagesLeft }) => pagesLeft > pages)).toEqual([]);
    expect(epoch).toBe(bus.epoch);
    expect(bytes).toBeGreaterThan(500 * 4000);
    const target = join(temporaryDirectory(), 'restored');
    restore(to, target);
    const copy = await openTestBus({ dir: target });
    expect(copy.epoch).not.toBe(bus.epoch);
    const gaps: Gap[] = [];
    const got: number[] = [];
    const subscription = copy.subscribe<{ n: number }>(
      '*',
      ({ payload }) => void got.push(payload.n),
      { from: { after: cursor } },
    );
    subscription.on('gap', (gap) => gaps.push(gap));
    await subscription.ready;
    await copy.publish(event(9999));
    await copy.drain();
    expect({ got, gaps }).toEqual({ got: [9999], gaps: [] });
  });

  it('maps a cursor of the later history: a gap for rolled-back events, then the new events', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 0, 10);
    const to = join(temporaryDirectory(), 'copy');
    await bus.backup(to);
    await fill(bus, 10, 20);
    const reader = bus.subscribe('*', () => {}, { from: 'earliest' });
    await reader.ready;
    await bus.drain();
    const later = reader.cursor;
    const target = join(temporaryDirectory(), 'restored');
    restore(to, target);
    const copy = await openTestBus({ dir: target });
    await fill(copy, 100, 103);
    const told: unknown[] = [];
    const subscription = copy.subscribe<{ n: number }>(
      '*',
      ({ payload }) => void told.push(payload.n),
      { from: { after: later } },
    );
    subscription.on('gap', (gap) => told.push(gap));
    await subscription.ready;
    await copy.drain();
    expect(told).toEqual([{ shard: 0, from: 11, to: 20, reason: 'rolled-back' }, 100, 101, 102]);
  });

  it('begins a new epoch even if it is opened without restore', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 0, 5);
    const to = join(temporaryDirectory(), 'copy');
    const { epoch } = await bus.backup(to);
    expect(JSON.parse(readFileSync(join(to, 'manifest.json'), 'utf8'))).toMatchObject({
      epoch,
      backup: { heads: [5] },
    });
    const copy = await openTestBus({ dir: to });
    expect(copy.epoch).not.toBe(epoch);
    const manifest = JSON.parse(readFileSync(join(to, 'manifest.json'), 'utf8'));
    expect(manifest.backup).toBeUndefined();
    expect(manifest.earlier).toMatchObject([{ epoch, heads: [5] }]);
    expect(await all(copy)).toHaveLength(5);
  });

  it('can be taken by an attached worker', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 0, 5);
    const to = join(temporaryDirectory(), 'copy');
    const { data, transferList } = bus.attachment();
    const worker = new Worker(new URL('./support/backup-worker.js', import.meta.url), {
      workerData: { data, to },
      transferList,
    });
    const [result] = await new Promise<[{ heads: number[] }]>((resolve, reject) => {
      worker.once('message', (message) => resolve([message]));
      worker.once('error', reject);
    });
    expect(result.heads).toEqual([5]);
    expect(faults(to)).toEqual([]);
  });

  it('is refused for an unusable target, and leaves nothing behind if it is aborted', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 0, 2000);
    const full = temporaryDirectory();
    await bus.backup(join(full, 'one'));
    await expect(bus.backup(full)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(bus.backup('')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(bus.backup(':memory:')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    const memory = await openTestBus({ dir: ':memory:', shards: 1 });
    await expect(memory.backup(join(full, 'two'))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });

    const given = join(full, 'three');
    const controller = new AbortController();
    const backup = bus.backup(given, { signal: controller.signal });
    const second = bus.backup(join(full, 'four'));
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await expect(backup).rejects.toMatchObject({ code: 'ABORTED' });
    expect(existsSync(join(given, 'manifest.json'))).toBe(false);
    expect(readdirSync(given)).toEqual([]);
    await expect(bus.backup(given, { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    // The target is free again. Closing the bus aborts a backup that is under way.
    const last = bus.backup(given);
    const ended = expect(last).rejects.toMatchObject({ code: 'ABORTED' });
    await bus.close();
    await ended;
  });

  it('goes on if onProgress throws or rejects, and reports that', async () => {
    const bus = await openTestBus({ shards: 1 });
    await fill(bus, 0, 200);
    const thrown: unknown = Object.create(null);
    const throwing = (): void => {
      throw thrown;
    };
    const rejecting = (): Promise<never> => Promise.reject(thrown);
    for (const onProgress of [throwing, rejecting]) {
      const before = errorsTold(bus).length;
      const to = join(temporaryDirectory(), 'copy');
      expect((await bus.backup(to, { onProgress })).heads).toEqual([200]);
      const told = errorsTold(bus).slice(before);
      expect(told[0]).toMatchObject({ code: 'HANDLER_FAILED', cause: thrown });
    }
  });
});
