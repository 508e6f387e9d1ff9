import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withTrailLock } from '../../../src/sinks/audit/trail-lock.js';
import { verifyTrail } from '../../../src/sinks/audit/verify.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { Gate, watch, within } from '../../bus/support/wait.js';
import { entryOf, eventOf, pathsOf, trailOf } from './support/trails.js';

const lockIn = (dir: string): string => join(dir, 'audit.lock');
const STALE_MS = 300;

describe('the lock of a trail', () => {
  it.each([
    ['an old', -3_600_000],
    ['a new', 0],
    ['a future', 3_600_000],
  ])('of a writer that died is taken over, where its file has %s time', async (_, offset) => {
    const dir = temporaryDirectory();
    writeFileSync(lockIn(dir), 'of another');
    const time = new Date(Date.now() + offset);
    utimesSync(lockIn(dir), time, time);
    expect(
      await within(
        'the lock',
        withTrailLock(dir, async () => 7, STALE_MS),
      ),
    ).toBe(7);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is kept by a writer at work, however long and whatever the clock of its file says', async () => {
    const dir = temporaryDirectory();
    const [gate, isTaken] = [new Gate(), new Gate()];
    let isDone = false;
    const first = withTrailLock(
      dir,
      async (isHeld) => {
        // The clock of the file system is far behind.
        const old = new Date(0);
        utimesSync(lockIn(dir), old, old);
        isTaken.open();
        await gate.opened;
        expect(await isHeld()).toBe(true);
        isDone = true;
      },
      STALE_MS,
    );
    await isTaken.opened;
    const second = withTrailLock(dir, async () => isDone, STALE_MS);
    const waiting = watch(second);
    await new Promise((resolve) => setTimeout(resolve, 3 * STALE_MS));
    expect(waiting.settled).toBe(false);
    gate.open();
    await first;
    expect(await within('the second', second)).toBe(true);
  });

  it("is one writer's at a time, where many find it stale", async () => {
    const dir = temporaryDirectory();
    for (let round = 0; round < 5; round++) {
      writeFileSync(lockIn(dir), 'of one that died');
      // So has one that was about to remove the lock of another.
      if (round % 2 === 1) writeFileSync(`${lockIn(dir)}.stale`, '');
      let holders = 0;
      const all = Array.from({ length: 12 }, () =>
        withTrailLock(
          dir,
          async (isHeld) => {
            expect(++holders).toBe(1);
            await new Promise((resolve) => setTimeout(resolve, 5));
            expect(await isHeld()).toBe(true);
            holders--;
          },
          200,
        ),
      );
      await within('all', Promise.all(all));
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it('that was lost stays with its new holder, and lets nothing be written', async () => {
    const dir = temporaryDirectory();
    await withTrailLock(dir, async (isHeld) => {
      writeFileSync(lockIn(dir), 'of the one that took over');
      expect(await isHeld()).toBe(false);
    });
    expect(existsSync(lockIn(dir))).toBe(true);
  });
});

describe('a trail', () => {
  it('is not written to by a process that has stood still while another took over', async () => {
    const dir = temporaryDirectory();
    const trail = trailOf(dir);
    await trail.append([entryOf(eventOf(1))]);
    // The batch reads its events while the lock changes hands.
    const entry = entryOf(eventOf(2));
    const thief = {
      event: entry.event,
      get text() {
        writeFileSync(lockIn(dir), 'of the one that took over');
        return entry.text;
      },
    };
    await expect(trail.append([thief])).rejects.toThrow(/taken over the trail/);
    const [path] = await pathsOf(dir);
    expect((await verifyTrail([path!])).events).toBe(1);
    await trail.close();
  });
});
