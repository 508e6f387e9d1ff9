import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { expectBusError, refused } from './support/failures.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

const input = (n: number) => ({ topic: 'a', type: 't', payload: n });

async function openWithEvents(): Promise<{ bus: Bus; dir: string }> {
  const dir = join(temporaryDirectory(), 'data');
  const bus = await openTestBus({ dir, shards: 1, systemEvents: false });
  await bus.publishMany([input(1), input(2), input(3)]);
  return { bus, dir };
}

const hasFailed = async (bus: Bus): Promise<boolean> =>
  (await bus.stats()).shards[0]!.state === 'failed';

/** Publishes one by one until that is refused; the refusal. */
async function refusalOf(bus: Bus): Promise<unknown> {
  let refusal: unknown;
  await until('a refusal', async () => {
    refusal = await bus.publish(input(4)).then(
      () => undefined,
      (error: unknown) => error,
    );
    return refusal !== undefined;
  });
  return refusal;
}

describe('a data directory under an open bus', () => {
  test('that is removed ends the shards, and publishes fail', async () => {
    const { bus, dir } = await openWithEvents();
    rmSync(dir, { recursive: true });
    await until('the shard to notice', () => hasFailed(bus));
    await refused(() => bus.publish(input(4)), 'STORE_FAILED');
    expect(existsSync(join(dir, 'shard-000.db'))).toBe(false);
  });

  test('that is removed between publishes ends their acks', async () => {
    const { bus, dir } = await openWithEvents();
    rmSync(dir, { recursive: true });
    const refusal = await refusalOf(bus);
    expectBusError(refusal, ['STORE_FAILED', 'PUBLISH_UNKNOWN']);
    await refused(() => bus.publish(input(5)), 'STORE_FAILED');
  });

  test('that is replaced by another gets none of the events', async () => {
    const { bus, dir } = await openWithEvents();
    const moved = `${dir}-moved`;
    renameSync(dir, moved);
    mkdirSync(dir);
    await until('the shard to notice', () => hasFailed(bus));
    await refused(() => bus.publish(input(4)), 'STORE_FAILED');
    await closeTestBus(bus);
    const there = await openTestBus({ dir: moved });
    expect(await there.query({ topic: 'a' })).toHaveLength(3);
  });

  test('with a replaced log is not written to as if it were the same', async () => {
    const { bus, dir } = await openWithEvents();
    const { bus: other, dir: another } = await openWithEvents();
    await closeTestBus(other);
    for (const name of readdirSync(dir)) {
      if (name.startsWith('shard-')) rmSync(join(dir, name));
    }
    renameSync(join(another, 'shard-000.db'), join(dir, 'shard-000.db'));
    const refusal = await refusalOf(bus);
    expectBusError(refusal, ['STORE_FAILED', 'PUBLISH_UNKNOWN']);
  });
});
