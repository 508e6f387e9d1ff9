import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../bus/support/wait.js';
import { openSqlite } from '../sinks/sqlite.js';
import { startServer, temporaryDirectory } from './support/command.js';

/** `millrace serve` with sinks whose databases are other programs' too. */

const MODULE = `
  export const prepare = (db) =>
    db.exec('CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)');
  export const apply = ({ topic, payload }, db) => {
    db.prepare('INSERT INTO balances VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET cents = cents + excluded.cents')
      .run(topic, payload);
  };`;
const TABLE = `CREATE TABLE outbox (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  topic TEXT NOT NULL, type TEXT NOT NULL, payload TEXT NOT NULL DEFAULT 'null', source TEXT, correlation_id TEXT,
  causation_id TEXT, attributes TEXT, timestamp TEXT, error TEXT)`;

function game() {
  const folder = temporaryDirectory();
  const [shop, balances] = [join(folder, 'shop.db'), join(folder, 'balances.db')];
  const module = join(folder, 'balances.mjs');
  writeFileSync(module, MODULE);
  const config = join(folder, 'millrace.config.json');
  const consumer = { filter: 'accounts.*', from: 'earliest', order: 'topic', maxAttempts: 1000 };
  writeFileSync(
    config,
    JSON.stringify({
      sinks: {
        shop: { kind: 'outbox', db: shop, pollMs: 5 },
        balances: { kind: 'project', module, db: balances, consumer },
      },
    }),
  );
  return { shop, balances, module, args: ['--config', config] };
}

function open(file: string) {
  const db = openSqlite(file);
  onTestFinished(() => db.close());
  return db;
}

const sold = (db: ReturnType<typeof open>, account: string, cents: number) =>
  db
    .prepare('INSERT INTO outbox (topic, type, payload) VALUES (?, ?, ?)')
    .run(`accounts.${account}`, 'sold', String(cents));
const count = (db: ReturnType<typeof open>) =>
  db.prepare('SELECT count(*) FROM outbox').pluck().get() as number;

describe('a server with sinks on databases', () => {
  it('publishes the rows of one and applies them in another, each once, also over its death', async () => {
    const { shop, balances, args } = game();
    const db = open(shop);
    db.exec('PRAGMA journal_mode = WAL');
    db.exec(TABLE);
    const dir = temporaryDirectory();
    const totals = () =>
      existsSync(balances)
        ? open(balances).prepare('SELECT account, cents FROM balances ORDER BY account').all()
        : [];
    const first = await startServer(dir, args);
    for (let n = 0; n < 50; n++) sold(db, n % 2 === 0 ? 'a' : 'b', 1);
    await until('some are taken', () => count(db) < 50);
    await first.stop('SIGKILL');
    for (let n = 0; n < 50; n++) sold(db, n % 2 === 0 ? 'a' : 'b', 1);
    const second = await startServer(dir, args);
    await until('all are taken', () => count(db) === 0);
    await until('all are applied', () => JSON.stringify(totals()).includes('50'));
    await until('the figures are noted', async () => {
      const text = await (await fetch(`${second.url}/metrics`)).text();
      return (
        /^millrace_sink_up\{sink="shop",kind="outbox"\} 1$/m.test(text) &&
        /^millrace_sink_up\{sink="balances",kind="project"\} 1$/m.test(text)
      );
    });
    const stats = JSON.parse(await (await fetch(`${second.url}/v1/stats`)).text());
    expect(stats.sinks.list.map(({ kind }: { kind: string }) => kind).sort()).toEqual([
      'outbox',
      'project',
    ]);
    expect(await second.stop()).toBe(0);
    expect(totals()).toEqual([
      { account: 'accounts.a', cents: 50 },
      { account: 'accounts.b', cents: 50 },
    ]);
  });

  it('waits for a database that is not there, or that another program has locked', async () => {
    const { shop, args } = game();
    const server = await startServer(undefined, args);
    const logged = (pattern: RegExp) => server.logs.some(({ msg }) => pattern.test(msg));
    await until('the failure is logged', () => logged(/^sink shop has failed: .*unable to open/));
    expect(existsSync(shop)).toBe(false);
    const made = `${shop}.new`;
    const db = open(made);
    db.exec(TABLE);
    sold(db, 'a', 7);
    db.close();
    copyFileSync(made, shop);
    const other = open(shop);
    other.exec('BEGIN EXCLUSIVE');
    await until('the lock is logged', () => logged(/database is locked/));
    other.exec('COMMIT');
    await until('the row is taken', () => count(other) === 0);
    const { stdout } = await server.run(['query', 'accounts.*', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ topic: 'accounts.a', payload: 7 });
    expect(await server.stop()).toBe(0);
  });

  it('says what is wrong with the module of a projection', async () => {
    const { module, args } = game();
    writeFileSync(module, 'export const apply = 7;');
    const server = await startServer(undefined, args);
    await until('it is logged', () =>
      server.logs.some(({ msg }) => /its export apply is 7, and should be a function/.test(msg)),
    );
    expect(await server.stop()).toBe(0);
  });
});
