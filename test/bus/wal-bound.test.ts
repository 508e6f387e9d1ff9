import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MIB } from '../../src/protocol/limits/units.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

/** The bound that docs/OPERATIONS.md names. */
const WAL_BYTES_MAX = 24 * MIB;
/** Twice as much as fits into it, and more. */
const WRITTEN_TO_WAL = 2.5;
const WRITTEN_BYTES_MIN = WRITTEN_TO_WAL * WAL_BYTES_MAX;
/** A machine that keeps readers from going on lets the WAL grow for a while; it still starts anew. */
const WRITTEN_BYTES_MAX = 10 * WAL_BYTES_MAX;
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
  // The file keeps the size that the WAL once had.
  const walBytes = (): number => statSync(join(dir, 'shard-000.db-wal')).size;
  let written = 0;
  const isBounded = (): boolean =>
    written >= WRITTEN_BYTES_MIN && walBytes() <= written / WRITTEN_TO_WAL;
  while (!isBounded() && written < WRITTEN_BYTES_MAX) {
    await publish();
    written += BATCH_EVENTS * PAYLOAD.length;
  }
  isRunning = false;
  await Promise.all(readers);
  expect(walBytes()).toBeLessThanOrEqual(written / WRITTEN_TO_WAL);
});
