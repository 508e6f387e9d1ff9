import { describe, expect, onTestFinished, test } from 'vitest';
import { NatsServer, natsServerPath } from '../stores/nats/support/server.js';
import { hasRedis, RedisServer } from '../stores/redis/redis-server.js';
import { run, startServing } from './support/command.js';

const LISTENING = /^listening on http:\/\/127\.0\.0\.1:\d+, events on (.*)$/;

async function natsUrl(): Promise<string> {
  const server = await NatsServer.start({
    config: 'authorization { user: bus, password: "p:w" }',
  });
  onTestFinished(() => server.dispose());
  return `nats://bus:p%3Aw@${server.url}?prefix=orders&shards=2`;
}

async function redisUrl(): Promise<string> {
  const { port } = await RedisServer.forTest({ requirepass: 'p:w' });
  return `redis://:p%3Aw@127.0.0.1:${port}/0?prefix=orders`;
}

const BROKERS = [
  { broker: 'nats', isThere: natsServerPath !== undefined, urlOf: natsUrl },
  { broker: 'redis', isThere: hasRedis, urlOf: redisUrl },
];

describe.each(BROKERS)('two servers on $broker', ({ isThere, urlOf }) => {
  test.skipIf(!isThere)('share one history, and neither shows the password', async () => {
    const url = await urlOf();
    const one = await startServing(['--store', url]);
    const other = await startServing([], { MILLRACE_STORE: url });
    const texts = [...one.logs, ...other.logs].map(({ msg }) => msg);
    const places = texts.map((text) => LISTENING.exec(text)?.[1]).filter((place) => place);
    expect(places).toHaveLength(2);
    for (const place of places) expect(place).toMatch(/127\.0\.0\.1:\d+, prefix orders$/);
    expect(JSON.stringify([...one.logs, ...other.logs])).not.toMatch(/p:w|p%3Aw/);

    const sub = other.run(['sub', 'orders.*', '--from', 'earliest', '--count', '3', '--json']);
    for (const [index, server] of [one, other, one].entries()) {
      const pub = await server.run(['pub', 'orders.new', `{"n":${index}}`, '--json']);
      expect(JSON.parse(pub.stdout)).toMatchObject({ sequence: index + 1, durability: 'written' });
    }
    const events = (await sub).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.map(({ payload }) => payload.n)).toEqual([0, 1, 2]);
    const topics = await other.run(['topics', '--json']);
    expect(JSON.parse(topics.stdout.trim().split('\n')[0]!)).toMatchObject({
      name: 'orders.new',
      events: 3,
    });
    expect([await one.stop(), await other.stop()]).toEqual([0, 0]);
  });
});

describe('a store that serve cannot take', () => {
  test.each([
    ['ftp://127.0.0.1', 'is neither nats://HOST:PORT nor redis://HOST:PORT'],
    ['nats://127.0.0.1:4222/orders', 'nothing follows the hosts of a nats:// address'],
    ['nats://user:secret@127.0.0.1?prefxi=x', 'prefxi'],
    ['redis://:secret@127.0.0.1?replicas=many', 'replicas'],
  ])('%s is wrong usage, and says why without a secret', async (url, why) => {
    const { code, stderr } = await run(['serve', '--store', url]);
    expect([code, stderr.includes(why)]).toEqual([2, true]);
    expect(stderr).not.toContain('secret');
  });

  test('is one beside a directory', async () => {
    const { code, stderr } = await run(['serve', '--dir', './x', '--store', 'nats://127.0.0.1:1']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--dir and --store are both set')]);
  });

  test('is one that is not there: it fails with the address', async () => {
    const { code, stderr } = await run([
      'serve',
      '--store',
      'redis://127.0.0.1:1?connectTimeoutMs=200',
    ]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('127.0.0.1:1')]);
  });
});
