import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { neededCommand } from '../support/needed-command.js';
import { gather } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

/**
 * A disk whose flush fails, and which then holds what was flushed before and not a byte more: the operating system
 * counts the pages of the failed flush as clean. `test/support/forgetful-disk.c` makes one under a process that
 * publishes, and keeps an image of what a power cut would leave.
 */
const SUITE = 'test/bus: flushes that fail';
const gcc = process.platform === 'linux' ? neededCommand('gcc', SUITE) : undefined;
const publisher = fileURLToPath(new URL('./support/failed-flush.js', import.meta.url));
const source = fileURLToPath(new URL('../support/forgetful-disk.c', import.meta.url));

let folder: string;
let library: string;

interface Told {
  readonly n?: number;
  readonly durability?: string;
  readonly code?: string;
  readonly state?: string;
}

/** Runs the publisher to its end; `image` is the directory as the disk has it, `dir` as the process saw it. */
function run(suffix: string, readers: string, mode: string) {
  const root = temporaryDirectory();
  const image = join(root, 'image');
  const real = join(root, 'real');
  for (const directory of [image, real]) mkdirSync(directory);
  const dir = join(real, 'data');
  const ended = spawnSync(process.execPath, [publisher, dir, suffix, readers, mode], {
    encoding: 'utf8',
    timeout: 50_000,
    env: {
      ...process.env,
      LD_PRELOAD: library,
      DISK_ROOT: real,
      DISK_IMAGE: image,
      DISK_FAULT: join(root, 'fault'),
    },
  });
  expect(ended.stderr).toBe('');
  expect(ended.signal).toBe('SIGKILL');
  const told = ended.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Told);
  return { told, dir, image: join(image, 'data') };
}

async function stored(dir: string): Promise<number[]> {
  const bus = await openTestBus({ dir });
  const events = await gather(bus.read({ topic: 'a' }));
  await bus.close();
  return events.map(({ payload }) => (payload as { n: number }).n);
}

describe.runIf(gcc !== undefined)('after a flush that failed once', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-disk-'));
    library = join(folder, 'forgetful-disk.so');
    const args = ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl', '-lpthread'];
    const compiled = spawnSync(gcc!, args, { encoding: 'utf8' });
    expect(compiled.stderr).toBe('');
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['-wal', 'alone'],
    ['-wal', 'reader'],
    ['.db', 'alone'],
    ['.db', 'reader'],
  ])('of the %s file (%s), every event acknowledged as synced is on the disk', async (...how) => {
    const { told, image } = run(...how, 'once');
    expect(told.at(-1)).toMatchObject({ restarts: 1, state: 'running' });
    const acks = told.slice(0, -1);
    expect(acks.filter(({ code }) => code !== undefined)).toEqual([]);
    // The last was synced, and with it all before it.
    expect(acks.at(-1)!.durability).toBe('synced');
    expect(await stored(image)).toEqual(acks.map(({ n }) => n));
  });

  test('a publish that is in flight when flushes fail for good says that it may be stored', async () => {
    const { told, dir } = run('-wal', 'alone', 'always');
    expect(told.at(-1)).toMatchObject({ state: 'failed' });
    const publishes = told.slice(0, -1);
    const inLog = new Set(await stored(dir));
    const refused = publishes.filter(({ code }) => code === 'STORE_FAILED');
    const unknown = publishes.filter(({ code }) => code === 'PUBLISH_UNKNOWN');
    expect(refused.length).toBeGreaterThan(0);
    expect(unknown.length).toBeGreaterThan(0);
    expect(refused.filter(({ n }) => inLog.has(n!))).toEqual([]);
    for (const { n, durability } of publishes) if (durability) expect(inLog).toContain(n);
  });
});
