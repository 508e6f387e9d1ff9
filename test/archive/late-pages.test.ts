import { afterEach, expect, test, vi } from 'vitest';
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
