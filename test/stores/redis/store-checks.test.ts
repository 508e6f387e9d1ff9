import { afterAll, beforeAll, describe, it } from 'vitest';
import { storeChecks } from '../../testing/subjects.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { onRedis } from './subjects.js';

describe.runIf(hasRedis)('the store on Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());
  for (const { name, run } of storeChecks(onRedis(() => server))) it(name, run);
});
