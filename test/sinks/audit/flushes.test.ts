import type * as files from 'node:fs/promises';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { verifyTrail } from '../../../src/sinks/audit/verify.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { entryOf, eventOf, eventsIn, pathsOf, trailOf, writeTrail } from './support/trails.js';

/** What counts as flushed: an event that is acknowledged because it stands in the trail has to survive a loss of power. */

const { truncateFails } = vi.hoisted(() => ({ truncateFails: { times: 0 } }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof files>();
  return {
    ...real,
    truncate: async (...args: Parameters<typeof real.truncate>) => {
      if (truncateFails.times > 0) {
        truncateFails.times--;
        throw Object.assign(new Error('EIO: truncate'), { code: 'EIO' });
      }
      return real.truncate(...args);
    },
  };
});

/** The prototype of file handles, whose calls the tests let fail. */
let handles: FileHandle;
beforeEach(async () => {
  const handle = await open(temporaryDirectory(), 'r');
  handles = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
});
afterEach(() => void vi.restoreAllMocks());

const failing = (): Promise<never> =>
  Promise.reject(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }));
const entries = (...sequences: number[]) => sequences.map((one) => entryOf(eventOf(one)));
const sequencesIn = async (dir: string) => (await eventsIn(dir)).map(({ sequence }) => sequence);

describe('a trail', () => {
  it('is flushed when it is opened, as lines may stand there that a killed process did not flush', async () => {
    const dir = temporaryDirectory();
    await writeTrail(dir, 2);
    const flush = vi.spyOn(handles, 'datasync');
    const trail = trailOf(dir);
    expect(await trail.append(entries(1, 2))).toBe(0);
    expect(flush).toHaveBeenCalledTimes(1);
    await trail.close();
  });

  it.each([0, 1, 3])(
    'writes its lines anew after a flush that failed, where they could be cut off after %i tries',
    async (tries) => {
      const dir = temporaryDirectory();
      const trail = trailOf(dir);
      await trail.append(entries(1));
      vi.spyOn(handles, 'datasync').mockImplementationOnce(failing);
      truncateFails.times = tries;
      await expect(trail.append(entries(2, 3))).rejects.toMatchObject({ code: 'EIO' });
      for (let at = 1; at < tries; at++) {
        await expect(trail.append(entries(2, 3))).rejects.toMatchObject({ code: 'EIO' });
      }
      expect(await trail.append(entries(2, 3))).toBe(2);
      await trail.close();
      expect(await sequencesIn(dir)).toEqual([1, 2, 3]);
      expect((await verifyTrail(await pathsOf(dir))).fault).toBeUndefined();
    },
  );

  it('begins a file anew whose first line could not be flushed', async () => {
    const dir = temporaryDirectory();
    const trail = trailOf(dir, { rotateBytes: 1024 });
    await trail.append(entries(1, 2, 3, 4, 5));
    const begun = vi.spyOn(handles, 'datasync').mockImplementationOnce(failing);
    await expect(trail.append(entries(6))).rejects.toMatchObject({ code: 'EIO' });
    begun.mockClear();
    expect(await trail.append(entries(6))).toBe(1);
    // The file before is read and flushed again, then the first line and the event.
    expect(begun).toHaveBeenCalledTimes(3);
    await trail.close();
    expect(await sequencesIn(dir)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await verifyTrail(await pathsOf(dir))).fault).toBeUndefined();
    expect(await pathsOf(dir)).toEqual([
      join(dir, 'audit-000001.ndjson'),
      join(dir, 'audit-000002.ndjson'),
    ]);
  });
});
