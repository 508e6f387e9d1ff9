import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gather } from '../../bus/support/collector.js';
import { refused } from '../../bus/support/failures.js';
import { until } from '../../bus/support/wait.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { busOn, freshPrefix, inputs } from './subjects.js';

describe.runIf(hasRedis)('retention in Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());

  const place = () => ({ url: server.url, prefix: freshPrefix() });

  test('goes by bytes, and by the age of events on the clock of Redis', async () => {
    const small = place();
    const bus = await busOn(small, { shards: 1, retention: [{ maxBytes: 20_000 }] });
    await bus.publishMany(inputs(1000, 'x'));
    const kept = async () => (await gather(bus.read({ topic: '*' }))).length;
    await until('the oldest have gone', async () => (await kept()) < 1000);
    await until('what stays fits', async () => {
      return Number(await server.command('HGET', `{${small.prefix}:0}:meta`, 'bytes')) <= 20_000;
    });
    expect(await kept()).toBeGreaterThan(50);
    const aged = place();
    const old = await busOn(aged, { shards: 1, retention: [{ maxAgeMs: 1 }] });
    await old.publishMany(inputs(10, 'x'));
    await until('all have gone', async () => (await gather(old.read({ topic: '*' }))).length === 0);
    expect((await old.publishMany(inputs(1, 'y')))[0]?.sequence).toBe(11);
    await refused(() => old.prune({ maxEvents: 1 }), 'OPTION_INVALID', 'not on request');
  });
});
