import { describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { Consumer, ConsumerOptions } from '../../../src/protocol/consumers.js';
import { type ProjectionStore, project } from '../../../src/sinks.js';
import { controls } from '../../bus/support/millrace.js';
import { openTestBus, temporaryDirectory } from '../../bus/support/open.js';
import { until, within } from '../../bus/support/wait.js';
import { openSqlite, type Sqlite } from '../sqlite.js';

interface Move {
  account: string;
  amount: number;
}

const quiet = { onError: () => {} };

/** A read model of accounts: balances, and the moves that made them. */
function accounts(path = ':memory:') {
  const db = openSqlite(path);
  db.exec('CREATE TABLE IF NOT EXISTS moves (id TEXT, account TEXT, amount INTEGER)');
  const apply = ({ id, payload }: { id: string; payload: Move }): void => {
    db.prepare('INSERT INTO moves VALUES (?, ?, ?)').run(id, payload.account, payload.amount);
    if (payload.amount < 0) throw new Error(`overdrawn by ${-payload.amount}`);
  };
  const clear = (): void => void db.exec('DELETE FROM moves');
  return { db, apply, clear };
}

function amountsOf({ db }: { db: Sqlite }): number[] {
  return db.prepare('SELECT amount FROM moves ORDER BY rowid').pluck().all() as number[];
}

function consumerOf(bus: Bus, options: Partial<ConsumerOptions<Move>> = {}) {
  return bus.consumer<Move>('accounts', {
    filter: 'accounts.*',
    from: 'earliest',
    order: 'topic',
    backoffMs: [0],
    ...options,
  });
}

async function publish(bus: Bus, ...amounts: number[]): Promise<void> {
  await bus.publishMany(
    amounts.map((amount) => ({
      topic: 'accounts.ann',
      type: 'account_moved',
      payload: { account: 'ann', amount },
    })),
  );
}

const isDone = async (consumer: Consumer<Move>): Promise<boolean> => {
  const { pending, inFlight } = await consumer.info();
  return pending === 0 && inFlight === 0;
};

describe('project', () => {
  it('keeps rows that are the fold of the events, over restarts', async () => {
    const dir = temporaryDirectory();
    const model = accounts();
    const all = Array.from({ length: 1500 }, (_, n) => n);
    for (const part of [all.slice(0, 700), all.slice(700)]) {
      const bus = await openTestBus({ dir, shards: 2 });
      const consumer = await consumerOf(bus);
      const projection = project({ consumer, ...model });
      await publish(bus, ...part);
      await until('all are applied', () => isDone(consumer));
      expect(projection.info()).toMatchObject({ name: 'accounts', done: part.length, repeated: 0 });
      await projection.stop();
      await bus.close();
    }
    expect(amountsOf(model)).toEqual(all);
    // What is done for good is named no longer.
    const text = model.db.prepare('SELECT position FROM millrace_projections').pluck().get();
    expect(String(text).length).toBeLessThan(8000);
  });

  it('applies an event once that comes again', async () => {
    const bus = await openTestBus();
    const model = accounts();
    const consumer = await consumerOf(bus);
    await publish(bus, 1, 2, 3);
    const first = project({ consumer, ...model });
    await until('all are applied', () => isDone(consumer));
    await consumer.seek('earliest');
    await until('they came again', () => first.info().repeated === 3);
    await until('all are done', () => isDone(consumer));
    expect(amountsOf(model)).toEqual([1, 2, 3]);
    await first.stop();
  });

  it('applies an event once in two projectors on one database, of which one lost its lease', async () => {
    const bus = await openTestBus();
    const path = `${temporaryDirectory()}/rows.db`;
    const model = accounts(path);
    const consumer = await consumerOf(bus, { leaseMs: 100, maxAttempts: 1000 });
    // A store that is stuck in its first transaction, before it has the lock, for longer than the lease.
    let release = (): void => {};
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isArmed = false;
    let isStuck = false;
    const slow = sqliteStore(openSqlite(path), async () => {
      if (!isArmed) return;
      isStuck = true;
      await stuck;
    });
    const late = project<Move, Sqlite>({
      consumer,
      db: slow,
      apply: ({ id, payload }, db) => {
        db.prepare('INSERT INTO moves VALUES (?, ?, ?)').run(id, payload.account, payload.amount);
      },
      ...quiet,
    });
    await late.ready;
    isArmed = true;
    await publish(bus, 1);
    await until('the first has it', () => isStuck);
    const prompt = project({ consumer, ...model, ...quiet });
    await until('the second has applied it', () => prompt.info().done === 1);
    release();
    await until('the first has seen that', () => late.info().repeated === 1);
    expect(amountsOf(model)).toEqual([1]);
    await Promise.all([late.stop(), prompt.stop()]);
  });

  it('undoes what a failed event wrote, and applies the others of its batch', async () => {
    const bus = await openTestBus();
    const model = accounts();
    let failures = 2;
    const consumer = await consumerOf(bus, { order: 'none' });
    await publish(bus, 1, 2, 3);
    const projection = project({
      consumer,
      db: model.db,
      apply: (event) => {
        model.apply(event);
        if (event.payload.amount === 2 && failures-- > 0) throw new Error('not yet');
      },
      ...quiet,
    });
    await until('all are applied', () => isDone(consumer));
    expect(amountsOf(model).sort()).toEqual([1, 2, 3]);
    await projection.stop();
  });

  it('ends at an event that cannot be applied, and goes on there once it can', async () => {
    const bus = await openTestBus();
    const model = accounts();
    const consumer = await consumerOf(bus);
    await publish(bus, 1, -2, 3);
    const projection = project({ consumer, ...model, attempts: 2, ...quiet });
    await expect(within('its end', projection.closed)).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringContaining('was not applied in 2 attempts'),
      details: { topic: 'accounts.ann', sequence: 2 },
    });
    expect(amountsOf(model)).toEqual([1]);
    expect(await consumer.info()).toMatchObject({ dead: 0 });
    const mended = project({
      consumer,
      db: model.db,
      apply: ({ id, payload }) => {
        model.apply({ id, payload: { ...payload, amount: Math.abs(payload.amount) } });
      },
    });
    await until('the rest is applied', () => mended.info().done === 2);
    expect(amountsOf(model)).toEqual([1, 2, 3]);
    await mended.stop();
  });

  it('lets an event die that cannot be applied, if asked, and applies it when it is redriven', async () => {
    const bus = await openTestBus();
    const model = accounts();
    const consumer = await consumerOf(bus, { deadLetter: 'dead.accounts' });
    await publish(bus, 1, -2, 3);
    let isMended = false;
    const projection = project({
      consumer,
      db: model.db,
      apply: ({ id, payload }) => {
        const amount = isMended ? Math.abs(payload.amount) : payload.amount;
        model.apply({ id, payload: { ...payload, amount } });
      },
      attempts: 1,
      onPoison: 'dead',
      ...quiet,
    });
    await until('it is dead', async () => (await consumer.info()).dead === 1);
    await until('the others are applied', () => projection.info().done === 2);
    // Enough that the projection settles, with the dead event before its floor.
    await publish(bus, ...Array.from({ length: 600 }, (_, n) => n + 10));
    await until('they are applied', () => projection.info().done === 602);
    await until('it knows of the dead', () => projection.info().missing === 1);
    isMended = true;
    await publish(bus, 1000);
    await consumer.redrive();
    await until('it is applied', () => projection.info().done === 604);
    expect(amountsOf(model)).toContain(2);
    await projection.stop();
  });

  it('builds its rows anew', async () => {
    const bus = await openTestBus({ shards: 2 });
    const model = accounts();
    const consumer = await consumerOf(bus);
    await publish(bus, 1, 2, 3);
    const projection = project({ consumer, ...model });
    await until('all are applied', () => isDone(consumer));
    model.db.exec('UPDATE moves SET amount = 100');
    await projection.reset();
    await publish(bus, 4);
    await until('all are applied again', () => projection.info().done === 7);
    expect(amountsOf(model)).toEqual([1, 2, 3, 4]);
    await projection.stop();
    const without = project({ consumer, db: model.db, apply: model.apply });
    await expect(without.reset()).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await without.stop();
  });

  it('completes a reset that was cut short', async () => {
    const bus = await openTestBus();
    const model = accounts();
    const consumer = await consumerOf(bus);
    await publish(bus, 1, 2, 3);
    const projection = project({ consumer, ...model });
    await until('all are applied', () => isDone(consumer));
    const cut = {
      name: consumer.name,
      info: () => consumer.info(),
      run: consumer.run.bind(consumer),
      seek: () => Promise.reject(new Error('the process died')),
    } as unknown as Consumer<Move>;
    await projection.stop();
    const dying = project({ consumer: cut, ...model });
    await dying.ready;
    await expect(dying.reset()).rejects.toThrow('the process died');
    await dying.stop();
    expect(amountsOf(model)).toEqual([]);
    const next = project({ consumer, ...model });
    await until('all are there', () => next.info().done === 3);
    expect(amountsOf(model)).toEqual([1, 2, 3]);
    await next.stop();
  });

  it('keeps its events while the database is away, at no cost of an attempt', async () => {
    const bus = await openTestBus();
    const model = accounts();
    const consumer = await consumerOf(bus, { leaseMs: 2000, maxAttempts: 1 });
    let isAway = false;
    const store = sqliteStore(model.db, () => {
      if (isAway) throw new Error('the database is away');
    });
    const projection = project<Move, Sqlite>({
      consumer,
      db: store,
      apply: (event) => model.apply(event),
      ...quiet,
    });
    await projection.ready;
    isAway = true;
    await publish(bus, 1);
    await until('it was away for longer than a lease', () => projection.info().failed >= 5);
    expect(projection.info()).toMatchObject({ state: 'waiting', done: 0 });
    isAway = false;
    await until('it is applied', () => projection.info().done === 1);
    expect(await consumer.info()).toMatchObject({ dead: 0 });
    await projection.stop();
  });

  it('refuses rows of another history', async () => {
    const bus = await openTestBus();
    const model = accounts();
    const consumer = await consumerOf(bus);
    await publish(bus, 1);
    const projection = project({ consumer, ...model });
    await until('all are applied', () => isDone(consumer));
    await projection.stop();
    model.db.exec(
      `UPDATE millrace_projections SET position = replace(position, '${bus.epoch}', 'other')`,
    );
    const other = project({ consumer, ...model, ...quiet });
    await expect(within('its end', other.closed)).rejects.toMatchObject({
      code: 'SINK_FAILED',
      details: { found: 'other' },
    });
    await other.reset();
    const anew = project({ consumer, ...model });
    await until('all are there', () => anew.info().done === 1);
    expect(amountsOf(model)).toEqual([1]);
    await anew.stop();
  });

  it('goes on while threads of shards are killed', async () => {
    const bus = await openTestBus({ shards: 2 });
    const model = accounts();
    const consumer = await consumerOf(bus, { maxAttempts: 1000 });
    const projection = project({ consumer, ...model, ...quiet });
    const all = Array.from({ length: 400 }, (_, n) => n);
    for (let kill = 0; kill < 6; kill++) {
      await publish(bus, ...all.slice(kill * 50, kill * 50 + 50));
      await controls(bus).killShard(kill % 2);
    }
    await publish(bus, ...all.slice(300));
    await until('all are applied', () => projection.info().done === 400);
    expect(amountsOf(model)).toEqual(all);
    await projection.stop();
  });

  it('refuses options that are none, and an apply that is asynchronous', async () => {
    const bus = await openTestBus();
    const consumer = await consumerOf(bus);
    const { db, apply } = accounts();
    for (const wrong of [
      { consumer, db, apply, batch: 0 },
      { consumer, db, apply, onPoison: 'skip' },
      { consumer, db: {}, apply },
      { consumer: {}, db, apply },
      { consumer, db },
      {},
      { consumer, db, apply, aplly: 1 },
    ]) {
      expect(() => project(wrong as never)).toThrow(
        expect.objectContaining({ code: 'OPTION_INVALID' }),
      );
    }
    const later = async (): Promise<void> => {
      throw new Error('later');
    };
    await publish(bus, 1);
    const projection = project({ consumer, db, apply: later as never, attempts: 1, ...quiet });
    await expect(within('its end', projection.closed)).rejects.toThrow('has to be synchronous');
  });
});

/** The connection as a store with asynchronous functions; `first` comes before each transaction. */
function sqliteStore(db: Sqlite, first: () => void | Promise<void>): ProjectionStore<Sqlite> {
  db.exec(
    'CREATE TABLE IF NOT EXISTS millrace_projections (name TEXT PRIMARY KEY, position TEXT NOT NULL)',
  );
  return {
    begin: async () => {
      await first();
      db.exec('BEGIN IMMEDIATE');
      return db;
    },
    position: async (_, name) =>
      db.prepare('SELECT position FROM millrace_projections WHERE name = ?').pluck().get(name) as
        | string
        | undefined,
    commit: async (_, name, position) => {
      db.prepare('INSERT OR REPLACE INTO millrace_projections VALUES (?, ?)').run(name, position);
      db.exec('COMMIT');
    },
    rollback: async () => {
      if (db.inTransaction) db.exec('ROLLBACK');
    },
  };
}
