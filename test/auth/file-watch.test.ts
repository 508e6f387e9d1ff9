import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileWatch } from '../../src/auth/file-watch.js';
import { temporaryDirectory } from './support/auth.js';

const NEVER_MS = 2 ** 31 - 1;

function watching(path: string, times: { pollMs: number; settleMs: number }) {
  let resolve = () => {};
  const watch = new FileWatch(path, () => resolve(), times);
  const told = () => new Promise<void>((done) => (resolve = done));
  return { watch, told };
}

describe('watching a file', () => {
  it('polls if the folder cannot be watched', async () => {
    const path = join(temporaryDirectory(), 'not there', 'file');
    const { watch, told } = watching(path, { pollMs: 1, settleMs: NEVER_MS });
    await told();
    await told();
    watch.close();
  });

  it('goes on polling after the folder is removed', async () => {
    const folder = join(temporaryDirectory(), 'folder');
    mkdirSync(folder);
    const { watch, told } = watching(join(folder, 'file'), { pollMs: 1, settleMs: 0 });
    rmSync(folder, { recursive: true });
    for (let i = 0; i < 5; i++) await told();
    watch.close();
  });

  it('notices a change before the next poll, also one in a file beside it', async () => {
    const folder = temporaryDirectory();
    const { watch, told } = watching(join(folder, 'file'), { pollMs: NEVER_MS, settleMs: 0 });
    for (const name of ['file', 'other']) {
      const hears = told();
      writeFileSync(join(folder, name), 'x');
      await hears;
    }
    watch.close();
  });

  it('calls the listener once for many changes in a row', async () => {
    const folder = temporaryDirectory();
    let asked = 0;
    let resolve = () => {};
    const first = new Promise<void>((done) => (resolve = done));
    const watch = new FileWatch(
      join(folder, 'file'),
      () => {
        asked++;
        resolve();
      },
      { pollMs: NEVER_MS, settleMs: 100 },
    );
    for (let i = 0; i < 100; i++) writeFileSync(join(folder, `file${i}`), 'x');
    await first;
    expect(asked).toBe(1);
    // Timers of one length go off in the order in which they were set, so this one is behind those of the changes.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(asked).toBeLessThan(10);
    watch.close();
  });

  it('does not keep the process alive', () => {
    const held = () =>
      process.getActiveResourcesInfo().filter((name) => /FSEvent|Timeout/.test(name));
    const before = held();
    const watch = new FileWatch(join(temporaryDirectory(), 'file'), () => {}, {
      pollMs: NEVER_MS,
      settleMs: 0,
    });
    expect(held()).toEqual(before);
    watch.close();
  });
});
