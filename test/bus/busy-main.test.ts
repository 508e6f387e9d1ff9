import { expect, test } from 'vitest';
import { encodeCursor } from '../../src/protocol/cursor.js';
import { SHARD_CATCH_UP_EVENTS_MAX } from '../../src/protocol/limits/shards.js';
import { openTestBus } from './support/open.js';
import { expectSameHistory } from './support/oracle.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';

const SHARDS = 2;
/** So many that no shard takes over before pages of history were read. */
const EVENTS = 2 * SHARDS * SHARD_CATCH_UP_EVENTS_MAX;
const STANDSTILL_MAX_MS = 30_000;

test.each(['its beginning', 'a cursor'])(
  'a worker gets history from %s on while the thread that opened the bus stands still',
  async (where) => {
    const bus = await openTestBus({ shards: SHARDS });
    const inputs = Array.from({ length: EVENTS }, (_, n) => ({
      topic: `t.${n % 7}`,
      type: 'counted',
      payload: n,
    }));
    const acks = await bus.publishMany(inputs, { durability: 'written' });
    const worker = await RemoteEndpoint.attach(bus);
    const isWhole = where === 'its beginning';
    const skipped = isWhole ? [] : acks.slice(0, 100);
    const positions = Array.from({ length: SHARDS }, (_, shard) =>
      Math.max(0, ...skipped.filter((ack) => ack.shard === shard).map(({ sequence }) => sequence!)),
    );
    const after = encodeCursor({ epoch: bus.epoch, positions });
    const expected = acks.filter(({ shard, sequence }) => sequence! > positions[shard!]!);
    const word = new Int32Array(new SharedArrayBuffer(4));
    const replay = worker.replay('*', isWhole ? 'earliest' : { after }, expected.length, word);
    // From here to the wait's end no event loop turns in this thread.
    expect(Atomics.wait(word, 0, 0, STANDSTILL_MAX_MS)).toBe('ok');
    const { subscribed, read } = await replay;
    expectSameHistory(subscribed, expected, 'subscribed');
    expectSameHistory(read, expected, 'read');
    await worker.terminate();
  },
);
