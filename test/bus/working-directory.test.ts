import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/index.js';
import { controls, openBus } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

const event = (payload: string) => ({ topic: 'a', type: 'state_updated', payload });

async function payloads(bus: Bus): Promise<unknown[]> {
  const found = [];
  for await (const { payload } of bus.read({ topic: 'a' })) found.push(payload);
  return found;
}

describe('a bus in a relative directory', () => {
  const before = process.cwd();
  let mine: string;
  let other: string;

  beforeEach(async () => {
    const base = temporaryDirectory();
    mine = join(base, 'mine');
    other = join(base, 'other');
    for (const dir of [mine, other]) mkdirSync(dir);
    process.chdir(other);
    const bus = await openBus({ shards: 1 });
    await bus.publish(event('of another'));
    await bus.close();
    process.chdir(mine);
  });

  afterEach(() => process.chdir(before));

  it('reads and backs up its own events after the process has changed its directory', async () => {
    const bus = await openTestBus({ dir: './data', shards: 1 });
    await bus.publish(event('mine'));
    process.chdir(other);
    expect(await payloads(bus)).toEqual(['mine']);
    expect(await bus.query({ topic: 'a' })).toMatchObject([{ payload: 'mine' }]);
    const copy = join(mine, 'copy');
    await bus.backup(copy);
    await bus.close();
    const restored = await openTestBus({ dir: copy });
    expect(await payloads(restored)).toEqual(['mine']);
  });

  it('writes to its own log if a shard restarts after the process has changed its directory', async () => {
    const bus = await openTestBus({ dir: 'data', shards: 1 });
    await bus.publish(event('first'));
    process.chdir(other);
    await controls(bus).killShard(0);
    await bus.publish(event('second'));
    expect(await payloads(bus)).toEqual(['first', 'second']);
    await bus.close();
    const theirs = await openTestBus({ dir: join(other, 'data') });
    expect(await payloads(theirs)).toEqual(['of another']);
  });

  it('backs up relative to the working directory at the time of the call', async () => {
    const bus = await openTestBus({ dir: 'data', shards: 1 });
    await bus.publish(event('mine'));
    const copied = bus.backup('copy');
    process.chdir(other);
    expect((await copied).dir).toBe(join(mine, 'copy'));
    expect(readdirSync(join(mine, 'copy'))).toContain('manifest.json');
  });
});

describe('a directory', () => {
  it.each([' leading', 'trailing ', ' :memory:', 'file:data?mode=memory', '%20 #?', 'größe 雪'])(
    'may be called "%s"',
    async (name) => {
      const base = temporaryDirectory();
      const before = process.cwd();
      process.chdir(base);
      try {
        const bus = await openTestBus({ dir: name, shards: 1 });
        await bus.publish(event('kept'));
        expect(await payloads(bus)).toEqual(['kept']);
        await bus.close();
        expect(readdirSync(base)).toEqual([name]);
        expect(readdirSync(join(base, name))).toContain('shard-000.db');
      } finally {
        process.chdir(before);
      }
    },
  );

  it('is refused with a NUL in its name', async () => {
    await expect(openBus({ dir: 'a\0b' })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});
