import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../fuzz/brokers/free-port.js';
import type { RedisStoreOptions } from '../../../src/store/redis/redis-options.js';
import { until } from '../../bus/support/wait.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, input, openBus, redisStore } from './subjects.js';

/** Opens a bus that has to be refused, and returns what the refusal says. */
async function refusal(options: RedisStoreOptions, shards?: number) {
  const open = openBus({ store: redisStore(options), ...(shards === undefined ? {} : { shards }) });
  const bus = await open.catch((error: unknown) => ({ error }));
  if ('error' in bus) return bus.error as { code: string; message: string; details?: unknown };
  await bus.close();
  throw new Error('the bus opened');
}

describe('redisStore refuses', () => {
  test.each<[string, unknown, string]>([
    ['an unknown option', { uri: 'redis://x' }, 'uri: is unknown'],
    ['another protocol', { url: 'http://127.0.0.1' }, 'url: has to be redis://HOST:PORT/DATABASE'],
    ['a database that is no number', { url: 'redis://h/one' }, 'url: has to be redis://'],
    ['two places', { url: 'redis://h', cluster: [{ host: 'h', port: 1 }] }, 'url: is one of three'],
    ['sentinels without a name', { sentinels: [{ host: 'h', port: 1 }] }, 'name: goes with'],
    ['a name without sentinels', { name: 'main' }, 'name: goes with sentinels'],
    ['no node', { cluster: [] }, 'cluster: has to be a list of { host, port }'],
    ['a node without a port', { cluster: [{ host: 'h' }] }, 'cluster: has to be a list'],
    ['braces in the prefix', { prefix: '{a}' }, 'prefix: has to be 1 to 64 of'],
    ['too short a window', { dedupeWindowMs: 29_999 }, 'dedupeWindowMs: has to be a whole number'],
    ['half a replica', { replicas: 0.5 }, 'replicas: has to be a whole number'],
    ['an unknown part of tls', { tls: { certificate: 'x' } }, 'tls: certificate: is unknown'],
    ['an empty password', { password: '' }, 'password: has to be text'],
    ['no object', 'redis://h', 'has to be an object'],
  ])('%s', (_what, options, message) => {
    const call = () => redisStore(options as RedisStoreOptions);
    expect(call).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
    expect(call).toThrow(message);
  });

  test('and shows no password that is in a url', () => {
    const call = () => redisStore({ url: 'redis://user:hidden@h/one' });
    expect(call).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hidden') }),
    );
  });
});

