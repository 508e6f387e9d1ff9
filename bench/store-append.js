/**
 * One thread, one shard's log, no rings: compares `append` and `commit` with a bare better-sqlite3 loop that inserts
 * the same rows, and 1,000 topics at random with one. The sides alternate within the run, each on a new file, and
 * medians are compared. CPU time is printed too, as a shared disk or another process does not change it. The logs are
 * read back and counted.
 *
 * node bench/store-append.js [--events 100000] [--batch 256] [--rounds 7]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ulid } from 'ulid';
import { EventRecordEncoder, EventRecordView } from '../dist/record/event-record.js';
import { shardFile } from '../dist/store/sqlite/connection/schema.js';
import { openDatabase } from '../dist/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../dist/store/sqlite/sqlite-shard-log.js';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    batch: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '7' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const events = Number(values.events);
const batch = Number(values.batch);
const rounds = Number(values.rounds);
const TOPICS = 1000;
const FLAGS_PERSIST_SYNCED = 3;

const payload = JSON.stringify({
  agentId: 'agent-17',
  file: 'src/store/sqlite/sqlite-shard-log.ts',
  line: 312,
  severity: 'warning',
  message: 'a finding that is about as long as findings are, with some words to spare',
});
const ids = Array.from({ length: 4096 }, () => ulid());

/** The records of one batch in shared memory, as a publish ring holds them. */
function recordsOf(topicOf) {
  const encoder = new EventRecordEncoder();
  const bytes = Buffer.from(new SharedArrayBuffer(batch * 1024));
  const offsets = [];
  let offset = 0;
  for (let i = 0; i < batch; i++) {
    encoder.flags = FLAGS_PERSIST_SYNCED;
    encoder.topic = topicOf(i);
    encoder.type = 'finding_new';
    encoder.source = 'worker-3';
    encoder.id = ids[i % ids.length];
    encoder.payload = payload;
    offsets.push(offset);
    const length = encoder.measure();
    encoder.writeTo(bytes, offset);
    offset += length;
  }
  return { bytes, offsets };
}

function withDirectory(work) {
  const dir = mkdtempSync(join(values.dir, 'millrace-bench-'));
  try {
    return work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The bare loop: the same columns and durability, one row per statement, nothing computed. */
function bare() {
  return withDirectory((dir) => {
    const database = openDatabase(join(dir, 'bare.db'));
    database.pragma('page_size = 16384');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec(
      'CREATE TABLE events (sequence INTEGER PRIMARY KEY, recorded_at INTEGER, topic INTEGER, ' +
        'type INTEGER, source INTEGER, checksum INTEGER, id TEXT, payload BLOB)',
    );
    const insert = database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    const begin = database.prepare('BEGIN IMMEDIATE');
    const commit = database.prepare('COMMIT');
    const bytes = Buffer.from(payload);
    const started = { wall: performance.now(), cpu: process.cpuUsage() };
    for (let at = 0; at < events; at += batch) {
      const now = Date.now();
      begin.run();
      for (let i = 0; i < batch; i++) {
        insert.run(at + i + 1, now, 1, 2, 3, 2_882_400_001, ids[i % ids.length], bytes);
      }
      commit.run();
    }
    const elapsed = since(started);
    database.close();
    return elapsed;
  });
}

function log(topics) {
  return withDirectory((dir) => {
    const file = shardFile(dir, 0);
    const store = new SqliteShardLog({ file, shard: 0 });
    const view = new EventRecordView();
    const random = randomFrom(42);
    const pool = Array.from({ length: 64 }, () =>
      recordsOf(() => (topics === 1 ? 'bench.topic.0' : `bench.topic.${random(topics)}`)),
    );
    const started = { wall: performance.now(), cpu: process.cpuUsage() };
    for (let at = 0, n = 0; at < events; at += batch, n++) {
      const records = pool[n % pool.length];
      const now = Math.max(Date.now(), store.lastRecordedAt);
      for (let i = 0; i < batch; i++) {
        view.wrap(records.bytes, records.offsets[i]).timestamp = now;
        store.append(records.bytes, records.offsets[i], now);
      }
      store.commit(true, [{ endpoint: 'bench', position: at, firstSequence: at + 1, settled: 0 }]);
      store.maintain();
    }
    const elapsed = since(started);
    check(store);
    store.close();
    return elapsed;
  });
}

/** Checks that all events are stored and counted. */
function check(store) {
  let counted = 0;
  for (let after = 0; ; ) {
    after = store.scanTopics(after, 1024, ({ events }) => {
      counted += events;
    });
    if (after === 0) break;
  }
  let read = 0;
  store.read({ after: store.head - 1000, limit: 1000 }, () => void read++);
  const expected = Math.ceil(events / batch) * batch;
  if (counted !== expected || store.head !== expected || read !== Math.min(1000, expected)) {
    throw new Error(`head ${store.head}, counted ${counted}, read ${read}, not ${expected}`);
  }
}

function since({ wall, cpu }) {
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs: performance.now() - wall, cpuMs: (user + system) / 1000 };
}

function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1];
}

const sides = { bare: [], one: [], many: [] };
for (let round = 0; round <= rounds; round++) {
  const times = { bare: bare(), one: log(1), many: log(TOPICS) };
  // The first round warms up.
  if (round > 0) for (const side of Object.keys(sides)) sides[side].push(times[side]);
}

function line(name, side, against) {
  const rate = Math.round((events * 1000) / median(sides[side].map((time) => time.wallMs)));
  const cpu = (median(sides[side].map((time) => time.cpuMs)) * 1000) / events;
  const ratio = (key) =>
    median(sides[against].map((time, i) => time[key] / sides[side][i][key])).toFixed(2);
  const ratios =
    side === against ? '' : `  ${ratio('wallMs')} of ${against}, by CPU ${ratio('cpuMs')}`;
  console.log(`${name.padEnd(28)} ${rate} events/s  ${cpu.toFixed(2)} µs CPU${ratios}`);
}

console.log(`cores ${cpus().length}, ${events} events, batches of ${batch}, ${rounds} rounds`);
line('bare better-sqlite3 loop', 'bare', 'bare');
line('log, 1 topic', 'one', 'bare');
line(`log, ${TOPICS} topics at random`, 'many', 'bare');
line(`log, ${TOPICS} topics against 1`, 'many', 'one');
