import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { LogStore } from '../../src/store/log-store.js';
import { gather } from '../bus/support/collector.js';
import { openBus } from '../bus/support/millrace.js';
import { until } from '../bus/support/wait.js';
import { natsStore } from '../stores/nats/support/nats.js';
import {
  NatsServer,
  type NatsServerOptions,
  natsServerPath,
} from '../stores/nats/support/server.js';
import { hasRedis, RedisServer } from '../stores/redis/redis-server.js';
import { redisStore } from '../stores/redis/subjects.js';
import { outcomeOf, run, start, startServer, temporaryDirectory } from './support/command.js';
import { contentOf, directoryWith } from './support/copied.js';

const EVENTS = 1000;
/** Enough for a copy to be in the midst of it when its first events are seen. */
const MANY_EVENTS = 15_000;

interface Broker {
  readonly url: string;
  /** A store there, under the prefix of the url. */
  store(): LogStore;
  /** The events that the first shard has. */
  head(): Promise<number>;
}

async function onNats(options: NatsServerOptions = {}): Promise<Broker> {
  const server = await NatsServer.start(options);
  onTestFinished(() => server.dispose());
  return {
    url: `nats://${server.url}?prefix=moved`,
    store: () => natsStore({ servers: server.url, prefix: 'moved' }),
    head: async () => {
      const connection = await connect({ servers: server.url });
      try {
        const { streams } = await jetstreamManager(connection);
        return (await streams.info('moved-0').catch(() => undefined))?.state.last_seq ?? 0;
      } finally {
        await connection.close();
      }
    },
  };
}

async function onRedis(config: Readonly<Record<string, string>> = {}): Promise<Broker> {
  const server = await RedisServer.forTest(config);
  return {
    url: `${server.url}?prefix=moved`,
    store: () => redisStore({ url: server.url, prefix: 'moved' }),
    head: async () => Number((await server.command('HGET', '{moved:0}:meta', 'head')) ?? 0),
  };
}

const BROKERS = [
  { name: 'NATS', isThere: natsServerPath !== undefined, start: onNats },
  { name: 'Redis', isThere: hasRedis, start: onRedis },
];

/** Runs a copy that succeeds. */
async function copied(...args: string[]): Promise<{ events: number; found: number }> {
  const { code, stdout, stderr } = await run(['copy', ...args, '--json']);
  expect([code, stderr]).toEqual([0, expect.stringContaining('read again and compared')]);
  return JSON.parse(stdout);
}

async function fails(args: readonly string[], code: number, why: RegExp): Promise<void> {
  const outcome = await run(['copy', ...args]);
  expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringMatching(why)]);
}

async function opened(broker: Broker): Promise<Bus> {
  const bus = await openBus({ store: broker.store() });
  onTestFinished(() => bus.close());
  return bus;
}

