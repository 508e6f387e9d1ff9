import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { DirectoryTarget } from '../../src/archive/targets/directory-target.js';
import type { TargetObject } from '../../src/archive/targets/target.js';
import { ARCHIVE_PAGE_MS } from '../../src/protocol/limits/archive.js';
import { temporaryDirectory } from '../store/directories.js';
import { ArchivedLog, DyingTarget } from './archived-log.js';

afterEach(() => vi.restoreAllMocks());

test('a reader whose thread stands still before each page gets every archived event, and no gap', async () => {
  const target = new DyingTarget(temporaryDirectory());
  const log = new ArchivedLog(temporaryDirectory(), target, [{ maxEvents: 5 }]);
  await log.archiver.start();
  log.publishAll(Array(60).fill('a'), (sequence) => sequence);
  await log.settle();
  let now = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 2 * ARCHIVE_PAGE_MS;
    return now;
  });
  const all = Array.from({ length: 60 }, (_, n) => n + 1);
  const forward = await log.read();
  expect(forward.events.map(({ sequence }) => sequence)).toEqual(all);
  expect(forward.lost).toEqual([]);
  const backward = await log.read({ reverse: true });
  expect(backward.events.map(({ sequence }) => sequence)).toEqual([...all].reverse());
  log.close();
});

/** The answer to one list of objects is held back until the test lets it go. */
class LateTarget extends DirectoryTarget {
  #late: { readonly made: () => void; readonly free: Promise<void> } | undefined;

  /** Holds the next answer back. `made`: it is there, and says what was archived then. */
  holdNext(): { made: Promise<void>; release: () => void } {
    let release = (): void => {};
    const free = new Promise<void>((resolve) => {
      release = resolve;
    });
    const made = new Promise<void>((resolve) => {
      this.#late = { made: resolve, free };
    });
    return { made, release };
  }

  override async list(prefix: string): Promise<readonly TargetObject[]> {
    const late = this.#late;
    this.#late = undefined;
    const objects = await super.list(prefix);
    late?.made();
    await late?.free;
    return objects;
  }
}

test('a reader gets what was archived while another one waited for the list of segments', async () => {
  const target = new LateTarget(temporaryDirectory());
  const log = new ArchivedLog(temporaryDirectory(), target, [{ maxEvents: 5 }]);
  await log.archiver.start();
  const more = () => log.publishAll(Array(20).fill('a'), (sequence) => sequence);
  more();
  await log.settle();
  const { made, release } = target.holdNext();
  const first = log.read();
  await made;
  more();
  await log.settle();
  const second = log.read({ after: 20 });
  // It waits for a list too.
  await turn();
  release();
  const numbers = async (read: typeof first) => (await read).events.map((one) => one.sequence);
  const all = Array.from({ length: 40 }, (_, n) => n + 1);
  expect(await numbers(second)).toEqual(all.slice(20));
  expect((await second).lost).toEqual([]);
  // The log ended there when it was asked first.
  expect(await numbers(first)).toEqual(expect.arrayContaining(all.slice(0, 20)));
  expect((await first).lost).toEqual([]);
  log.close();
});
