import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import {
  createManifest,
  endNew,
  newEpoch,
  openManifest,
  resolveCursor,
} from '../../../src/store/directory/directory.js';
import { DirectoryLock } from '../../../src/store/directory/lock.js';
import { readManifest, writeManifest } from '../../../src/store/directory/manifest.js';
import { temporaryDirectory } from '../directories.js';

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a manifest', () => {
  it('is made with the directory, accessible to its owner only, and found again', () => {
    const dir = join(temporaryDirectory(), 'a', 'data');
    const made = openManifest(dir, { defaultShards: 3 });
    expect(made).toMatchObject({ shards: 3, earlier: [] });
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(openManifest(dir, { defaultShards: 9 })).toEqual(made);
    expect(openManifest(dir, { shards: 3, defaultShards: 9 })).toEqual(made);
    expect(existsSync(join(dir, 'manifest.json.new'))).toBe(false);
  });

  it('refuses another number of shards and says how to convert', () => {
    const dir = temporaryDirectory();
    openManifest(dir, { shards: 2, defaultShards: 1 });
    expect(thrownBy(() => openManifest(dir, { shards: 5, defaultShards: 1 }))).toMatchObject({
      code: 'SHARD_COUNT_MISMATCH',
      details: { expected: 5, found: 2 },
      message: expect.stringContaining(`millrace reshard ${dir} --shards 5 --to DIR2`),
    });
  });

  it('is upgraded from an older format', () => {
    const dir = temporaryDirectory();
    const made = openManifest(dir, { defaultShards: 1 });
    const { id: _id, isNew: _isNew, ...old } = { ...made, format: 1 };
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify(old));
    expect(readManifest(dir)).toEqual(old);
    const upgraded = openManifest(dir, { defaultShards: 1 });
    expect(upgraded).toEqual({ ...made, id: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(readManifest(dir)).toEqual(upgraded);
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify({ ...old, format: 99 }));
    expect(thrownBy(() => readManifest(dir))).toMatchObject({ code: 'STORE_FAILED' });
  });

  it('keeps its id when it is upgraded from a format that had one', () => {
    const dir = temporaryDirectory();
    const made = endNew(dir, openManifest(dir, { defaultShards: 1 }));
    writeManifest(dir, { ...made, format: 2 });
    expect(openManifest(dir, { defaultShards: 1 })).toEqual(made);
    expect(readManifest(dir)).toEqual(made);
  });

  it('keeps its `shardBy` when it is upgraded from format 4', () => {
    const dir = temporaryDirectory();
    const made = endNew(dir, openManifest(dir, { defaultShards: 1, shardBy: { segments: 2 } }));
    writeManifest(dir, { ...made, format: 4 });
    expect(openManifest(dir, { defaultShards: 1 })).toEqual(made);
    expect(made).toMatchObject({ format: 5, shardBy: { segments: 2 } });
  });

  it.each([
    '',
    '{',
    '[]',
    '{"format":1}',
    '{"format":1,"shards":0,"epoch":"e","createdAt":"","earlier":[]}',
  ])('is refused where it is damaged: %s', (text) => {
    const dir = temporaryDirectory();
    writeFileSync(join(dir, 'manifest.json'), text);
    expect(thrownBy(() => readManifest(dir))).toMatchObject({ code: 'STORE_CORRUPT' });
  });

  it('may not be missing where there are shard files', () => {
    const dir = temporaryDirectory();
    writeFileSync(join(dir, 'shard-000.db'), '');
    expect(thrownBy(() => openManifest(dir, { defaultShards: 1 }))).toMatchObject({
      code: 'STORE_CORRUPT',
    });
  });

  it('maps the cursors of earlier epochs and says what they lost', () => {
    const dir = temporaryDirectory();
    const first = openManifest(dir, { shards: 2, defaultShards: 1 });
    const second = newEpoch(dir, first, 'test', [10, 20]);
    const third = newEpoch(dir, second, 'test', [5, 100]);
    expect(readManifest(dir)).toEqual(third);
    const at = (epoch: string, positions: number[]) => resolveCursor(third, { epoch, positions });
    expect(at(third.epoch, [7, 7])).toEqual({ positions: [7, 7], gaps: [] });
    expect(at(second.epoch, [7, 99])).toEqual({
      positions: [5, 99],
      gaps: [{ shard: 0, from: 6, to: 7, reason: 'rolled-back' }],
    });
    expect(at(first.epoch, [7, 99])).toEqual({
      positions: [5, 20],
      gaps: [
        { shard: 0, from: 6, to: 7, reason: 'rolled-back' },
        { shard: 1, from: 21, to: 99, reason: 'rolled-back' },
      ],
    });
    expect(thrownBy(() => at('unknown', [1, 1]))).toMatchObject({ code: 'CURSOR_EXPIRED' });
    expect(thrownBy(() => at(third.epoch, [1]))).toMatchObject({ code: 'CURSOR_INVALID' });
  });

  it('has 1 to 16 shards', () => {
    for (const shards of [0, 17, 1.5]) {
      expect(thrownBy(() => createManifest(shards))).toMatchObject({ code: 'OPTION_INVALID' });
    }
  });
});

