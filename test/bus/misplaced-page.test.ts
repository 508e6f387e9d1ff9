import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openTestBus, temporaryDirectory } from './support/open.js';

const PAGE_BYTES = 16 * 1024;
const LEAF_OF_TABLE = 0x0d;
/** More than are looked at when a log is opened. */
const EVENTS = 20_000;

const corrupt = expect.objectContaining({ code: 'STORE_CORRUPT' });

async function makeLog(dir: string, events: number, payload: unknown): Promise<void> {
  const bus = await openTestBus({ dir, shards: 1, systemEvents: false });
  for (let left = events; left > 0; left -= 2000) {
    await bus.publishMany(
      Array.from({ length: 2000 }, (_, n) => ({
        topic: n % 2 === 0 ? 't' : 'u',
        type: 'state_updated',
        payload,
      })),
    );
  }
  await bus.close();
}

/** One page of the table of events over another, counted from the oldest. */
function copyPage(dir: string, from: number, to: number): void {
  const file = join(dir, 'shard-000.db');
  const bytes = readFileSync(file);
  const leaves = [];
  for (let at = PAGE_BYTES; at < bytes.length; at += PAGE_BYTES) {
    if (bytes[at] === LEAF_OF_TABLE) leaves.push(at);
  }
  bytes.copyWithin(leaves[to]!, leaves[from]!, leaves[from]! + PAGE_BYTES);
  writeFileSync(file, bytes);
}

it('a page of the newest events that holds older ones is reported when the bus is opened', async () => {
  const dir = temporaryDirectory();
  await makeLog(dir, 2000, 'x'.repeat(400));
  copyPage(dir, 10, 14);
  await expect(openTestBus({ dir, systemEvents: false })).rejects.toEqual(corrupt);
});

describe('a page of history that holds another one’s events', () => {
  const made = temporaryDirectory();

  beforeAll(async () => {
    await makeLog(made, EVENTS, 'x'.repeat(20));
  }, 60_000);

  it.each([
    ['older', 10, 14],
    ['later', 14, 10],
  ])('is reported to every reader, if the events are %s', async (_, from, to) => {
    const dir = temporaryDirectory();
    cpSync(made, dir, { recursive: true });
    copyPage(dir, from, to);
    const bus = await openTestBus({ dir, systemEvents: false });
    const count = async (query: { topic: string; reverse?: boolean }): Promise<number> => {
      let found = 0;
      for await (const _ of bus.read(query)) {
        if (++found > EVENTS) throw new Error('the same events again and again');
      }
      return found;
    };
    for (const topic of ['*', 't']) {
      await expect(count({ topic })).rejects.toEqual(corrupt);
      await expect(count({ topic, reverse: true })).rejects.toEqual(corrupt);
    }
    const subscription = bus.subscribe('*', () => {}, { from: 'earliest' });
    await expect(subscription.closed).rejects.toEqual(corrupt);
  });
});
