import { afterEach, describe, expect, it } from 'vitest';
import type { Bus, BusOptions } from '../../src/main/bus.js';
import type { ConsumerOptions } from '../../src/protocol/consumers.js';
import { BusError } from '../../src/protocol/errors.js';
import type { Event } from '../../src/protocol/event.js';
import type { ForwardOptions } from '../../src/sinks/forward/forward-options.js';
import type { Sink, SinkBus } from '../../src/sinks/sink.js';
import { project } from '../../src/sinks.js';
import { openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { forward, outbox, prepareOutbox } from './built.js';
import { openSqlite, type Sqlite } from './sqlite.js';

/** Each effect is there once, also where one side is moved, made anew or put back, long after the bus has forgotten ids. */

const sinks: Sink[] = [];
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
});
const started = <S extends Sink>(sink: S): S => {
  sinks.push(sink);
  return sink;
};

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const definition: ConsumerOptions<number> = {
  filter: 'a.*',
  from: 'earliest',
  order: 'topic',
  backoffMs: [5],
  maxAttempts: 1000,
};

async function publish(bus: Bus, first: number, count: number): Promise<void> {
  const inputs = upTo(count).map((n) => ({
    topic: `a.${n % 3}`,
    type: 'added',
    payload: first + n,
  }));
  await bus.publishMany(inputs);
}

const numbersIn = (db: Sqlite): number[] =>
  (db.prepare('SELECT n FROM seen ORDER BY n').pluck().all() as number[]) ?? [];

describe('the effect of each event on a read model', () => {
  /** A projection that adds a row for each event, without a look at those that are there. */
  async function game(path: string, bus: Bus) {
    const db = openSqlite(path);
    db.exec('CREATE TABLE IF NOT EXISTS seen (n INTEGER NOT NULL)');
    const consumer = await bus.consumer<number>('rows', { ...definition, order: 'none' });
    const start = () =>
      started(
        project({
          consumer,
          db,
          apply: ({ payload }) => void db.prepare('INSERT INTO seen VALUES (?)').run(payload),
        }),
      );
    const done = () =>
      until('all are done', async () => {
        const { pending, inFlight } = await consumer.info();
        return pending + inFlight === 0;
      });
    return { db, consumer, start, done };
  }

  it('is there once after the consumer was deleted and made again, in between and at the end', async () => {
    const bus = await openTestBus({ shards: 2 });
    const path = `${temporaryDirectory()}/rows.db`;
    for (const round of upTo(3)) {
      await publish(bus, round * 600, 600);
      const { start, done, db, consumer } = await game(path, bus);
      const sink = start();
      await done();
      expect(numbersIn(db)).toEqual(upTo((round + 1) * 600));
      await sink.stop();
      await consumer.delete();
      db.close();
    }
  });

  it('is there once after the database was put back to an older copy, and the consumer moved back', async () => {
    const bus = await openTestBus({ shards: 2 });
    const path = `${temporaryDirectory()}/rows.db`;
    const { db, start, done } = await game(path, bus);
    await publish(bus, 0, 1500);
    const first = start();
    await done();
    const copy = `${temporaryDirectory()}/copy.db`;
    db.exec(`VACUUM INTO '${copy}'`);
    await publish(bus, 1500, 1500);
    await done();
    await first.stop();
    const second = await game(copy, bus);
    expect(numbersIn(second.db)).toEqual(upTo(1500));
    await second.consumer.seek('earliest');
    const sink = second.start();
    await publish(bus, 3000, 10);
    await second.done();
    expect(numbersIn(second.db)).toEqual(upTo(3010));
    expect(sink.info()).toMatchObject({ repeated: 1500, done: 1510 });
  });
});