describe('a lock', () => {
  it('keeps a second bus of this process out, and is free when released', () => {
    const dir = temporaryDirectory();
    const lock = DirectoryLock.acquire(dir);
    expect(thrownBy(() => DirectoryLock.acquire(dir))).toMatchObject({
      code: 'STORE_LOCKED',
      details: { pid: process.pid },
    });
    lock.release();
    lock.release();
    DirectoryLock.acquire(dir).release();
  });

  it('keeps another process out, names its holder, and is free once that is killed', async () => {
    const dir = temporaryDirectory();
    const child = await hold(dir);
    expect(thrownBy(() => DirectoryLock.acquire(dir))).toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining(`process ${child.pid}`),
      details: { pid: child.pid, startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) },
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    DirectoryLock.acquire(dir).release();
  });

  it('keeps another process out after its holder has read its files', async () => {
    const dir = temporaryDirectory();
    const child = await hold(dir, 'read');
    expect(thrownBy(() => DirectoryLock.acquire(dir))).toMatchObject({
      code: 'STORE_LOCKED',
      details: { pid: child.pid },
    });
    child.kill('SIGKILL');
    DirectoryLock.acquire(dir).release();
    await once(child, 'exit');
  });

  it.each([
    ['just holds it', []],
    // One container cannot see the processes of another, but the machine sees them all.
    ['has read its files', ['read']],
  ])('keeps out a process outside its holder’s container, when the holder %s', async (_, how) => {
    if (!canUnshare()) return;
    const dir = temporaryDirectory();
    const child = await holdElsewhere(dir, ...how);
    expect(thrownBy(() => DirectoryLock.acquire(dir))).toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining('in another container'),
    });
    if (how.length === 0) expect(tryElsewhere(dir)).toBe('STORE_LOCKED');
    child.kill('SIGKILL');
    await once(child, 'exit');
    DirectoryLock.acquire(dir).release();
  });

  it('does not hold a copy of the directory', async () => {
    const dir = temporaryDirectory();
    const copy = join(temporaryDirectory(), 'copy');
    const child = await hold(dir);
    cpSync(dir, copy, { recursive: true });
    DirectoryLock.acquire(copy).release();
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it.each([
    ['zeros', Buffer.alloc(8192)],
    ['noise', Buffer.from('SQLite format 3\0'.padEnd(5000, 'x'))],
    ['one byte', Buffer.from('S')],
  ])('can be taken after a power cut that left %s in its file', (_, bytes) => {
    const dir = temporaryDirectory();
    writeFileSync(join(dir, 'lock.db'), bytes);
    writeFileSync(join(dir, 'lock.json'), bytes);
    const lock = DirectoryLock.acquire(dir);
    expect(thrownBy(() => DirectoryLock.acquire(dir))).toMatchObject({ code: 'STORE_LOCKED' });
    lock.release();
  });
});

type Holder = ChildProcessByStdio<null, Readable, null>;
const script = new URL('./hold-lock.mjs', import.meta.url).pathname;

async function hold(dir: string, ...args: string[]): Promise<Holder> {
  return await holding(process.execPath, [script, dir, ...args]);
}

/** Runs a command with a PID namespace of its own, like a container that shares the volume. */
const UNSHARE = ['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath];

async function holdElsewhere(dir: string, ...args: string[]): Promise<Holder> {
  return await holding('unshare', [...UNSHARE, script, dir, ...args]);
}

async function holding(command: string, args: readonly string[]): Promise<Holder> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

/** Tries to take the lock in another container; returns the code of the refusal. */
function tryElsewhere(dir: string): string | undefined {
  const { stderr } = spawnSync('unshare', [...UNSHARE, script, dir], { encoding: 'utf8' });
  return /code: '(\w+)'/.exec(stderr)?.[1];
}

function canUnshare(): boolean {
  const { status } = spawnSync('unshare', [...UNSHARE, '--version']);
  if (status !== 0) console.warn('containers NOT TESTED: no namespaces can be made here');
  return status === 0;
}
