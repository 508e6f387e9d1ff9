import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Database } from '../../sinks/sqlite.js';
import { hold, shown } from '../hold.js';

/**
 * The files of a directory as others may leave them: headers, schemas, triggers, huge and strange cells, a database of
 * another program. A process of its own verifies and opens each, reads all, publishes once and reads that. Nothing but a
 * documented refusal, no event changed, and none missing that `verify` does not miss. A case is a list of edits:
 * `{ sql }`, `{ at, hex }` in a page of the shard's file, `{ cut }`, or `{ replace }`. `fuzz/storage` damages what is
 * within the log.
 */

const PAGE_BYTES = 16 * 1024;
const EVENTS = 40;
const FILE = 'shard-000.db';
const CODES = [
  'STORE_CORRUPT',
  'STORE_FAILED',
  'STORE_FULL',
  'STORE_LOCKED',
  'SHARD_RESTARTED',
  'PUBLISH_UNKNOWN',
  'SHARD_COUNT_MISMATCH',
];
const CHILD_MS_MAX = 120_000;
const CHILD = fileURLToPath(new URL('../doors/image-child.js', import.meta.url));
const SQL = [
  ...[
    'CREATE VIEW more AS SELECT * FROM events',
    'CREATE TABLE extra (a)',
    'CREATE INDEX extra ON events (payload)',
  ],
  ...[
    'DROP TABLE topic_index',
    'DROP TABLE events',
    'DROP TABLE meta',
    'DROP TABLE names',
    'DELETE FROM topics',
  ],
  ...[
    'ALTER TABLE events RENAME TO event',
    'ALTER TABLE events ADD COLUMN more DEFAULT 7',
    'DELETE FROM meta',
    'DELETE FROM names',
  ],
  ...[
    'ALTER TABLE events RENAME TO old; CREATE VIEW events AS SELECT * FROM old',
    'VACUUM',
    'PRAGMA user_version = 77',
  ],
  ...[
    'PRAGMA application_id = 77',
    'PRAGMA journal_mode = DELETE',
    "UPDATE events SET payload = 'null' WHERE sequence = 3",
  ],
  ...[
    'UPDATE events SET payload = zeroblob(20000000) WHERE sequence = 4',
    'UPDATE events SET topic = -1 WHERE sequence = 5',
  ],
  ...[
    "UPDATE events SET checksum = 'x'",
    'UPDATE events SET sequence = 9e15 WHERE sequence = 40',
    'DELETE FROM events WHERE sequence = 7',
  ],
  ...[
    "UPDATE meta SET value = 9223372036854775807 WHERE key = 'pruned_through'",
    "UPDATE meta SET value = 'x'",
    'DELETE FROM events',
  ],
  ...[
    "INSERT INTO meta (key, value) VALUES ('x', zeroblob(10))",
    'UPDATE names SET name = zeroblob(1000000)',
    'DELETE FROM topic_index',
  ],
  "CREATE TRIGGER a AFTER INSERT ON events BEGIN UPDATE events SET payload = '1' WHERE sequence = new.sequence; END",
  'CREATE TRIGGER b BEFORE INSERT ON events BEGIN SELECT raise(IGNORE); END',
  'CREATE TRIGGER c AFTER INSERT ON events BEGIN DELETE FROM events; END',
  "CREATE TRIGGER d BEFORE INSERT ON events BEGIN SELECT raise(ABORT, 'no'); END",
  "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE events (a)' WHERE name = 'events'",
  "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'events'",
  "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'topics'",
];
const FOREIGN = ['', 'not a database', 'SQLite format 3\0', 'sql', 'twice'];

