import { describe, expect, it } from 'vitest';
import type { EventInput } from '../../../src/protocol/event.js';
import type { SinkBus } from '../../../src/sinks.js';
import { openTestBus, temporaryDirectory } from '../../bus/support/open.js';
import { until, within } from '../../bus/support/wait.js';
import { BusError, outbox, prepareOutbox } from '../built.js';
import { openSqlite, type Sqlite } from '../sqlite.js';

const order = (payload: unknown, topic = 'orders.new'): EventInput => ({
  topic,
  type: 'order_created',
  payload,
});
const quiet = { onError: () => {} };

function rowsIn(db: Sqlite): number {
  return db.prepare('SELECT count(*) FROM outbox').pluck().get() as number;
}

async function payloads(bus: SinkBus, topic = 'orders.*'): Promise<unknown[]> {
  return (await bus.query({ topic, limit: 10_000 })).map(({ payload }) => payload);
}

describe('outbox', () => {
  it('publishes each row once, with all its fields, in the order of the rows', async () => {
    const bus = await openTestBus({ shards: 2 });
    const db = openSqlite();
    const enqueue = prepareOutbox(db);
    const id = enqueue({
      ...order({ n: 1 }),
      source: 'shop',
      correlationId: 'run-1',
      causationId: 'c-1',
      attributes: { region: 'eu' },
      timestamp: new Date(0),
      expiresAt: new Date('2999-01-01T00:00:00Z'),
    });
    for (let n = 0; n < 1000; n++) enqueue(order(n, 'orders.bulk'));
    const courier = outbox({ bus, db });
    await until('all are published', () => rowsIn(db) === 0);
    expect(await payloads(bus, 'orders.bulk')).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    const { shard: _, sequence: __, ...event } = (await bus.get('orders.new', id))!;
    expect(event).toEqual({
      id,
      ...order({ n: 1 }),
      source: 'shop',
      correlationId: 'run-1',
      causationId: 'c-1',
      attributes: { region: 'eu' },
      timestamp: '1970-01-01T00:00:00.000Z',
      expiresAt: '2999-01-01T00:00:00.000Z',
    });
    expect(courier.info()).toMatchObject({ done: 1001, duplicates: 0, kept: 0, state: 'running' });
    await courier.stop();
  });

  it('writes no row with a time that the bus would refuse', () => {
    const enqueue = prepareOutbox(openSqlite(':memory:'));
    const bad = [
      'soon',
      '2026-01-31T00:00:00+01:00',
      17 as unknown as string,
      new Date(Number.NaN),
    ];
    for (const field of ['timestamp', 'expiresAt']) {
      for (const value of bad) {
        const fault = { code: 'EVENT_INVALID', details: { field } };
        expect(() => enqueue({ ...order(1), [field]: value })).toThrow(
          expect.objectContaining(fault),
        );
      }
    }
  });

  it('adds the time at which an event expires to a table of an earlier version', async () => {
    const bus = await openTestBus();
    const path = `${temporaryDirectory()}/app.db`;
    const db = openSqlite(path);
    prepareOutbox(db);
    db.exec('ALTER TABLE outbox DROP COLUMN expires_at');
    const write = (payload: string, more = '', value = ''): void => {
      db.exec(`INSERT INTO outbox (topic, type, payload${more})
        VALUES ('orders.new', 'order_created', '"${payload}"'${value})`);
    };
    write('before');
    for (const one of [db, openSqlite(path)]) prepareOutbox(one);
    write('over', ', expires_at', `, '2001-01-01T00:00:00Z'`);
    write('no time', ', expires_at', `, 'tomorrow'`);
    write('later', ', expires_at', `, '2999-01-01T00:00:00Z'`);
    const courier = outbox({ bus, db, ...quiet });
    await until('one is left', () => rowsIn(db) === 1 && courier.info().kept === 1);
    const found = await bus.query({ topic: 'orders.*' });
    expect(found.map(({ payload, expiresAt }) => [payload, expiresAt])).toEqual([
      ['before', undefined],
      ['later', '2999-01-01T00:00:00.000Z'],
    ]);
    const [kept] = db.prepare('SELECT error FROM outbox').all() as { error: string }[];
    expect(kept!.error).toContain('expiresAt');
    await courier.stop();
  });

  it('publishes what is committed, and nothing else', async () => {
    const bus = await openTestBus();
    const path = `${temporaryDirectory()}/app.db`;
    const db = openSqlite(path);
    const enqueue = prepareOutbox(db);
    const courier = outbox({ bus, db, pollMs: 1 });
    await courier.ready;
    db.exec('BEGIN');
    enqueue(order('rolled back'));
    // The connection has its transaction open over many turns.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    db.exec('ROLLBACK');
    enqueue(order('same connection'));
    const other = openSqlite(path);
    other.exec(
      `INSERT INTO outbox (topic, type, payload) VALUES ('orders.new', 'order_created', '"other"')`,
    );
    await until('both are published', () => rowsIn(db) === 0);
    expect(await payloads(bus)).toEqual(['same connection', 'other']);
    expect(courier.info().failed).toBe(0);
    await courier.stop();
  });

  it('finds rows that were published before, also if the bus has forgotten their ids', async () => {
    const bus = await openTestBus({ dedupeWindowMs: 1 });
    const db = openSqlite();
    const enqueue = prepareOutbox(db);
    const ids = [1, 2, 3].map((n) => enqueue(order(n)));
    // As by a process that died before it deleted the rows.
    await bus.publishMany([1, 2].map((n) => ({ ...order(n), id: ids[n - 1]! })));
    await until(
      'the ids are forgotten',
      () => new Promise((resolve) => setTimeout(resolve, 5, true)),
    );
    const courier = outbox({ bus, db });
    await until('all are published', () => rowsIn(db) === 0);
    expect(await payloads(bus)).toEqual([1, 2, 3]);
    expect(courier.info()).toMatchObject({ done: 3, duplicates: 2 });
    await courier.stop();
  });

  it('looks rows up after an answer that was lost, and keeps their order', async () => {
    const bus = await openTestBus({ dedupeWindowMs: 1 });
    const db = openSqlite();
    const enqueue = prepareOutbox(db);
    let lost = 3;
    // Stores the events, and loses the answers.
    const forgetful = Object.assign(Object.create(bus), {
      get: bus.get.bind(bus),
      publish: bus.publish.bind(bus),
      publishMany: async (...call: Parameters<typeof bus.publishMany>) => {
        const acks = await bus.publishMany(...call);
        if (lost-- > 0) throw new BusError('PUBLISH_UNKNOWN', 'the answer is lost');
        return acks;
      },
    }) as SinkBus;
    for (let n = 0; n < 10; n++) enqueue(order(n));
    const courier = outbox({ bus: forgetful, db, batch: 4, ...quiet });
    await until('all are published', () => rowsIn(db) === 0);
    expect(await payloads(bus)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(courier.info().failed).toBe(3);
    await courier.stop();
  });

  it('keeps a row that can never be published, with the reason, and goes on', async () => {
    const bus = await openTestBus();
    const db = openSqlite();
    const enqueue = prepareOutbox(db);
    enqueue(order(1));
    enqueue({ ...order(2), type: 'no type at all' });
    enqueue(order(3));
    enqueue(order(4, 'orders.*'));
    db.exec(
      `INSERT INTO outbox (topic, type, payload) VALUES ('orders.new', 'order_created', 'no JSON')`,
    );
    const courier = outbox({ bus, db, ...quiet });
    await until('the others are published', () => courier.info().kept === 3);
    expect(await payloads(bus)).toEqual([1, 3]);
    const errors = db.prepare('SELECT error FROM outbox ORDER BY sequence').pluck().all();
    expect(errors).toEqual([
      expect.stringContaining('type'),
      expect.stringContaining('orders.*'),
      expect.stringContaining('the row is no event'),
    ]);
    await courier.stop();
  });

  it('ends at such a row, if asked', async () => {
    const bus = await openTestBus();
    const db = openSqlite();
    prepareOutbox(db)({ ...order(1), type: 'no type at all' });
    const courier = outbox({ bus, db, onPoison: 'stop' });
    await expect(within('its end', courier.closed)).rejects.toMatchObject({
      code: 'EVENT_INVALID',
    });
    expect(rowsIn(db)).toBe(1);
  });

  it('publishes each row once in two processes’ outboxes at the same time', async () => {
    const bus = await openTestBus({ shards: 2 });
    const path = `${temporaryDirectory()}/app.db`;
    const [db, other] = [openSqlite(path), openSqlite(path)];
    const enqueue = prepareOutbox(db);
    const couriers = [db, other].map((one) =>
      outbox({ bus, db: one, batch: 7, pollMs: 1, ...quiet }),
    );
    const all = Array.from({ length: 400 }, (_, n) => n);
    for (const n of all) {
      enqueue(order(n));
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until('all are published', () => rowsIn(db) === 0);
    expect(await payloads(bus)).toEqual(all);
    await Promise.all(couriers.map((one) => one.stop()));
  });

  it('waits for a bus that is away', async () => {
    const bus = await openTestBus();
    const db = openSqlite();
    const enqueue = prepareOutbox(db);
    let isAway = true;
    const away = {
      get: async () => undefined,
      publishMany: bus.publishMany.bind(bus),
      publish: async (...call: Parameters<typeof bus.publish>) => {
        if (isAway) throw new BusError('CONNECTION_FAILED', 'away');
        return bus.publish(...call);
      },
    } as unknown as SinkBus;
    enqueue(order(1));
    const courier = outbox({ bus: away, db, ...quiet });
    await until('it has failed', () => courier.info().failed >= 2);
    expect(courier.info()).toMatchObject({
      state: 'waiting',
      lastError: { code: 'CONNECTION_FAILED' },
    });
    isAway = false;
    await until('it is published', () => rowsIn(db) === 0);
    await courier.stop();
  });

  it('refuses options that are none', async () => {
    const bus = await openTestBus();
    const db = openSqlite();
    for (const wrong of [
      { bus },
      { db },
      { bus, db, table: 'a"b' },
      { bus, db, batch: 0 },
      { bus: {}, db },
    ]) {
      expect(() => outbox(wrong as never)).toThrow(
        expect.objectContaining({ code: 'OPTION_INVALID' }),
      );
    }
    expect(() => prepareOutbox(db, '1')).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
    expect(() => prepareOutbox(db)(order(undefined))).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_INVALID' }),
    );
  });
});
