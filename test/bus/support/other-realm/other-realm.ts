import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterAll, expect, test } from 'vitest';
import type { Bus, BusOptions } from '../../../../src/main/bus.js';

/** Runs in a `vm` context, where an error of the platform is no `instanceof Error`. */
const { openBus } = (await import('../../../../dist/index.js' as string)) as {
  openBus(options: BusOptions): Promise<Bus>;
};

const root = mkdtempSync(join(tmpdir(), 'millrace-realm-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('the realm is another one', () => {
  expect(() => mkdtempSync('/nowhere/at/all')).toThrow();
  try {
    mkdtempSync('/nowhere/at/all');
  } catch (error) {
    expect(error instanceof Error).toBe(false);
  }
});

test('a bus opens a new directory, keeps a second one out, and opens it again', async () => {
  const dir = join(root, 'new');
  const bus = await openBus({ dir, shards: 1 });
  await bus.publish({ topic: 'a', type: 't', payload: 1 });
  await expect(openBus({ dir, shards: 1 })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  await bus.close();
  const again = await openBus({ dir });
  expect(await again.query({ topic: 'a' })).toMatchObject([{ payload: 1 }]);
  await again.backup(join(root, 'backup'));
  await again.close();
});

test('records that are too long for a ring come through, both ways', async () => {
  const bus = await openBus({ dir: join(root, 'long'), shards: 1, ringBytes: 4096 });
  const seen: string[] = [];
  const subscription = bus.subscribe<string>('a', ({ payload }) => void seen.push(payload));
  await subscription.ready;
  await bus.publish({ topic: 'a', type: 't', payload: 'x'.repeat(20_000) });
  await bus.drain();
  expect(seen.map(({ length }) => length)).toEqual([20_000]);
  await bus.close();
});

test('times and signals of another realm are taken', async () => {
  const bus = await openBus({ dir: ':memory:', shards: 1 });
  const timestamp = runInNewContext('new Date(0)') as Date;
  await bus.publish(
    { topic: 'a', type: 't', payload: 1, timestamp },
    { signal: new AbortController().signal },
  );
  expect(await bus.query({ topic: 'a' })).toMatchObject([
    { timestamp: '1970-01-01T00:00:00.000Z' },
  ]);
  await bus.close();
});

test('a gateway serves and closes', async () => {
  const bus = await openBus({ dir: join(root, 'served'), shards: 1 });
  const gateway = await bus.serve({ port: 0 });
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
  await bus.close();
});