describe('the event of each row of an outbox', () => {
  const numbersOf = async (bus: Bus): Promise<unknown[]> =>
    (await bus.query({ topic: 'a.*', limit: 10_000 })).map(({ payload }) => payload);
  const rowsIn = (db: Sqlite): number =>
    db.prepare('SELECT count(*) FROM outbox').pluck().get() as number;

  it('is there once where the program holds a transaction until the bus has forgotten the ids', async () => {
    const bus = await openTestBus({ shards: 1, dedupeIdsMax: 0 });
    const db = openSqlite();
    const enqueue = prepareOutbox(db);
    let hasBegun = false;
    // The program begins while the rows are on their way, on the very connection.
    const slow = Object.assign(Object.create(bus), {
      get: bus.get.bind(bus),
      publishMany: async (...call: Parameters<Bus['publishMany']>) => {
        const acks = await bus.publishMany(...call);
        if (!hasBegun) db.exec('BEGIN');
        hasBegun = true;
        return acks;
      },
    }) as SinkBus;
    for (const n of upTo(5)) enqueue({ topic: 'a.x', type: 'added', payload: n });
    const courier = started(outbox({ bus: slow, db, pollMs: 1 }));
    await until('it is published', async () => (await numbersOf(bus)).length === 5);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(rowsIn(db)).toBe(5);
    db.exec('COMMIT');
    await until('the rows are gone', () => rowsIn(db) === 0);
    expect(await numbersOf(bus)).toEqual(upTo(5));
    expect(courier.info()).toMatchObject({ failed: 0, duplicates: 5 });
  });

  it('is there once after the database was put back to an older copy', async () => {
    const bus = await openTestBus({ shards: 1, dedupeIdsMax: 0 });
    const db = openSqlite(`${temporaryDirectory()}/app.db`);
    const enqueue = prepareOutbox(db);
    for (const n of upTo(300)) enqueue({ topic: `a.${n % 3}`, type: 'added', payload: n });
    const copy = `${temporaryDirectory()}/copy.db`;
    db.exec(`VACUUM INTO '${copy}'`);
    const first = started(outbox({ bus, db, pollMs: 1 }));
    await until('all are published', () => rowsIn(db) === 0);
    await first.stop();
    const older = openSqlite(copy);
    prepareOutbox(older)({ topic: 'a.0', type: 'added', payload: 300 });
    expect(rowsIn(older)).toBe(301);
    started(outbox({ bus, db: older, pollMs: 1 }));
    await until('all are taken', () => rowsIn(older) === 0);
    expect((await numbersOf(bus)).sort((a, b) => Number(a) - Number(b))).toEqual(upTo(301));
  });
});

describe('each forwarded event', () => {
  const forgetful: BusOptions = { dir: ':memory:', shards: 1, dedupeIdsMax: 0 };
  const numbersOf = async (bus: Bus): Promise<number[]> =>
    (await bus.query({ topic: 'a.*', limit: 10_000 }))
      .map(({ payload }: Event) => Number(payload))
      .sort((a, b) => a - b);

  async function forwarded(here: Bus, options: Partial<ForwardOptions>) {
    const consumer = await here.consumer('out', definition);
    const all = { here: 'h', there: 't', onError: () => {}, ...options } as ForwardOptions;
    const sink = started(forward({ ...all, consumer: consumer as never }));
    const acked = (count: number) =>
      until(`${count} are done`, async () => (await consumer.info()).acked === count);
    return { consumer, sink, acked };
  }

  it('is there once after a seek and a new consumer, where all are looked up', async () => {
    const [here, there] = [await openTestBus({ dir: ':memory:' }), await openTestBus(forgetful)];
    await publish(here, 0, 60);
    const { consumer, sink, acked } = await forwarded(here, { to: there, lookUp: 'all' });
    await acked(60);
    await consumer.seek('earliest');
    await acked(120);
    expect(sink.info().duplicates).toBe(60);
    await sink.stop();
    await consumer.delete();
    const again = await forwarded(here, { to: there, lookUp: 'all' });
    await again.acked(60);
    expect(await numbersOf(there)).toEqual(upTo(60));
  });

  it('goes on, with a token that may publish and not look', async () => {
    const [here, there] = [await openTestBus({ dir: ':memory:' }), await openTestBus(forgetful)];
    await publish(here, 0, 9);
    const to = {
      publish: there.publish.bind(there),
      publishMany: there.publishMany.bind(there),
      get: () => Promise.reject(new BusError('FORBIDDEN', 'may not subscribe')),
    } as unknown as ForwardOptions['to'];
    const { acked } = await forwarded(here, { to, lookUp: 'all' });
    await acked(9);
    expect(await numbersOf(there)).toEqual(upTo(9));
  });
});