describe.each(BROKERS)('a copy to $name', ({ isThere, start: startBroker }) => {
  test.skipIf(!isThere)('and back has the same events, and each of its stores is one', async () => {
    const dir = directoryWith(EVENTS);
    const broker = await startBroker();
    expect(await copied('--from', dir, '--to', broker.url)).toMatchObject({
      events: EVENTS,
      found: 0,
    });
    const back = join(temporaryDirectory(), 'back');
    await copied('--from', broker.url, '--to', back, '--shards', '3');
    expect(contentOf(back)).toEqual(contentOf(dir));
    expect((await run(['verify', back])).code).toBe(0);

    const bus = await opened(broker);
    const all = [...contentOf(dir).values()].flat();
    const times = all.map(({ recordedAt }) => recordedAt).toSorted((one, other) => one - other);
    const middle = times[EVENTS / 2]!;
    const expected = times.filter((time) => time >= middle).length;
    const since = new Date(middle).toISOString();
    expect(await gather(bus.read({ topic: '*', since }))).toHaveLength(expected);
    // The id of the event that was recorded a moment ago is known, and those of an hour ago are not.
    const { topic } = (await bus.query({ topic: '*', limit: 1, reverse: true }))[0]!;
    const again = { topic, type: 'again', payload: 1, id: 'last' };
    expect(await bus.publish(again)).toMatchObject({ duplicate: true });
    const old = { topic: 'topic.7', type: 'again', payload: 1, id: 'own-1' };
    expect(await bus.publish(old)).toMatchObject({ duplicate: false });
    expect(await bus.topics()).toHaveLength(contentOf(dir).size);
  });

  test.skipIf(!isThere)(
    'that is killed goes on where it was, and nobody opens half of it',
    async () => {
      const dir = directoryWith(MANY_EVENTS);
      const broker = await startBroker();
      const child = start(['copy', '--from', dir, '--to', broker.url]);
      const killed = outcomeOf(child);
      await until('the first events are copied', async () => (await broker.head()) > 0);
      child.kill('SIGKILL');
      expect((await killed).signal).toBe('SIGKILL');
      await expect(openBus({ store: broker.store() })).rejects.toMatchObject({
        code: 'STORE_LOCKED',
      });
      await fails(['--from', directoryWith(10), '--to', broker.url], 2, /copy of another history/);

      const again = await copied('--from', dir, '--to', broker.url);
      expect(again.events).toBe(MANY_EVENTS);
      expect(again.found).toBeGreaterThan(0);
      // All where the kill came while both sides were compared.
      expect(again.found).toBeLessThanOrEqual(MANY_EVENTS);
      await (await opened(broker)).close();

      // And the other way.
      const back = join(temporaryDirectory(), 'back');
      const returning = start(['copy', '--from', broker.url, '--to', back]);
      const ended = outcomeOf(returning);
      const file = join(back, 'shard-000.db-wal');
      await until(
        'the directory has events',
        () => existsSync(file) && statSync(file).size > 800_000,
      );
      returning.kill('SIGKILL');
      expect((await ended).signal).toBe('SIGKILL');
      const { found } = await copied('--from', broker.url, '--to', back);
      expect(found).toBeGreaterThan(0);
      expect(found).toBeLessThanOrEqual(MANY_EVENTS);
      expect(contentOf(back)).toEqual(contentOf(dir));
    },
  );

  test.skipIf(!isThere)('is refused where there are other events, or none to copy', async () => {
    const broker = await startBroker();
    await fails(
      ['--from', broker.url, '--to', join(temporaryDirectory(), 'x')],
      2,
      /missing|has no store/,
    );
    const dir = directoryWith(10);
    await copied('--from', dir, '--to', broker.url);
    await fails(['--from', dir, '--to', broker.url], 2, /is not empty: 10 events/);
    await fails(['--from', broker.url, '--to', dir], 2, /is not empty/);
  });

  test.skipIf(!isThere)('ends when another node writes to the destination', async () => {
    const broker = await startBroker();
    const bus = await openBus({ store: broker.store(), shards: 2 });
    onTestFinished(() => bus.close());
    const child = start(['copy', '--from', directoryWith(MANY_EVENTS), '--to', broker.url]);
    const outcome = outcomeOf(child);
    await until('the first events are copied', async () => (await broker.head()) > 0);
    child.kill('SIGSTOP');
    const topics = ['topic.1', 'topic.2', 'topic.3', 'topic.4', 'topic.5', 'topic.6'];
    await bus.publishMany(topics.map((topic) => ({ topic, type: 'foreign', payload: 1 })));
    child.kill('SIGCONT');
    const { code, stderr } = await outcome;
    expect([code, stderr]).toEqual([1, expect.stringContaining('somebody else writes to it')]);
  });
});

const hasBoth = natsServerPath !== undefined && hasRedis;