describe.runIf(hasRedis)('a bus on Redis does not open', () => {
  test('where nobody listens', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const { code, message } = await refusal({ url, connectTimeoutMs: 300 });
    expect(code).toBe('STORE_FAILED');
    expect(message).toMatch(/^redis:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
  });

  test('where the server takes the connection and says nothing', async () => {
    const server = await RedisServer.forTest();
    server.signal('SIGSTOP');
    onTestFinished(() => server.signal('SIGCONT'));
    const { code, message } = await refusal({ url: server.url, connectTimeoutMs: 300 });
    expect(code).toBe('STORE_FAILED');
    expect(message).toContain('cannot be reached');
  });

  test('with wrong credentials, or none', async () => {
    const server = await RedisServer.forTest({ requirepass: 'right' });
    for (const login of [{}, { password: 'wrong' }, { username: 'nobody', password: 'right' }]) {
      const { code, message, details } = await refusal({ url: server.url, ...login });
      expect(code).toBe('STORE_FAILED');
      expect(message).toContain('it refuses the credentials: check username and password');
      expect(details).toEqual({ setting: 'password' });
    }
    const bus = await busOn({ url: server.url, password: 'right' });
    expect(await bus.publish(input(0))).toMatchObject({ sequence: 1 });
  });

  test('as a user who lacks a right, and opens as one who may not see the configuration', async () => {
    const server = await RedisServer.forTest();
    await server.command(
      'ACL',
      'SETUSER',
      'weak',
      'on',
      '>secret',
      '~*',
      '+@all',
      '-eval',
      '-evalsha',
    );
    const login = { url: server.url, username: 'weak', password: 'secret' };
    const { code, message, details } = await refusal(login);
    expect(code).toBe('STORE_FAILED');
    expect(message).toContain('the user lacks a right: give it one with ACL SETUSER');
    expect(message).toContain('evalsha');
    expect(details).toEqual({ setting: 'username' });
    await server.command('ACL', 'SETUSER', 'weak', '+eval', '+evalsha', '-config');
    const channels = await refusal(login);
    expect(channels.message).toContain('the user lacks a right: give it one with ACL SETUSER');
    expect(channels.message).toContain('channel');
    expect(channels.details).toEqual({ setting: 'username' });
    await server.command('ACL', 'SETUSER', 'weak', '&millrace:*');
    expect(await (await busOn(login)).publish(input(0))).toMatchObject({ sequence: 1 });
  });

  test('where there is no store, and none may be made', async () => {
    const server = await RedisServer.forTest();
    const { code, message } = await refusal({ url: server.url, create: false });
    expect(code).toBe('OPTION_INVALID');
    expect(message).toContain('create: ');
    expect(message).toContain('has no store under the prefix millrace');
    await (await openBus({ store: redisStore({ url: server.url }), shards: 1 })).close();
    await busOn({ url: server.url, create: false });
  });

  test('with other settings than the store has', async () => {
    const server = await RedisServer.forTest();
    await (await openBus({ store: redisStore({ url: server.url }), shards: 2 })).close();
    const shards = await refusal({ url: server.url }, 3);
    expect(shards.code).toBe('SHARD_COUNT_MISMATCH');
    expect(shards.message).toContain('has 2 shards, not 3');
    const window = await refusal({ url: server.url, dedupeWindowMs: 60_000 });
    expect(window.code).toBe('OPTION_INVALID');
    expect(window.message).toContain(
      'dedupeWindowMs: the store remembers ids for 120000 ms, not 60000',
    );
    await server.command('HSET', '{millrace}:store', 'format', '2');
    expect((await refusal({ url: server.url })).message).toContain('its format is 2, not 1');
  });

  test('where Redis would remove events, or loses them when it ends', async () => {
    const server = await RedisServer.forTest({ 'maxmemory-policy': 'allkeys-lru' });
    const evicts = await refusal({ url: server.url });
    expect(evicts.code).toBe('STORE_FAILED');
    expect(evicts.message).toContain(
      'maxmemory-policy allkeys-lru would remove events: CONFIG SET maxmemory-policy noeviction',
    );
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru', 'appendonly', 'no');
    const volatile = await refusal({ url: server.url });
    expect(volatile.code).toBe('STORE_FAILED');
    expect(volatile.message).toContain(
      'CONFIG SET appendonly yes, or open the store with allowVolatile',
    );
    const bus = await busOn({ url: server.url, allowVolatile: true });
    expect(await bus.publish(input(0))).toMatchObject({ durability: 'written' });
  });

  test('where there are fewer replicas than are to have each event', async () => {
    const server = await RedisServer.forTest();
    const { code, message, details } = await refusal({ url: server.url, replicas: 2 });
    expect(code).toBe('STORE_FAILED');
    expect(message).toContain('it has 0 replicas, and 2 are to have each event');
    expect(details).toEqual({ setting: 'replicas' });
  });

  test('where another program has the keys', async () => {
    const server = await RedisServer.forTest();
    await server.command('SET', '{millrace}:store', 'of another program');
    const { code, message, details } = await refusal({ url: server.url });
    expect(code).toBe('STORE_FAILED');
    expect(message).toContain('another program has a key under this prefix: choose another prefix');
    expect(details).toEqual({ setting: 'prefix' });
  });
});

describe.runIf(hasRedis)('an ack on a Redis', () => {
  test('says synced while Redis flushes each write', async () => {
    const server = await RedisServer.forTest({ appendfsync: 'always' });
    const bus = await busOn({ url: server.url }, { shards: 1 });
    const event = { ...input(0), id: 'given' };
    expect(await bus.publish(event)).toMatchObject({ durability: 'synced' });
    const acked = async (durability: string) => {
      const acks = [await bus.publish(input(1)), await bus.publish(event)];
      return acks.every((ack) => ack.durability === durability);
    };
    await server.command('CONFIG', 'SET', 'appendfsync', 'everysec');
    await until('it says that Redis does not any more', () => acked('written'));
    await server.command('CONFIG', 'SET', 'appendfsync', 'always');
    await until('it says so again', () => acked('synced'));
  });

  test('does not say so where Redis stops flushing while it rewrites its file', async () => {
    const server = await RedisServer.forTest({
      appendfsync: 'always',
      'no-appendfsync-on-rewrite': 'yes',
    });
    const bus = await busOn({ url: server.url }, { shards: 1 });
    expect(await bus.publish(input(0))).toMatchObject({ durability: 'written' });
  });
});
