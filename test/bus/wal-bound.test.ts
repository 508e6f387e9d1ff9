import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MIB } from '../../src/protocol/limits.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

/** What docs/OPERATIONS.md says of it. */
const WAL_BYTES_MAX = 24 * MIB;
const BATCH_EVENTS = 1000;
const PAYLOAD = 'x'.repeat(1000);

test('the write-ahead log stays small while readers are always at work', async () => {
  const dir = temporaryDirectory();
  const bus = await openTestBus({ dir, shards: 1, systemEvents: false });
  const publish = () =>
    bus.publishMany(
      Array.from({ length: BATCH_EVENTS }, (_, n) => ({
        topic: `a.${n % 50}`,
        type: 't',
        payload: PAYLOAD,
      })),
    );
  for (let n = 0; n < 10; n++) await publish();
  let isRunning = true;
  const read = async (): Promise<void> => {
    while (isRunning) {
      for await (const event of bus.read({ topic: '*', types: ['never'] })) expect(event).toBe(1);
    }
  };
  const readers = Array.from({ length: 4 }, read);
  // Twice as much as fits into it, and more.
  for (let written = 0; written < 2.5 * WAL_BYTES_MAX; written += BATCH_EVENTS * PAYLOAD.length) {
    await publish();
    expect(statSync(join(dir, 'shard-000.db-wal')).size).toBeLessThan(WAL_BYTES_MAX);
  }
  isRunning = false;
  await Promise.all(readers);
});
