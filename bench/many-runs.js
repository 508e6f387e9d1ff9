import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shardOf } from '../dist/protocol/topic-hash.js';
import { EventRecordEncoder } from '../dist/record/event-record.js';
import { openManifest } from '../dist/store/directory/directory.js';
import { shardFile } from '../dist/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../dist/store/sqlite/sqlite-shard-log.js';

/** A directory of many runs of agents, for the benches that open one of them. */

export const RUN_EVENTS = 200;
/** Runs that are under way at the same time. */
const RUNS_AT_ONCE = 100;
/** One event of so many has a type and a source that no other has, the first at this place. */
export const RARE_EVERY = 1_000_000;
export const RARE_PLACE = 77;
const BATCH = 4096;
const TOPICS = 50;
const TYPES = 40;
const SOURCES = 500;

/** @param {number} run */
export const idOfRun = (run) =>
  `run-${((run * 2654435761) >>> 0).toString(16).padStart(8, '0')}-${run}`;

/** @param {number} n */
function runOf(n) {
  const round = Math.floor(n / (RUN_EVENTS * RUNS_AT_ONCE));
  return round * RUNS_AT_ONCE + (n % RUNS_AT_ONCE);
}

/**
 * Fills the directory through the shards' logs, without rings, if it does not exist yet.
 * @param {string} dir
 * @param {{ events: number, shards: number, topics?: number }} size
 */
export function fillOnce(dir, size) {
  if (existsSync(join(dir, 'manifest.json'))) return;
  const started = performance.now();
  fill(dir, size);
  console.log(`filled in ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

/**
 * @param {string} dir
 * @param {{ events: number, shards: number, topics?: number }} size
 */
function fill(dir, { events, shards, topics = TOPICS }) {
  openManifest(dir, { shards, defaultShards: shards });
  const logs = Array.from(
    { length: shards },
    (_, shard) => new SqliteShardLog({ file: shardFile(dir, shard), shard }),
  );
  const encoder = new EventRecordEncoder();
  const pending = new Array(shards).fill(0);
  const payload = JSON.stringify({ step: 17, text: 'x'.repeat(140) });
  for (let n = 0; n < events; n++) {
    const run = runOf(n);
    const isRare = n % RARE_EVERY === RARE_PLACE;
    const topic = `agents.${run % topics}.step`;
    encoder.flags = 1;
    encoder.topic = topic;
    encoder.type = isRare ? 'payment_refused' : `step_${(n * 7) % TYPES}`;
    encoder.source = isRare ? 'auditor' : `worker-${(n * 13) % SOURCES}`;
    encoder.id = `01JQ${String(n).padStart(22, '0')}`;
    encoder.correlationId = idOfRun(run);
    encoder.payload = payload;
    const bytes = Buffer.allocUnsafe(encoder.measure());
    encoder.writeTo(bytes, 0);
    const shard = shardOf(topic, shards);
    bytes.writeDoubleLE(1_700_000_000_000 + n, 8);
    logs[shard]?.append(bytes, 0, 1_700_000_000_000 + n);
    if (++pending[shard] < BATCH) continue;
    pending[shard] = 0;
    logs[shard]?.commit(false, []);
    logs[shard]?.maintain();
  }
  for (const log of logs) {
    log.commit(true, []);
    while (log.maintain());
    log.close();
  }
}
