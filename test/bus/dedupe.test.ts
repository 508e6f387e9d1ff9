import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventInput, PublishAck } from '../../src/protocol/event.js';
import { DEDUPE_WINDOW_MS } from '../../src/protocol/limits/store.js';
import { reshard } from '../../src/store/upkeep/reshard.js';
import { restore } from '../../src/store/upkeep/restore.js';
import { verifyDirectory } from '../../src/store/upkeep/verify.js';
import { Collector, gather } from './support/collector.js';
import { controls } from './support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { expectWithoutHoles, linesOf, stored } from './support/oracle.js';
import { holds, propertyTimeoutMs } from './support/properties.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { until, within } from './support/wait.js';

const sequencesOf = (acks: readonly PublishAck[]) => acks.map(({ sequence }) => sequence);

/** An event with an id from its publisher is stored once within the window, and each repeat gets the first ack. */
const order = (id: string, payload: unknown = id): EventInput => ({
  topic: 'orders',
  type: 'task_created',
  payload,
  id,
});

/** Checks that an ack repeats the first one, marked as a duplicate; its durability may differ. */
function expectRepeat(repeat: PublishAck, first: PublishAck): void {
  const { id, topic, shard, sequence } = first;
  expect(repeat).toMatchObject({ id, topic, shard, sequence, duplicate: true });
}

