import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BusError } from '../../src/protocol/errors.js';
import { openDatabase } from '../../src/store/sqlite/driver/driver.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

/** A directory in which rows of what is published later are damaged: they are told of, and the others go on. */

const event = (topic: string, id: string) => ({ topic, type: 'note', payload: id, id });
const corrupt = { code: 'STORE_CORRUPT' };
const YEARLY = '0 0 1 1 *';

async function damaged(sql: string) {
  const dir = temporaryDirectory();
  const before = await openTestBus({ dir, shards: 1 });
  const times = ['a', 'b', 'c', 'd'].map((id, n) => [id, 3_600_000 + n * 1000] as const);
  for (const [id, delayMs] of times) await before.publish(event('later', id), { delayMs });
  for (const name of ['one', 'two', 'three']) {
    const input = { topic: `due.${name}`, type: 'due', payload: name };
    await before.schedules.set(
      name,
      name === 'two' ? { everyMs: 1000, event: input } : { cron: YEARLY, event: input },
    );
  }
  await before.close();
  const database = openDatabase(join(dir, 'shard-000.db'));
  database.exec(sql);
  database.close();
  const errors: BusError[] = [];
  const bus = await openTestBus({ dir, onError: (error) => errors.push(error) });
  return { bus, errors };
}

test('a damaged publish that waits is counted by lists, and the others are listed and cancelled', async () => {
  const { bus } = await damaged(
    "UPDATE scheduled SET record = zeroblob(length(record)) WHERE id = 'b'",
  );
  const ids = async (query = {}) => {
    const { publishes, damaged: count } = await bus.scheduled(query);
    return [publishes.map(({ id }) => id), count];
  };
  expect(await ids()).toEqual([['a', 'c', 'd'], 1]);
  expect(await ids({ id: 'c' })).toEqual([['c'], undefined]);
  const first = await bus.scheduled({ limit: 2 });
  expect(first.publishes.map(({ id }) => id)).toEqual(['a', 'c']);
  expect(await ids({ after: first.next })).toEqual([['d'], undefined]);
  expect(await bus.cancel('a')).toBe(true);
  expect(await bus.cancel('c', { topic: 'later' })).toBe(true);
  await expect(bus.cancel('b')).rejects.toMatchObject(corrupt);
  await expect(bus.cancel('b', { topic: 'later' })).rejects.toMatchObject(corrupt);
  expect(await bus.cancel('none')).toBe(false);
  expect(await ids()).toEqual([['d'], 1]);
});

test('a damaged schedule publishes nothing and is told of, and the others go on', async () => {
  const { bus, errors } = await damaged(
    "UPDATE schedules SET fired = fired + 1 WHERE name = 'one'",
  );
  await until('it is told of', () => errors.length > 0);
  expect(errors).toMatchObject([{ ...corrupt, message: expect.stringContaining('one') }]);
  const { schedules } = bus;
  expect((await schedules.list()).map(({ name }) => name)).toEqual(['three', 'two']);
  await until('another one is due', async () => (await schedules.get('two'))!.fired > 0);
  await expect(schedules.get('one')).rejects.toMatchObject(corrupt);
  await expect(schedules.pause('one')).rejects.toMatchObject(corrupt);
  expect(await schedules.pause('three')).toMatchObject({ isPaused: true });
  const input = { topic: 'due.one', type: 'due', payload: 1 };
  expect(await schedules.set('one', { cron: YEARLY, event: input })).toMatchObject({ fired: 0 });
  expect((await schedules.get('one'))!.event).toMatchObject(input);
  expect((await schedules.list()).map(({ name }) => name)).toEqual(['one', 'three', 'two']);
});

test('a damaged schedule may be deleted', async () => {
  const { bus } = await damaged("UPDATE schedules SET definition = 'x' WHERE name = 'one'");
  expect(await bus.schedules.delete('one')).toBe(true);
  expect(await bus.schedules.get('one')).toBeUndefined();
  expect(await bus.schedules.delete('one')).toBe(false);
});

test('a schedule that has vanished is told of', async () => {
  const { bus, errors } = await damaged("DELETE FROM schedules WHERE name = 'one'");
  await until('it is told of', () => errors.length > 0);
  expect(errors).toMatchObject([{ ...corrupt, message: expect.stringContaining('2 rows, not 3') }]);
  expect(await bus.schedules.list()).toHaveLength(2);
});
