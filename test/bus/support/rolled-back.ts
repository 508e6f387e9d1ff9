import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bus } from '../../../src/main/bus.js';
import { openTestBus, temporaryDirectory } from './open.js';

/**
 * A log of one shard that was put back from an older copy, a cursor from beyond the end of that copy, and the epoch
 * before.
 */
export async function rolledBack(): Promise<{ bus: Bus; further: string; epoch: string }> {
  const dir = temporaryDirectory();
  const copy = temporaryDirectory();
  let bus = await openTestBus({ dir, shards: 1 });
  await publish(bus, 'old', 10);
  await bus.close();
  cpSync(dir, copy, { recursive: true });
  bus = await openTestBus({ dir });
  await publish(bus, 'lost', 10);
  const further = (await bus.query({ topic: 'log' })).at(-1)!.cursor!;
  const { epoch } = bus;
  await bus.close();
  for (const suffix of ['-wal', '-shm']) rmSync(`${dir}/shard-000.db${suffix}`, { force: true });
  cpSync(join(copy, 'shard-000.db'), join(dir, 'shard-000.db'));
  bus = await openTestBus({ dir });
  return { bus, further, epoch };
}

/** That many events, with payloads that identify their publisher and number. */
export async function publish(bus: Bus, mark: string, count: number): Promise<void> {
  await bus.publishMany(
    Array.from({ length: count }, (_, n) => ({
      topic: 'log',
      type: 'chat_message',
      payload: `${mark} ${n}`,
    })),
  );
}
