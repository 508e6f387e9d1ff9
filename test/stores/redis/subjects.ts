import { onTestFinished } from 'vitest';
import type * as index from '../../../src/index.js';
import type { Bus, BusOptions } from '../../../src/main/bus.js';
import type { RedisStoreOptions } from '../../../src/store/redis/redis-options.js';
import type { FreshStore, StoreUnderTest } from '../../../src/testing.js';
import { built } from '../../testing/subjects.js';
import { RedisServer } from './redis-server.js';

/** The built one, because a bus's threads load built modules. */
export const { redisStore, openBus } = await built<typeof index>('index');

let prefixes = 0;

/** A prefix that no other store of this process has. */
export function freshPrefix(): string {
  return `test-${++prefixes}`;
}

/** Stores on one server, each under a prefix of its own. */
export function onRedis(
  server: () => RedisServer,
  options: RedisStoreOptions = {},
): StoreUnderTest {
  return {
    isShared: true,
    keeps: true,
    hasPruning: false,
    create: () => ({ store: redisStore({ url: server().url, prefix: freshPrefix(), ...options }) }),
    small: { create: smallRedis },
  };
}

/** It is full for good once it has some events: what Redis itself takes of its memory goes up and down. */
async function smallRedis(): Promise<FreshStore> {
  const server = await RedisServer.start();
  const client = server.client();
  const full = client
    .call('XREAD', 'BLOCK', 0, 'STREAMS', '{millrace:0}:log', '20-0')
    .then(() => client.call('CONFIG', 'SET', 'maxmemory', '1'));
  return {
    store: redisStore({ url: server.url }),
    dispose: async () => {
      await full;
      client.disconnect();
      await server.dispose();
    },
  };
}

/** A bus on a store in Redis; it ends with the test. */
export async function busOn(options: RedisStoreOptions, rest: BusOptions = {}): Promise<Bus> {
  const bus = await openBus({ store: redisStore(options), ...rest });
  onTestFinished(() => bus.close());
  return bus;
}

export const input = (n: number, from = 'node', topics = 5) => ({
  topic: `t.${n % topics}`,
  type: 'counted',
  payload: { n, from },
});

export const inputs = (count: number, from: string) =>
  Array.from({ length: count }, (_, n) => input(n, from));
