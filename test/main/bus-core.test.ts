import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ShardCounter } from '../../src/link/shard-control.js';
import type * as busCore from '../../src/main/bus-core.js';
import type * as busOptions from '../../src/main/bus-options.js';
import type * as localBus from '../../src/main/local-bus.js';
import type * as openBus from '../../src/main/open-bus.js';
import type { Event } from '../../src/protocol/event.js';
import { READER_THREADS } from '../../src/protocol/limits/endpoint.js';
import { temporaryDirectory } from '../bus/support/open.js';
import { until, watch } from '../bus/support/wait.js';

/** As built: shards are threads, and start from there. */
async function built<T>(module: string): Promise<T> {
  return import(/* @vite-ignore */ new URL(`../../dist/${module}.js`, import.meta.url).href);
}
const { BusCore } = await built<typeof busCore>('main/bus-core');
const { LocalBus } = await built<typeof localBus>('main/local-bus');
const { storeOf } = await built<typeof openBus>('main/open-bus');
const { parseBusOptions } = await built<typeof busOptions>('main/bus-options');

const close: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const one of close.splice(0)) await one();
});

const EVENTS = 10;
const TOLD = 6;

/**
 * A batch is committed before it is flushed, and readers can see it in the file. Here the file of an idle shard holds
 * more than the shard has published, as between the two.
 */
async function committedAndNotTold(dir = temporaryDirectory()) {
  const options = parseBusOptions({ dir, shards: 1, systemEvents: false });
  const core = await BusCore.open(storeOf(dir), options);
  await core.start();
  const bus = new LocalBus(core, options);
  close.push(() => bus.close());
  const inputs = Array.from({ length: EVENTS }, (_, n) => ({
    topic: 'a',
    type: 't',
    payload: n + 1,
  }));
  await bus.publishMany(inputs);
  const { counters } = core.controls[0]!;
  counters[ShardCounter.head] = TOLD;
  const tell = (): void => {
    counters[ShardCounter.head] = EVENTS;
  };
  return { core, bus, tell };
}

async function sequences(events: AsyncIterable<Event>): Promise<(number | undefined)[]> {
  const found: (number | undefined)[] = [];
  for await (const { sequence } of events) found.push(sequence);
  return found;
}

describe.each(['a file', ':memory:'])('history in %s that its shard has not published', (where) => {
  const open = () => committedAndNotTold(where === ':memory:' ? where : undefined);

  test('is in no query before, and in queries once it is published', async () => {
    const { bus, tell } = await open();
    expect(await sequences(bus.read({ topic: 'a' }))).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await bus.query({ topic: 'a', reverse: true, limit: 1 }))[0]!.sequence).toBe(TOLD);
    tell();
    expect(await sequences(bus.read({ topic: 'a' }))).toHaveLength(EVENTS);
  });
});

/** Lets this thread allocate so many shared buffers, and then no more. */
function giveOutMemory(buffers: number): void {
  let left = buffers;
  const Scarce = class extends SharedArrayBuffer {
    constructor(bytes: number) {
      if (left-- <= 0) throw new RangeError('Array buffer allocation failed');
      super(bytes);
    }
  };
  vi.stubGlobal('SharedArrayBuffer', Scarce);
}

describe('an attachment', () => {
  test('for which there is no memory leaves nothing behind', async () => {
    const dir = temporaryDirectory();
    const options = parseBusOptions({ dir, shards: 2, systemEvents: false });
    const core = await BusCore.open(storeOf(dir), options);
    await core.start();
    const bus = new LocalBus(core, options);
    close.push(() => bus.close());
    const readers = vi.spyOn(core, 'connectReaders');
    const { endpoints } = await bus.stats();
    const attached = core.supervisors.map((supervisor) => vi.spyOn(supervisor, 'attach'));
    // Enough for the doorbell and the first shard's rings.
    giveOutMemory(4);
    expect(() => bus.attachment()).toThrow('allocation failed');
    vi.unstubAllGlobals();
    expect(readers).not.toHaveBeenCalled();
    for (const attach of attached) expect(attach).not.toHaveBeenCalled();
    expect((await bus.stats()).endpoints).toBe(endpoints);
    expect(bus.attachment().transferList).toHaveLength(1 + READER_THREADS + options.shards!);
  });
});

describe('a backup', () => {
  test('is not done before the shards have published everything that was copied', async () => {
    const { bus, tell } = await committedAndNotTold();
    const to = join(temporaryDirectory(), 'copy');
    const abort = new AbortController();
    const backup = bus.backup(to, { signal: abort.signal });
    const outcome = watch(backup);
    // The copy has been flushed, and its owner alone may read it: the thread does that last of all.
    await until('the copy', () => outcome.settled || isWholeCopy(join(to, 'shard-000.db')));
    abort.abort();
    await expect(backup).rejects.toMatchObject({ code: 'ABORTED' });
    tell();
    const { heads } = await bus.backup(join(temporaryDirectory(), 'copy'));
    expect(heads).toEqual([EVENTS]);
  });

  test('that a worker began ends with the worker, and leaves nothing behind', async () => {
    const { bus, tell } = await committedAndNotTold();
    const to = join(temporaryDirectory(), 'copy');
    const { data, transferList } = bus.attachment();
    const worker = new Worker(new URL('../bus/support/backup-worker.js', import.meta.url), {
      workerData: { data, to },
      transferList,
    });
    // The backup cannot end by itself: it waits for the shard to publish what was copied.
    await until('the copy', () => isWholeCopy(join(to, 'shard-000.db')));
    await worker.terminate();
    await until('the end of the backup', () => readdirSync(to).length === 0);
    tell();
    const another = join(temporaryDirectory(), 'copy');
    const isRefused = async () => {
      const backup = bus.backup(another);
      return backup.then(
        () => false,
        ({ code }) => code === 'LIMIT_EXCEEDED',
      );
    };
    await until('another backup', async () => !(await isRefused()));
    expect(isWholeCopy(join(another, 'shard-000.db'))).toBe(true);
  });
});

function isWholeCopy(file: string): boolean {
  if (!existsSync(file)) return false;
  const { mode, size } = statSync(file);
  return size > 0 && (mode & 0o077) === 0;
}
