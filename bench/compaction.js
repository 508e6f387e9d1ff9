/**
 * One thread, one shard's log, no rings: publishes events on many topics at random, then compacts them with
 * `keepPerTopic: 1`, and prints how long the steps of retention take, each of which a publish may wait for. Then the same
 * for rounds of a few more events, as while a bus is in use. The topics are counted, and what the holes take is printed.
 *
 * node bench/compaction.js [--topics 100000] [--events 1000000] [--rounds 50] [--dir /tmp]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EventRecordEncoder } from '../dist/record/event-record.js';
import { shardFile } from '../dist/store/sqlite/connection/schema.js';
import { openDatabase } from '../dist/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../dist/store/sqlite/sqlite-shard-log.js';
import { check } from './harness.js';

const { values } = parseArgs({
  options: {
    topics: { type: 'string', default: '100000' },
    events: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '50' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const topics = Number(values.topics);
const events = Number(values.events);
const rounds = Number(values.rounds);
const BATCH = 4096;
const EVENTS_PER_ROUND = 1000;
const FLAGS_PERSIST_SYNCED = 3;

const encoder = new EventRecordEncoder();
const payload = JSON.stringify({ state: 'running', text: 'x'.repeat(100) });
let random = 1;
let number = 0;

/** Events on topics at random; a few of the topics get their events early and none later. */
function publish(log, count) {
  for (let n = 0; n < count; n++) {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    number++;
    encoder.flags = FLAGS_PERSIST_SYNCED;
    encoder.topic = `state.${number <= topics ? number - 1 : random % topics}`;
    encoder.type = 'state_updated';
    encoder.source = 'bench';
    encoder.id = `01JQ${String(number).padStart(22, '0')}`;
    encoder.payload = payload;
    const bytes = Buffer.allocUnsafe(encoder.measure());
    encoder.writeTo(bytes, 0);
    log.append(bytes, 0, 1_700_000_000_000 + number);
    if (n % BATCH === BATCH - 1) log.commit(true, []);
  }
  log.commit(true, []);
}

/** CPU time of the thread's process in steps of retention, ms. */
let cpuMs = 0;

/** How long each step of retention took, ms. Checkpoints and the index have their turns as in a shard. */
function compact(log) {
  const times = [];
  for (let more = true; more; ) {
    const started = performance.now();
    const cpu = process.cpuUsage();
    more = log.pruning.pruneStep(0);
    times.push(performance.now() - started);
    const { user, system } = process.cpuUsage(cpu);
    cpuMs += (user + system) / 1000;
    while (log.maintain());
  }
  return times.sort((a, b) => a - b);
}

function show(what, times, removed) {
  const total = times.reduce((sum, ms) => sum + ms, 0);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  console.log(
    `${what}: ${removed} events in ${times.length} steps, ${(total / 1000).toFixed(1)} s; a step ` +
      `p50 ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms, longest ${at(1).toFixed(1)} ms; ` +
      `CPU ${(cpuMs / times.length).toFixed(1)} ms a step`,
  );
  cpuMs = 0;
}

const dir = mkdtempSync(join(values.dir, 'millrace-compaction-'));
console.log(`cores ${cpus().length}, ${topics} topics, ${events} events`);
try {
  const file = shardFile(dir, 0);
  const retention = [{ pattern: 'state.*', keepPerTopic: 1 }];
  const log = new SqliteShardLog({ file, shard: 0, retention });
  publish(log, events);
  while (log.maintain());
  show('all at once ', compact(log), log.prunedEvents);
  const before = log.prunedEvents;
  const times = [];
  for (let round = 0; round < rounds; round++) {
    publish(log, EVENTS_PER_ROUND);
    times.push(...compact(log));
  }
  show(
    'while in use',
    times.sort((a, b) => a - b),
    log.prunedEvents - before,
  );
  check(log.pruning.totals('*').events === topics, `${log.pruning.totals('*').events} events left`);
  log.close();
  const opening = performance.now();
  new SqliteShardLog({ file, shard: 0, retention }).close();
  console.log(`opened and closed in ${(performance.now() - opening).toFixed(0)} ms`);
  const database = openDatabase(file, { readonly: true });
  const one = (sql) => database.prepare(sql).pluck().get();
  console.log(
    `blocks ${Math.ceil(log.head / 16_384)}; maps of pruned sequences ` +
      `${one('SELECT count(*) FROM pruned_blocks')} with ${one('SELECT sum(length(bits)) FROM pruned_blocks')} bytes; ` +
      `index by topic ${one('SELECT sum(length(sequences)) FROM topic_index')} bytes in ` +
      `${one('SELECT count(*) FROM topic_index')} rows; by field ` +
      `${one('SELECT coalesce(sum(length(postings)), 0) FROM field_index')} bytes`,
  );
  database.close();
} finally {
  rmSync(dir, { recursive: true, force: true });
}
