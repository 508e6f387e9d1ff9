import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../src/protocol/limits/units.js';
import { verifyDirectory } from '../../src/store/upkeep/verify.js';
import { neededCommand } from '../support/needed-command.js';
import { gather } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

const gcc = process.platform === 'linux' ? neededCommand('gcc', 'test/bus: quotas') : undefined;
const publisher = fileURLToPath(new URL('./support/out-of-quota.js', import.meta.url));
const source = fileURLToPath(new URL('../support/quota.c', import.meta.url));

describe.runIf(gcc !== undefined)('a quota that is used up', () => {
  test('acts like a full disk: STORE_FULL, removals make room, and the bus goes on by itself', async () => {
    const root = temporaryDirectory();
    const library = join(root, 'quota.so');
    const args = ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl', '-lpthread'];
    expect(spawnSync(gcc!, args, { encoding: 'utf8' }).stderr).toBe('');
    const dir = join(root, 'data');
    const { stdout, stderr, status } = spawnSync(process.execPath, [publisher, dir], {
      encoding: 'utf8',
      timeout: 50_000,
      env: {
        ...process.env,
        LD_PRELOAD: library,
        QUOTA_ROOT: dir,
        QUOTA_BYTES: String(12 * MIB),
      },
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const [filled, removed, again, shard] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(filled).toEqual({ stored: expect.any(Number), STORE_FULL: 5 });
    expect(removed.pruned).toBe(filled.stored);
    expect(again).toEqual({ stored: 20 });
    expect(shard).toEqual({ restarts: 0, state: 'running' });
    expect(readdirSync(dir).filter((name) => name.endsWith('.probe'))).toEqual([]);
    expect([...verifyDirectory(dir)]).toEqual([]);
    const bus = await openTestBus({ dir });
    expect(await gather(bus.read({ topic: 'a' }))).toHaveLength(20);
  });
});