describe('an id given by the publisher', () => {
  test('is stored once and answered with the first ack', async () => {
    const bus = await openTestBus({ shards: 2 });
    const live = await Collector.start(bus, '*');
    const first = await bus.publish(order('o-1'));
    expect(first).toMatchObject({ id: 'o-1', duplicate: false });
    expectRepeat(await bus.publish(order('o-1', 'another payload')), first);
    expectRepeat((await bus.publishMany([order('o-1')]))[0]!, first);
    const second = await bus.publish(order('o-2'));
    expect(second.sequence).toBe(first.sequence! + 1);
    await live.count(2);
    await within('drain', bus.drain());
    expect(live.payloads).toEqual(['o-1', 'o-2']);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(2);
    const stats = await bus.stats();
    expect(stats.published).toBe(2);
    expect(stats.shards.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(2);
  });

  test('repeated within one batch is stored once', async () => {
    const bus = await openTestBus({ shards: 1 });
    const inputs = ['a', 'b', 'a', 'c', 'b', 'a'].map((id) => order(id));
    const acks = await bus.publishMany(inputs);
    expect(acks.map(({ duplicate }) => duplicate)).toEqual([false, false, true, false, true, true]);
    expect(acks.map(({ sequence }) => sequence)).toEqual([1, 2, 1, 3, 2, 1]);
    const many = await Promise.all(Array.from({ length: 300 }, () => bus.publish(order('d'))));
    expect(many.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(many.map(({ sequence }) => sequence))).toEqual(new Set([4]));
  });

  test('is known after the bus was closed and opened again', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 2 });
    const first = await bus.publish(order('o-1'));
    await bus.close();
    bus = await openTestBus({ dir });
    expectRepeat(await bus.publish(order('o-1')), first);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(1);
  });

  test('is known after its shard was killed', async () => {
    const bus = await openTestBus({ shards: 2 });
    const first = await bus.publish(order('o-1'));
    await controls(bus).killShard(first.shard);
    expectRepeat(await bus.publish(order('o-1')), first);
  });

  test('is the same id from any source', async () => {
    const bus = await openTestBus({ shards: 2 });
    const worker = await RemoteEndpoint.attach(bus);
    const first = await bus.publish(order('o-1'));
    expectRepeat(await worker.publish(order('o-1')), first);
    const second = await worker.publish(order('o-2'));
    expectRepeat(await bus.publish(order('o-2')), second);
    await worker.terminate();
  });

  test('of a refused publish can be used again', async () => {
    const bus = await openTestBus({ shards: 1 });
    await expect(bus.publish({ ...order('o-1'), payload: undefined })).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
    });
    expect(await bus.publish(order('o-1'))).toMatchObject({ duplicate: false, sequence: 1 });
  });

  test('names another event on another topic, even in the same shard', async () => {
    const bus = await openTestBus({ shards: 2 });
    const topics = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const inputs = topics.map((topic) => ({ ...order('o-1'), topic }));
    const acks = await Promise.all(inputs.map((input) => bus.publish(input)));
    expect(acks.map(({ duplicate }) => duplicate)).toEqual(topics.map(() => false));
    const again = await bus.publishMany(inputs);
    for (const [at, ack] of again.entries()) expectRepeat(ack, acks[at]!);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(topics.length);
  });

  test('names another event from another source with idScope source', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1 });
    const scoped = { idScope: 'source' } as const;
    const from = (source: string): EventInput => ({ ...order('o-1'), source });
    const first = await bus.publish(from('shop'), scoped);
    const second = await bus.publish(from('mill'), scoped);
    const plain = await bus.publish(from('shop'));
    expect([first, second, plain].map(({ duplicate }) => duplicate)).toEqual([false, false, false]);
    await bus.close();
    bus = await openTestBus({ dir });
    expectRepeat(await bus.publish(from('shop'), scoped), first);
    expectRepeat(await bus.publish(from('mill'), scoped), second);
    expectRepeat(await bus.publish(from('elsewhere')), plain);
    await expect(bus.publish(order('o-1'), { idScope: 'bus' as 'topic' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  test('is known after its event was pruned and the bus was opened again', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1 });
    const first = await bus.publish(order('o-1'));
    await bus.publish({ ...order('o-2'), topic: 'other' });
    await bus.prune({ pattern: 'orders', maxEvents: 0 });
    await bus.close();
    bus = await openTestBus({ dir });
    expectRepeat(await bus.publish(order('o-1')), first);
    await controls(bus).killShard(0);
    expectRepeat(await bus.publish(order('o-1')), first);
    expect(await gather(bus.read({ topic: 'orders' }))).toEqual([]);
  });

  test('is known in every copy of the log: a backup, a restored directory, and one with another number of shards', async () => {
    const root = temporaryDirectory();
    const dir = join(root, 'data');
    const bus = await openTestBus({ dir, shards: 2 });
    const topics = Array.from({ length: 12 }, (_, n) => `orders.${n}`);
    const own = (topic: string): EventInput => ({ ...order('own'), topic });
    const firsts = await bus.publishMany(topics.map(own));
    const kept = topics.map((topic) => ({ ...order('kept'), topic: `kept.${topic}` }));
    await bus.publishMany(kept);
    await bus.prune({ pattern: 'orders.*', maxEvents: 0 });
    await bus.backup(join(root, 'backup'));
    await closeTestBus(bus);
    restore(join(root, 'backup'), join(root, 'restored'));
    for (const shards of [1, 3]) reshard({ from: dir, shards, to: join(root, `shards-${shards}`) });
    for (const copy of ['backup', 'restored', 'shards-1', 'shards-3']) {
      const again = await openTestBus({ dir: join(root, copy) });
      const repeats = await again.publishMany(topics.map(own));
      expect(repeats.map(({ duplicate }) => duplicate)).toEqual(topics.map(() => true));
      if (!copy.startsWith('shards')) expect(sequencesOf(repeats)).toEqual(sequencesOf(firsts));
      expect(await gather(again.read({ topic: 'orders.*' }))).toEqual([]);
      const acks = await again.publishMany(kept);
      const events = await gather(again.read({ topic: 'kept.*' }));
      const inOrder = (all: readonly { topic: string; sequence?: number }[]) =>
        all.map(({ topic, sequence }) => `${topic} ${sequence}`).sort();
      expect(inOrder(acks)).toEqual(inOrder(events));
      const fresh = await again.publish({ ...order('fresh'), topic: topics[0]! });
      expect(fresh.duplicate).toBe(false);
      await closeTestBus(again);
      expect([...verifyDirectory(join(root, copy))]).toEqual([]);
    }
  });

  test('is known among more ids than a small window would hold', async () => {
    const bus = await openTestBus({ shards: 1 });
    const first = await bus.publish(order('o-1'));
    for (let batch = 0; batch < 4; batch++) {
      const ids = Array.from({ length: 30_000 }, (_, n) => `id-${batch}-${n}`);
      await bus.publishMany(
        ids.map((id) => order(id, null)),
        { durability: 'written' },
      );
    }
    expectRepeat(await bus.publish(order('o-1')), first);
    expect((await bus.stats()).shards[0]!.dedupeReachMs).toBe(DEDUPE_WINDOW_MS);
  });

  test('is forgotten once the window holds more recent ids only', async () => {
    const bus = await openTestBus({ shards: 1, dedupeIdsMax: 50 });
    await bus.publish(order('old'));
    const ids = Array.from({ length: 2000 }, (_, n) => `id-${n}`);
    await bus.publishMany(ids.map((id) => order(id)));
    const recent = await bus.publishMany(ids.slice(-50).map((id) => order(id)));
    expect(recent.every(({ duplicate }) => duplicate)).toBe(true);
    expect((await bus.publish(order('old'))).duplicate).toBe(false);
  });

  test('is forgotten after the dedupe window', async () => {
    const bus = await openTestBus({ shards: 1, dedupeWindowMs: 1 });
    await bus.publish(order('old'));
    await until('forgotten', async () => !(await bus.publish(order('old'))).duplicate);
  });

  test('is known after its event was pruned', async () => {
    const bus = await openTestBus({ shards: 1, retention: [{ maxEvents: 10 }] });
    const first = await bus.publish(order('o-1'));
    await bus.publishMany(Array.from({ length: 3000 }, (_, n) => order(`id-${n}`)));
    await until('pruned', async () => (await bus.topics())[0]!.firstSequence > 1);
    expectRepeat(await bus.publish(order('o-1')), first);
  });

  test(
    'property: any mix of repeats, restarts and kills stores each id once',
    async () => {
      const step = fc.oneof(
        { weight: 8, arbitrary: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 60 }) },
        { weight: 1, arbitrary: fc.constant('reopen' as const) },
        { weight: 2, arbitrary: fc.constant('kill' as const) },
      );
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 2 }),
        fc.constantFrom(1, 5, 4096),
        fc.array(step, { minLength: 2, maxLength: 12 }),
        async (shards, commitBatchEvents, steps) => {
          const dir = temporaryDirectory();
          const options = { dir, shards, commitBatchEvents, ringBytes: 4096 };
          let bus = await openTestBus(options);
          const acks: PublishAck[] = [];
          for (const one of steps) {
            if (one === 'reopen') {
              await closeTestBus(bus);
              bus = await openTestBus(options);
            } else if (one === 'kill') await controls(bus).killShard(acks.length % shards);
            else {
              const publishes = one.map((n) =>
                bus.publish({ ...order(`i${n % 7}`), topic: `t.${n}` }),
              );
              acks.push(...(await within('the acks', Promise.all(publishes))));
            }
          }
          expectWithoutHoles(acks);
          const keyOf = ({ topic, id }: PublishAck): string => `${topic}/${id}`;
          const firsts = new Map(stored(acks).map((ack) => [keyOf(ack), ack]));
          for (const ack of acks) {
            const first = firsts.get(keyOf(ack))!;
            expect([ack.shard, ack.sequence]).toEqual([first.shard, first.sequence]);
          }
          const all = await gather(bus.read({ topic: '*' }));
          expect(linesOf(all).sort()).toEqual(linesOf([...firsts.values()]).sort());
          await closeTestBus(bus, dir);
        },
      );
      await holds(property, 12);
    },
    propertyTimeoutMs(12),
  );
});
