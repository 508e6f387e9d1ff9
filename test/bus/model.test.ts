import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { playProperty } from '../../fuzz/bus/play.js';
import { stores } from '../../fuzz/bus/stores.js';
import { natsServerPath } from '../stores/nats/support/server.js';
import { hasRedis } from '../stores/redis/redis-server.js';
import { holds, propertyTimeoutMs } from './support/properties.js';

/**
 * Whole buses on every store against plain arrays (`fuzz/bus/model.js`), and the fuzzer that plays the same for as long as
 * one likes.
 */
const fuzzer = fileURLToPath(new URL('../../fuzz/bus/run.js', import.meta.url));

function fuzz(...args: string[]): { status: number | null; output: string } {
  const run = spawnSync(process.execPath, [fuzzer, ...args], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

const games = [
  { name: 'sqlite', isThere: true, runs: 8 },
  { name: 'memory', isThere: true, runs: 2 },
  { name: 'nats', isThere: natsServerPath !== undefined, runs: 2 },
  { name: 'redis', isThere: hasRedis, runs: 2 },
] as const;

describe.each(games)('buses on $name', ({ name, isThere, runs }) => {
  test.runIf(isThere)(
    'property: do the same as plain arrays',
    async () => {
      const store = await stores[name]();
      onTestFinished(async () => {
        await store.dispose();
      });
      await holds(playProperty(store), runs);
    },
    propertyTimeoutMs(runs),
  );
});

describe('the fuzzer', () => {
  test('prints its seed, and passes', () => {
    const { status, output } = fuzz('--games', '2', '--seed', '7');
    expect(output).toContain('seed 7');
    expect(output).toContain('2 games agreed');
    expect(status).toBe(0);
  }, 120_000);

  test.each(['drop', 'repeat', 'alter', 'swap'])(
    'fails when a bug is planted: %s an event',
    (canary) => {
      const { status, output } = fuzz(`--canary=${canary}`, '--games', '20', '--seed', '11');
      expect(output).toContain('--seed');
      expect(status, output).toBe(1);
    },
    120_000,
  );

  test('refuses unknown options', () => {
    expect(fuzz('--canary=parrot').status).toBe(2);
    expect(fuzz('--store', 'paper').status).toBe(2);
    expect(fuzz('--sekunden', '3').status).toBe(2);
  });
});