describe('a copy between brokers', () => {
  test.skipIf(!hasBoth)('goes from one to the other and back', async () => {
    const dir = directoryWith(EVENTS);
    const [nats, redis, other] = [await onNats(), await onRedis(), await onNats()];
    await copied('--from', dir, '--to', nats.url);
    await copied('--from', nats.url, '--to', redis.url, '--shards', '1');
    await copied('--from', redis.url, '--to', other.url);
    const back = join(temporaryDirectory(), 'back');
    await copied('--from', other.url, '--to', back);
    expect(contentOf(back)).toEqual(contentOf(dir));
  });
});

describe('a copy to a Redis with a replica', () => {
  test.skipIf(!hasRedis)('has all that the replica has by its end', async () => {
    const master = await RedisServer.forTest();
    await RedisServer.forTest({ replicaof: `127.0.0.1 ${master.port}` });
    await until('the replica is there', async () => {
      const info = await master.command('INFO', 'replication');
      return `${info}`.includes('state=online');
    });
    const dir = directoryWith(100);
    const url = `${master.url}?prefix=moved&replicas=1`;
    await copied('--from', dir, '--to', url);
    const back = join(temporaryDirectory(), 'back');
    expect(await copied('--from', url, '--to', back)).toMatchObject({ events: 100 });
    expect(contentOf(back)).toEqual(contentOf(dir));
  });
});

describe('a copy that cannot be', () => {
  test('is one between directories: two other commands do that', async () => {
    await fails(['--from', 'a', '--to', 'b'], 2, /both directories: use `millrace backup` or/);
  });

  test('is one from or to no store', async () => {
    await fails(['--from', 'ftp://x', '--to', 'b'], 2, /--from is neither nats:/);
    await fails(['--from', 'a', '--to', 'redis://'], 2, /--to is neither nats:/);
    await fails(['--from', temporaryDirectory(), '--to', 'nats://127.0.0.1:1'], 2, /no manifest/);
  });

  test.skipIf(!hasRedis)('is one of more than events, unless the rest stays behind', async () => {
    const server = await startServer();
    await server.run(['pub', 'a', '1']);
    await server.run(['consumers', 'create', 'billing', '--filter', 'a']);
    await server.run(['pub', 'a', '2', '--delay', '1h']);
    await server.stop();
    const broker = await onRedis();
    const args = ['--from', server.dir, '--to', broker.url];
    await fails(args, 2, /durable consumers: 1, publishes that wait for their time: 1/);
    expect(await copied(...args, '--events-only')).toMatchObject({ events: 1 });
  });

  test.skipIf(natsServerPath === undefined)(
    'is one of consumers on a broker, unless they stay behind',
    async () => {
      const broker = await onNats();
      await copied('--from', directoryWith(10), '--to', broker.url);
      const bus = await opened(broker);
      await bus.consumer('billing', { filter: '*' });
      await bus.close();
      const args = ['--from', broker.url, '--to', join(temporaryDirectory(), 'back')];
      await fails(args, 2, /more than events \(durable consumers: 1\)/);
      expect(await copied(...args, '--events-only')).toMatchObject({ events: 10 });
    },
  );

  test.skipIf(natsServerPath === undefined)(
    'is one of an event that NATS finds too large, by its name',
    async () => {
      const server = await startServer();
      await server.run(['pub', 'small', '1']);
      await server.run(['pub', 'large', JSON.stringify('x'.repeat(5000))]);
      await server.stop();
      const broker = await onNats({ config: 'max_payload: 4096' });
      await fails(['--from', server.dir, '--to', broker.url], 2, /on large: .* max_payload/);
    },
  );

  test.skipIf(!hasRedis)('is one to a full Redis, and goes on when that has room', async () => {
    const server = await RedisServer.forTest({
      maxmemory: '2mb',
      'maxmemory-policy': 'noeviction',
    });
    const dir = directoryWith(MANY_EVENTS);
    const args = ['--from', dir, '--to', `${server.url}?prefix=moved`];
    await fails(args, 1, /has no room: raise maxmemory/);
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    expect((await copied(...args)).events).toBe(MANY_EVENTS);
  });
});
