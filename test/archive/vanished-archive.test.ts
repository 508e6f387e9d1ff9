import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { closeTestBus, errorsTold, openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { FlakyS3 } from './flaky-s3.js';
import { inLog, numbersOf, pruned, publish, SMALL, upTo } from './numbered-events.js';

/** An archive that is not where it was, as where its disk is not mounted: nobody takes its empty place for it. */

const open = (dir: string, archive: object): Promise<Bus> =>
  openTestBus({
    dir,
    shards: 1,
    archive: { ...archive, ...SMALL } as never,
    retention: [{ maxEvents: 50 }],
  });

const isAway = {
  code: 'ARCHIVE_FAILED',
  message: expect.stringContaining('is not there any more'),
};

describe('an archive that is not there any more', () => {
  test('is missed by the next bus, which keeps its log and writes nothing in the empty place', async () => {
    const [dir, archive] = [temporaryDirectory(), join(temporaryDirectory(), 'archive')];
    const first = await open(dir, { dir: archive });
    await publish(first, 0, 500);
    await pruned(first);
    await closeTestBus(first);
    renameSync(archive, `${archive}.disk`);
    mkdirSync(archive);
    const bus = await open(dir, { dir: archive });
    await publish(bus, 500, 300);
    await until('it is told', () => errorsTold(bus).length > 0);
    expect(errorsTold(bus)).toMatchObject([isAway]);
    expect(await inLog(bus)).toBeGreaterThanOrEqual(300);
    await expect(numbersOf(bus)).rejects.toMatchObject({ code: 'ARCHIVE_FAILED' });
    expect(readdirSync(archive)).toEqual([]);
    rmSync(archive, { recursive: true });
    renameSync(`${archive}.disk`, archive);
    await pruned(bus);
    expect(await numbersOf(bus)).toEqual(upTo(800));
  });

  test('is missed by a bus at work, whose readers get an error and no gap', async () => {
    const archive = join(temporaryDirectory(), 'archive');
    const bus = await open(temporaryDirectory(), { dir: archive });
    await publish(bus, 0, 500);
    await pruned(bus);
    renameSync(archive, `${archive}.disk`);
    await expect(numbersOf(bus)).rejects.toMatchObject(isAway);
    await publish(bus, 500, 300);
    await until('it is told', () => errorsTold(bus).length > 0);
    expect(errorsTold(bus)).toMatchObject([isAway]);
    expect(existsSync(archive)).toBe(false);
    renameSync(`${archive}.disk`, archive);
    await pruned(bus);
    expect(await numbersOf(bus)).toEqual(upTo(800));
  });

  test('is told by its bucket too', async () => {
    const flaky = await FlakyS3.start();
    const dir = temporaryDirectory();
    const first = await open(dir, { s3: { ...flaky.s3, prefix: 'one' } });
    await publish(first, 0, 300);
    await pruned(first);
    await closeTestBus(first);
    // As after a policy of the bucket that removes old objects.
    flaky.fault = ({ url = '', method }) =>
      method === 'GET' && url.includes('archive.json')
        ? { status: 404, code: 'NoSuchKey' }
        : undefined;
    const bus = await open(dir, { s3: { ...flaky.s3, prefix: 'one' } });
    await until('it is told', () => errorsTold(bus).length > 0);
    expect(errorsTold(bus)).toMatchObject([isAway]);
  });

  test('may be left for a new one in another place', async () => {
    const dir = temporaryDirectory();
    const first = await open(dir, { dir: temporaryDirectory() });
    await publish(first, 0, 300);
    await pruned(first);
    await closeTestBus(first);
    const second = await open(dir, { dir: temporaryDirectory() });
    await publish(second, 300, 300);
    await pruned(second);
    const numbers = await numbersOf(second);
    expect(numbers).toEqual(upTo(600).slice(600 - numbers.length));
    expect(errorsTold(second)).toEqual([]);
  });
});
