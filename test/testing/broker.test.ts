import { BroadcastChannel } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEDUPE_IDS_MAX, DEDUPE_WINDOW_MS } from '../../src/protocol/limits/store.js';
import type { OpenStore } from '../../src/store/log-store.js';
import type { ShardLog, ShardLogModule } from '../../src/store/shard-log.js';
import type { BrokerAddress } from '../../src/testing/broker/messages.js';
import { until, watch } from '../bus/support/wait.js';
import { record } from '../store/records.js';
import { memoryBroker } from './subjects.js';

async function openBroker() {
  const broker = memoryBroker();
  onTestFinished(() => broker.close());
  const opened = await broker.connect().open({ shards: undefined, defaultShards: 1 });
  return { opened, address: opened.shardOptions(0) as BrokerAddress };
}

async function openLog(opened: OpenStore, headLeast = 0): Promise<ShardLog> {
  const { openShardLog } = (await import(/* @vite-ignore */ opened.shardLog)) as ShardLogModule;
  const log = await openShardLog({
    shard: 0,
    options: opened.shardOptions(0),
    settings: { dedupeWindowMs: DEDUPE_WINDOW_MS, dedupeIdsMax: DEDUPE_IDS_MAX, retention: [] },
    isFirst: headLeast === 0,
    predecessor: undefined,
    headLeast,
  });
  onTestFinished(() => log.close());
  return log;
}

describe('the log of a broker in memory', () => {
  test('fails if it misses an event, and shows nothing after the hole', async () => {
    const { opened, address } = await openBroker();
    const log = await openLog(opened);
    let advances = 0;
    log.follow?.({ onAdvance: () => advances++, onFetch: () => {} });
    const channel = new BroadcastChannel(address.channel);
    onTestFinished(() => channel.close());
    const bytes = Uint8Array.from(record());
    channel.postMessage({ shard: 0, entries: [{ sequence: 2, recordedAt: 1, bytes }] });
    await until('it says so', () => advances > 0);
    expect(() => log.maintain()).toThrow('event 2 after event 0');
    expect(() => log.read({ after: 0, limit: 1 }, () => undefined)).toThrow('event 2');
    expect(log.head).toBe(0);
  });

  test('opens once it has all events that earlier threads have shown', async () => {
    const { opened } = await openBroker();
    const late = openLog(opened, 1);
    const state = watch(late);
    const log = await openLog(opened);
    expect(state.settled).toBe(false);
    log.append(record(), 0, 1);
    await log.commit(true, []);
    expect((await late).head).toBe(1);
  });
});
