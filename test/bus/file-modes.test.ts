import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTestBus, temporaryDirectory } from './support/open.js';

/** As built: they load the addon that the bus has loaded. */
const { restore }: typeof import('../../src/store/upkeep/restore.js') = await import(
  /* @vite-ignore */ new URL('../../dist/store/upkeep/restore.js', import.meta.url).href
);
const { reshard }: typeof import('../../src/store/upkeep/reshard.js') = await import(
  /* @vite-ignore */ new URL('../../dist/store/upkeep/reshard.js', import.meta.url).href
);

const modes = (dir: string) =>
  Object.fromEntries(
    readdirSync(dir).map((name) => [name, (statSync(join(dir, name)).mode & 0o777).toString(8)]),
  );
const openToOthers = (dir: string) =>
  Object.entries(modes(dir)).filter(([, mode]) => mode !== '600');

/** A directory that existed before, accessible to all users. */
function shared(base: string, name: string): string {
  const dir = join(base, name);
  mkdirSync(dir);
  chmodSync(dir, 0o777);
  return dir;
}

describe('the files of a directory', () => {
  it.each([0o000, 0o022, 0o277])(
    'are accessible to their owner only, under the umask %o',
    async (umask) => {
      const base = temporaryDirectory();
      const dir = shared(base, 'data');
      const copy = shared(base, 'copy');
      const restored = shared(base, 'restored');
      const more = shared(base, 'more');
      const before = process.umask(umask);
      try {
        const bus = await openTestBus({ dir, shards: 2 });
        for (let n = 0; n < 20; n++) {
          await bus.publish({ topic: `t.${n}`, type: 'state_updated', payload: n });
        }
        expect(readdirSync(dir)).toEqual(expect.arrayContaining(['lock.db', 'shard-000.db-wal']));
        expect(openToOthers(dir)).toEqual([]);
        await bus.backup(copy);
        expect(openToOthers(copy)).toEqual([]);
        await bus.close();
        expect(openToOthers(dir)).toEqual([]);
        restore(copy, restored);
        expect(openToOthers(restored)).toEqual([]);
        reshard({ from: dir, to: more, shards: 3 });
        expect(openToOthers(more)).toEqual([]);
      } finally {
        process.umask(before);
      }
    },
  );

  it('become inaccessible to other users when the bus is opened again', async () => {
    const dir = shared(temporaryDirectory(), 'data');
    await (await openTestBus({ dir, shards: 1 })).close();
    for (const name of readdirSync(dir)) chmodSync(join(dir, name), 0o644);
    const bus = await openTestBus({ dir });
    await bus.publish({ topic: 't', type: 'state_updated', payload: 1 });
    expect(openToOthers(dir)).toEqual([]);
  });

  it('are in a directory accessible to its owner only, however deep it is created', async () => {
    const base = temporaryDirectory();
    const before = process.umask(0o277);
    try {
      await openTestBus({ dir: join(base, 'a/b/c'), shards: 1 });
    } finally {
      process.umask(before);
    }
    for (const dir of ['a', 'a/b', 'a/b/c']) {
      expect((statSync(join(base, dir)).mode & 0o777).toString(8)).toBe('700');
    }
  });
});
