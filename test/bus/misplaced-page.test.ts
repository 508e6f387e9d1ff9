import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTestBus, temporaryDirectory } from './support/open.js';

const PAGE_BYTES = 16 * 1024;
const LEAF_OF_TABLE = 0x0d;

it('a page of a log that holds an older one’s content is told of, not delivered again', async () => {
  const dir = temporaryDirectory();
  const bus = await openTestBus({ dir, shards: 1, systemEvents: false });
  const payload = 'x'.repeat(400);
  await bus.publishMany(
    Array.from({ length: 2000 }, () => ({ topic: 't', type: 'state_updated', payload })),
  );
  await bus.close();
  const file = join(dir, 'shard-000.db');
  const bytes = readFileSync(file);
  const leaves = [];
  for (let at = PAGE_BYTES; at < bytes.length; at += PAGE_BYTES) {
    if (bytes[at] === LEAF_OF_TABLE) leaves.push(at);
  }
  bytes.copyWithin(leaves[14]!, leaves[10]!, leaves[10]! + PAGE_BYTES);
  writeFileSync(file, bytes);
  const again = await openTestBus({ dir, systemEvents: false });
  const reading = async (): Promise<void> => {
    let found = 0;
    for await (const _ of again.read({ topic: '*' })) {
      if (++found > 2000) throw new Error('the same events again and again');
    }
  };
  await expect(reading()).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});
