import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { withTrailLock } from '../../../src/sinks/audit/trail-lock.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { Gate, within } from '../../bus/support/wait.js';

/** Called before a file is removed, and before one is made. */
const hooks = vi.hoisted(() => ({
  removing: async (_: string): Promise<void> => {},
  making: (_: string): void => {},
}));

vi.mock('node:fs/promises', async (load) => {
  const real = await load<typeof import('node:fs/promises')>();
  const rm = async (path: string, options: object): Promise<void> => {
    await hooks.removing(path);
    await real.rm(path, options);
  };
  const open = (path: string, ...rest: [string, number]): ReturnType<typeof real.open> => {
    hooks.making(path);
    return real.open(path, ...rest);
  };
  return { ...real, rm, open };
});

it('a stale lock is removed by one waiter, and never the lock of whoever came next', async () => {
  const dir = temporaryDirectory();
  const path = join(dir, 'audit.lock');
  writeFileSync(path, 'of one that died');
  const [isAbout, otherIsThere] = [new Gate(), new Gate()];
  let removals = 0;
  let marks = 0;
  hooks.removing = async (removed) => {
    if (removed !== path || ++removals > 1) return;
    // The first has found the lock stale, and stands still before it removes it.
    isAbout.open();
    await otherIsThere.opened;
  };
  hooks.making = (made) => {
    if (made === `${path}.stale` && ++marks === 2) otherIsThere.open();
  };
  let holders = 0;
  const hold = (): Promise<void> =>
    withTrailLock(
      dir,
      async (isHeld) => {
        expect(++holders).toBe(1);
        otherIsThere.open();
        // Two turns of a waiter: time enough for the other to remove this lock, if it would.
        for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done));
        expect(await isHeld()).toBe(true);
        holders--;
      },
      100,
    );
  const first = hold();
  await within('the first finds it stale', isAbout.opened);
  const second = hold();
  await within('both', Promise.all([first, second]));
});