export async function open(load, dist) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-images-'));
  const base = join(folder, 'base');
  const known = await makeBase(load, base);
  const child = new Child(dist);
  let cases = 0;
  const check = async (edits) => {
    const dir = join(folder, `image-${cases++}`);
    cpSync(base, dir, { recursive: true });
    try {
      for (const edit of edits) apply(edit, dir);
      judge(edits, await child.look(dir), known);
    } finally {
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  };
  const close = async () => {
    child.end();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { make, check, close, shrinks: false };
}

async function makeBase(load, base) {
  const { openBus } = await load('index.js');
  mkdirSync(base);
  const bus = await openBus({ dir: base, shards: 1, systemEvents: false });
  const events = Array.from({ length: EVENTS }, (_, at) => ({
    ...{
      topic: `orders.${at % 5}`,
      type: 'made',
      payload: { at, text: 'x'.repeat((at * 401) % 9000) },
    },
  }));
  await bus.publishMany(events);
  const stored = await bus.query({ topic: '*', limit: 1000 });
  await bus.close();
  return new Map(stored.map((event) => [event.sequence, JSON.stringify(event)]));
}

function make(random, pool) {
  const kind = random.below(10);
  if (kind < 4) return [{ sql: random.pick(SQL) }];
  if (kind === 4) return [{ replace: random.pick(FOREIGN) }];
  if (kind === 5)
    return [
      { cut: random.pick([0, 1, 99, 100, 4096, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES * 3 + 7]) },
    ];
  if (kind === 6) return [...random.pick(pool), { sql: random.pick(SQL) }];
  const page = random.chance(0.5) ? 0 : random.below(20);
  const within = random.chance(0.7) ? random.below(120) : random.below(PAGE_BYTES);
  const hex = Array.from({ length: 1 + random.below(4) }, () =>
    random.pick(['00', 'ff', '7f', '80', '01', '0d']),
  );
  return [{ at: page * PAGE_BYTES + within, hex: hex.join('') }];
}

/** An edit that SQLite refuses is none. */
function apply({ sql, at, hex, cut, replace }, dir) {
  const file = join(dir, FILE);
  if (sql !== undefined) runSql(file, sql);
  else if (cut !== undefined) truncateSync(file, cut);
  else if (replace !== undefined) replaceBy(file, replace, dir);
  else {
    const bytes = readFileSync(file);
    Buffer.from(hex, 'hex').copy(bytes, Math.min(at, bytes.length));
    writeFileSync(file, bytes);
  }
}

function runSql(file, sql) {
  try {
    const database = new Database(file);
    try {
      database.unsafeMode?.(true);
      database.exec(sql);
    } finally {
      database.close();
    }
  } catch (error) {
    if (!/Sqlite/.test(error.name)) throw error;
  }
}

function replaceBy(file, what, dir) {
  if (what === 'twice') {
    cpSync(file, join(dir, 'shard-001.db'));
    return;
  }
  rmSync(file);
  for (const end of ['-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  if (what === 'sql')
    runSql(
      file,
      'CREATE TABLE events (id, topic); CREATE TABLE notes (text); INSERT INTO events VALUES (1, 2)',
    );
  else writeFileSync(file, what);
}

function judge(edits, { died, verified, opened }, known) {
  hold(died === undefined, () => `the process ended with ${died} over ${shown(edits)}`);
  hold(verified.error === undefined, () => `verify throws ${verified.error.stack}`);
  checkError(opened.error);
  if (opened.error !== undefined) return;
  const { before, ack, after } = opened.value;
  for (const one of [before, ack, after]) checkError(one.error);
  const isTold = verified.value.length > 0;
  if (before.value !== undefined) {
    for (const event of before.value) {
      const isSame = known.get(event.sequence) === JSON.stringify(event);
      hold(
        isSame,
        () => `event ${event.sequence} is another after ${shown(edits)}: ${shown(event)}`,
      );
    }
    const missing = known.size - before.value.length;
    hold(
      missing <= 0 || isTold,
      () => `${missing} events are missing after ${shown(edits)}, and nobody says so`,
    );
  }
  if (ack.value === undefined || after.value === undefined || isTold) return;
  const kept = after.value.find(({ sequence }) => sequence === ack.value.sequence);
  hold(kept?.payload === 'new', () => `an acked event is ${shown(kept)} after ${shown(edits)}`);
}

function checkError(error) {
  const isRefusal =
    error === undefined || (error.name === 'BusError' && CODES.includes(error.code));
  hold(isRefusal, () => `refused with ${error.name} ${error.code}: ${error.stack}`);
}

/** The process that opens images; another takes its place when it has died. */
class Child {
  #dist;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process;
  /** @type {Promise<{ died: string }>} how the process ends, with the last that it wrote */
  #death = Promise.resolve({ died: '' });

  constructor(dist) {
    this.#dist = dist;
  }

  async look(dir) {
    const child = this.#process ?? this.#start();
    const over = new AbortController();
    const answer = once(child, 'message', { signal: over.signal }).then(([told]) => told);
    answer.catch(() => {});
    const timer = setTimeout(() => child.kill('SIGKILL'), CHILD_MS_MAX);
    child.send({ dir });
    const told = await Promise.race([answer, this.#death]);
    clearTimeout(timer);
    over.abort();
    if (told.died !== undefined) this.#process = undefined;
    return told;
  }

  #start() {
    const child = fork(CHILD, [this.#dist], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let last = '';
    child.stderr?.on('data', (data) => {
      last = `${last}${data}`.slice(-2000);
    });
    child.on('error', () => {});
    this.#death = once(child, 'close').then(([code, signal]) => ({
      died: `${code ?? signal}: ${last}`,
    }));
    this.#process = child;
    return child;
  }

  end() {
    this.#process?.kill('SIGKILL');
  }
}
