import { describe, expect, onTestFinished, test } from 'vitest';
import { openBus } from '../../dist/index.js';
import type { LogStore, OpenStore } from '../../dist/store.js';
import { memoryBroker } from '../../dist/testing.js';

type Durability = NonNullable<OpenStore['durability']>;

/** The broker in memory, whose ack is said to be worth something else. */
function storeWorth(durability: Durability): LogStore {
  const broker = memoryBroker();
  onTestFinished(() => broker.close());
  const store = broker.connect();
  return {
    name: store.name,
    open: async (request) => {
      const open = await store.open(request);
      return new Proxy(open, {
        get: (target, key) => {
          if (key === 'durability') return durability;
          const value: unknown = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

async function busOn(store: LogStore) {
  const bus = await openBus({ store, systemEvents: false });
  onTestFinished(() => bus.close());
  return bus;
}

const event = { topic: 't', type: 'x', payload: 1 };

describe('the store of a bus', () => {
  test.each<Durability>(['replicated', 'written'])(
    'that is worth `%s` has acks that say so',
    async (worth) => {
      const bus = await busOn(storeWorth(worth));
      const named = { ...event, id: 'named' };
      expect(await bus.publish(event)).toMatchObject({ durability: worth, sequence: 1 });
      expect(await bus.publish(named, { durability: 'synced' })).toMatchObject({
        durability: worth,
      });
      expect(await bus.publish(named)).toMatchObject({ durability: worth, duplicate: true });
      expect(await bus.publish(event, { durability: 'written' })).toMatchObject({
        durability: 'written',
      });
      expect(await bus.publish(event, { persist: false })).toMatchObject({ durability: 'none' });
      const many = await bus.publishMany([event, event]);
      expect(many.map(({ durability }) => durability)).toEqual([worth, worth]);
    },
  );

  test('takes the place of a directory', async () => {
    const store = storeWorth('written');
    await expect(openBus({ dir: './data', store })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: 'openBus: dir: has no meaning with a store, which keeps the logs',
    });
  });

  test.each([[null], ['nats://127.0.0.1'], [{ name: 'x' }]])(
    'is refused where it is %j',
    async (given) => {
      const refused = openBus({ store: given as unknown as LogStore });
      await expect(refused).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('store: has to be a LogStore'),
      });
    },
  );

  test('is named where it divides topics in another way', async () => {
    const store = storeWorth('written');
    const refused = openBus({ store, shardBy: { segments: 1 } });
    await expect(refused).rejects.toMatchObject({
      code: 'SHARD_BY_MISMATCH',
      message: expect.stringContaining('a bus on a broker in memory divides topics'),
    });
  });
});
