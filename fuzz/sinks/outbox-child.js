import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBus } from '../../dist/index.js';
import { outbox, prepareOutbox } from '../../dist/sinks.js';
import { randomOf } from './kills.js';
import { Database } from './sqlite.js';

/** A program with an outbox, for `kills.js`. The bus forgets ids at once, so that the outbox has to look rows up. */
const [dir, seed, once] = process.argv.slice(2);
const random = randomOf(Number(seed));
const TOPICS = 5;

const bus = await openBus({
  dir: join(dir, 'bus'),
  shards: 2,
  systemEvents: false,
  dedupeWindowMs: 1,
});
const db = new Database(join(dir, 'app.db'));
db.pragma('journal_mode = WAL');
db.exec('CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, topic TEXT)');
const enqueue = prepareOutbox(db);
if (process.env.MILLRACE_CANARY) db.exec('UPDATE outbox SET id = lower(hex(randomblob(16)))');
const insert = db.prepare('INSERT INTO orders (topic) VALUES (?)');
const left = db.prepare('SELECT count(*) FROM outbox').pluck();

const courier = outbox({ bus, db, batch: 16, pollMs: 1 });
courier.closed.catch((error) => {
  writeSync(1, `${error.message}\n`);
  process.exit(1);
});
await courier.ready;
while (left.get() > 0) await sleep(1);
writeSync(1, `${await compare()}\n`);
if (once) {
  await courier.stop();
  await bus.close();
} else {
  await orderOn();
}

/** Compares the log with the orders. */
async function compare() {
  const published = new Map();
  for await (const { topic, payload } of bus.read({ topic: 'orders.*' })) {
    published.set(topic, [...(published.get(topic) ?? []), payload]);
  }
  const ordered = new Map();
  for (const { number, topic } of db.prepare('SELECT * FROM orders ORDER BY number').all()) {
    ordered.set(topic, [...(ordered.get(topic) ?? []), number]);
  }
  for (const topic of new Set([...published.keys(), ...ordered.keys()])) {
    const [found, expected] = [published.get(topic), ordered.get(topic)].map(String);
    if (found !== expected) return `${topic}: published ${found}, ordered ${expected}`;
  }
  return `equal ${[...ordered.values()].flat().length}`;
}

async function orderOn() {
  const order = db.transaction((topic, isRefused) => {
    const { lastInsertRowid } = insert.run(topic);
    enqueue({ topic, type: 'order_created', payload: lastInsertRowid });
    if (isRefused) throw new Error('rolled back');
  });
  for (;;) {
    for (let n = random() * 6; n > 0; n--) {
      try {
        order(`orders.${Math.floor(random() * TOPICS)}`, random() < 0.1);
      } catch {
        // Neither the order nor its row is there.
      }
    }
    await sleep(random() * 6);
  }
}
