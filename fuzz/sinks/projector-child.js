import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBus } from '../../dist/index.js';
import { project } from '../../dist/sinks.js';
import { randomOf } from './kills.js';
import { Database } from './sqlite.js';

/**
 * A projector that publishes its own events, for `kills.js`. Each topic has a row with the number of its events and a hash
 * that depends on their order, so an effect that is missing, doubled or out of order shows. One attempt in fifty fails
 * after it has written. With `MILLRACE_CANARY` the position is stored apart from the rows, which has to show.
 */
const [dir, seed, once] = process.argv.slice(2);
const random = randomOf(Number(seed));
const TOPICS = 7;

const bus = await openBus({ dir: join(dir, 'bus'), shards: 2, systemEvents: false });
const db = new Database(join(dir, 'rows.db'));
db.pragma('journal_mode = WAL');
db.exec('CREATE TABLE IF NOT EXISTS folds (topic TEXT PRIMARY KEY, count INTEGER, hash INTEGER)');
const consumer = await bus.consumer('folds', {
  filter: 'things.*',
  from: 'earliest',
  order: 'topic',
  maxAttempts: 1000,
  backoffMs: [0],
});

const read = db.prepare('SELECT count, hash FROM folds WHERE topic = ?');
const write = db.prepare('INSERT OR REPLACE INTO folds (topic, count, hash) VALUES (?, ?, ?)');

const projection = project({
  consumer,
  db: process.env.MILLRACE_CANARY ? apart(db) : db,
  apply,
  attempts: 1000,
  // Failures that `apply` makes up.
  onError: () => {},
});
projection.closed.catch((error) => {
  writeSync(1, `${error.message}\n`);
  process.exit(1);
});

await projection.ready;
while ((await consumer.info()).pending > 0) await sleep(1);
writeSync(1, `${await compare()}\n`);
if (once) {
  await projection.stop();
  await bus.close();
} else {
  await publishOn();
}

function apply({ topic, payload }) {
  const { count, hash } = read.get(topic) ?? { count: 0, hash: 7 };
  write.run(topic, count + 1, next(hash, payload));
  if (random() < 0.02) throw new Error('made up');
}

function next(hash, payload) {
  return (Math.imul(hash, 31) + payload) | 0;
}

/** Compares the rows with what the log gives. */
async function compare() {
  const folds = new Map();
  let size = 0;
  for await (const { topic, payload } of bus.read({ topic: 'things.*' })) {
    const { count, hash } = folds.get(topic) ?? { count: 0, hash: 7 };
    folds.set(topic, { count: count + 1, hash: next(hash, payload) });
    size++;
  }
  for (const [topic, { count, hash }] of folds) {
    const row = read.get(topic);
    if (row?.count !== count || row.hash !== hash) {
      return `${topic}: the row is ${JSON.stringify(row)}, and the log gives ${count}, ${hash}`;
    }
  }
  return `equal ${size}`;
}

async function publishOn() {
  let n = 0;
  for (;;) {
    const inputs = Array.from({ length: 1 + Math.floor(random() * 8) }, () => ({
      topic: `things.${Math.floor(random() * TOPICS)}`,
      type: 'thing',
      payload: n++,
    }));
    await bus.publishMany(inputs);
    await sleep(random() * 8);
  }
}

/** The planted fault: rows that are committed before the position is. */
function apart(connection) {
  return {
    begin: () => connection.exec('BEGIN IMMEDIATE'),
    position: () => {
      connection.exec('CREATE TABLE IF NOT EXISTS apart (position TEXT)');
      return connection.prepare('SELECT position FROM apart').get()?.position;
    },
    commit: async (_, __, position) => {
      connection.exec('COMMIT');
      await sleep(3);
      connection.exec('DELETE FROM apart');
      connection.prepare('INSERT INTO apart VALUES (?)').run(position);
    },
    rollback: () => {
      if (connection.inTransaction) connection.exec('ROLLBACK');
    },
  };
}
