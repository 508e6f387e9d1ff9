import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { defineTopic } from '../../src/protocol/define-topic.js';
import { INDEX_BLOCK_EVENTS } from '../../src/store/sqlite/tables/tables.js';
import { openTestBus, temporaryDirectory } from './support/open.js';

const input = (topic: string, payload: unknown) => ({ topic, type: 'note', payload });

describe('an event by its id', () => {
  test('is found on its topic, by a pattern and among all topics, of any shard', async () => {
    const bus = await openTestBus({ shards: 3 });
    for (let n = 0; n < 9; n++) {
      const ack = await bus.publish({ ...input(`a.${n}`, n), correlationId: 'run' });
      for (const topic of [`a.${n}`, 'a.*', '*', ['b', 'a.+']]) {
        expect(await bus.get(topic, ack.id)).toMatchObject({
          id: ack.id,
          topic: `a.${n}`,
          payload: n,
          correlationId: 'run',
          shard: ack.shard,
          sequence: ack.sequence,
        });
      }
      expect(await bus.get('b.*', ack.id)).toBeUndefined();
      expect(await bus.get(`a.${n + 1}`, ack.id)).toBeUndefined();
    }
  });

  test('is undefined if it was never stored, or is pruned', async () => {
    const bus = await openTestBus({ shards: 2 });
    const kept = await bus.publish(input('a', 1));
    const passed = await bus.publish(input('a', 2), { persist: false });
    expect(await bus.get('a', passed.id)).toBeUndefined();
    expect(await bus.get('*', 'nothing-of-that-name')).toBeUndefined();
    await bus.prune({ maxEvents: 0 });
    expect(await bus.get('a', kept.id)).toBeUndefined();
  });

  test('is the newest of several, or that of a source if ids belong to sources', async () => {
    const bus = await openTestBus({ shards: 1, dedupeWindowMs: 0 });
    for (const source of ['x', 'y', 'x']) {
      await bus.publish({ ...input('a', source), id: 'one', source }, { idScope: 'source' });
    }
    await bus.publish({ ...input('b', 'other topic'), id: 'one', source: 'x' });
    expect(await bus.get('a', 'one')).toMatchObject({ source: 'x', sequence: 3 });
    expect(await bus.get('a', 'one', { source: 'y' })).toMatchObject({ sequence: 2 });
    expect(await bus.get('*', 'one')).toMatchObject({ topic: 'b', sequence: 4 });
    expect(await bus.get('a', 'one', { source: 'z' })).toBeUndefined();
  });

  test('is found however old it is, and after the bus was opened again', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1 });
    const ids: string[] = [];
    const total = 2.5 * INDEX_BLOCK_EVENTS;
    for (let from = 0; from < total; from += 4096) {
      const inputs = Array.from({ length: 4096 }, (_, n) => input(`t.${n % 5}`, from + n));
      const acks = await bus.publishMany(inputs, { durability: 'written' });
      ids.push(...acks.map(({ id }) => id));
    }
    const places = [0, 1, INDEX_BLOCK_EVENTS - 2, INDEX_BLOCK_EVENTS - 1, INDEX_BLOCK_EVENTS];
    for (const at of [...places, 2 * INDEX_BLOCK_EVENTS, total - 1]) {
      expect(await bus.get('*', ids[at]!)).toMatchObject({ payload: at, sequence: at + 1 });
    }
    await bus.close();
    bus = await openTestBus({ dir });
    for (const at of [...places, total - 1]) {
      const { topic } = (await bus.get('*', ids[at]!))!;
      expect(await bus.get(topic, ids[at]!)).toMatchObject({ payload: at });
    }
    expect(await bus.get('t.*', 'absent')).toBeUndefined();
  });

  test('is found on a bus in memory, and typed by a definition', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 2 });
    const orders = defineTopic('orders.new', v.object({ total: v.number() }));
    const { id } = await bus.publish({ topic: 'orders.new', type: 'o', payload: { total: 3 } });
    const event = await bus.get(orders, id);
    const total: number | undefined = event?.payload.total;
    expect(total).toBe(3);
  });

  test('needs a well-formed id', async () => {
    const bus = await openTestBus();
    const refused = { code: 'QUERY_INVALID', details: { path: 'id' } };
    await expect(bus.get('a', 'a b')).rejects.toMatchObject(refused);
    await expect(bus.get('a', '')).rejects.toMatchObject(refused);
    await expect(bus.get('a.#', 'x')).rejects.toMatchObject({ code: 'PATTERN_INVALID' });
    const options = { sources: 'x' } as object;
    await expect(bus.get('a', 'x', options)).rejects.toMatchObject({
      code: 'QUERY_INVALID',
      details: { path: 'sources' },
    });
    const nonsense: readonly unknown[] = [null, 'x', []];
    for (const none of nonsense) {
      await expect(bus.get('a', 'x', none as object)).rejects.toMatchObject({
        code: 'QUERY_INVALID',
        details: { path: 'options' },
      });
    }
    const missing: unknown = undefined;
    await expect(bus.get(missing as string, 'x')).rejects.toMatchObject({
      code: 'QUERY_INVALID',
      details: { path: 'topic' },
    });
  });
});
