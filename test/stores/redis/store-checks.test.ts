import { afterAll, beforeAll, describe, it } from 'vitest';
import { storeChecks } from '../../testing/subjects.js';
import { RedisServer } from './redis-server.js';
import { onRedis } from './subjects.js';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.end());

describe('the store on Redis', () => {
  for (const { name, run } of storeChecks(onRedis(() => server))) it(name, run);
});
