/**
 * One thread, one shard's log, no rings: publishes events on many topics at random, then compacts them with
 * `keepPerTopic: 1`, and prints how long the steps of retention take, each of which a publish may wait for. Then the same
 * for rounds of a few more events, as while a bus is in use. The topics are counted, and what the holes take is printed: their
 * room, and the time of a reader from the start, beside a log that never had more than the events that are left.
 *
 * node bench/compaction.js [--topics 100000] [--events 1000000] [--rounds 50] [--dir /tmp]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseFilter } from '../dist/protocol/filter.js';
import { EventRecordEncoder } from '../dist/record/event-record.js';
import { decodePage } from '../dist/store/page.js';
import { shardFile } from '../dist/store/sqlite/connection/schema.js';
import { openDatabase } from '../dist/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../dist/store/sqlite/sqlite-shard-log.js';
import { check, median } from './harness.js';

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

/** CPU time of the process in steps of retention, ms. */
let cpuMs = 0;
/** The longest step of retention: if its CPU time is short, it waited for the disk or for a core. */
let longest = { ms: 0, cpuMs: 0 };

/** The longest step of other work between the steps of retention (checkpoints, index), ms. */
let longestBetween = 0;

/** How long each step of retention took, ms. Checkpoints and the index have their turns as in a shard. */
function compact(log) {
  const times = [];
  for (let more = true; more; ) {
    const started = performance.now();
    const cpu = process.cpuUsage();
    more = log.pruning.pruneStep(0);
    const ms = performance.now() - started;
    times.push(ms);
    const { user, system } = process.cpuUsage(cpu);
    cpuMs += (user + system) / 1000;
    if (ms > longest.ms) longest = { ms, cpuMs: (user + system) / 1000 };
    maintain(log);
  }
  return times.sort((a, b) => a - b);
}

function maintain(log) {
  for (let more = true; more; ) {
    const started = performance.now();
    more = log.maintain();
    longestBetween = Math.max(longestBetween, performance.now() - started);
  }
}

function show(what, times, removed) {
  const total = times.reduce((sum, ms) => sum + ms, 0);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  console.log(
    `${what}: ${removed} events in ${times.length} steps, ${(total / 1000).toFixed(1)} s; a step ` +
      `p50 ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms, longest ${at(1).toFixed(1)} ms ` +
      `(${longest.cpuMs.toFixed(1)} ms CPU); ` +
      `CPU ${(cpuMs / times.length).toFixed(1)} ms a step; longest step of other work between ` +
      `${longestBetween.toFixed(1)} ms`,
  );
  cpuMs = 0;
  longestBetween = 0;
  longest = { ms: 0, cpuMs: 0 };
}

/** Reads all of the log from the start in pages, as a subscriber does, and one topic of it. */
function showReaders(what, log) {
  const figures = ['*', 'state.7'].map((topic) => {
    const filter = parseFilter({ topics: [topic] });
    const times = [];
    let events = 0;
    for (let round = 0; round < 5; round++) {
      const started = performance.now();
      events = 0;
      for (let after = 0, done = false; !done; ) {
        const page = log.page({ after, limit: 1000, filter });
        decodePage(page, () => events++);
        ({ next: after, done } = page);
      }
      times.push(performance.now() - started);
    }
    return `${topic}: ${events} events in ${median(times).toFixed(1)} ms`;
  });
  console.log(`${what}: read from the start, ${figures.join('; ')}`);
}

function showRoom(what, database) {
  const [pages, free] = ['page_count', 'freelist_count'].map((name) =>
    database.pragma(name, { simple: true }),
  );
  const mib = (count) => ((count * 16) / 1024).toFixed(1);
  console.log(`${what}: ${mib(pages)} MiB, of them free ${mib(free)} MiB`);
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
  showReaders('compacted   ', log);
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
  showRoom('compacted   ', database);
  database.close();
  const other = new SqliteShardLog({ file: shardFile(dir, 1), shard: 1 });
  number = 0;
  publish(other, topics);
  while (other.maintain());
  showReaders('never larger', other);
  other.close();
  const small = openDatabase(shardFile(dir, 1), { readonly: true });
  showRoom('never larger', small);
  small.close();
} finally {
  rmSync(dir, { recursive: true, force: true });
}
