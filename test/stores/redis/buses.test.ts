import { afterAll, beforeAll, describe, onTestFinished, test } from 'vitest';
import { refused } from '../../bus/support/failures.js';
import { within } from '../../bus/support/wait.js';
import { busChecks } from '../bus-checks/bus-checks.js';
import { hasRedis, RedisServer } from './redis-server.js';
import { freshPrefix, input, openBus, redisStore } from './subjects.js';

describe.runIf(hasRedis)('on one Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());

  const placeOn = ({ url }: RedisServer) => {
    const prefix = freshPrefix();
    return { connect: () => redisStore({ url, prefix }) };
  };

  busChecks('on Redis', {
    isShared: true,
    durability: 'written',
    judges: ['expect', 'atomic'],
    refusesPrune: 'removes no events',
    refusesRetention: 'retention.pattern',
    killRuns: 3,
    place: () => placeOn(server),
    keeping: (maxEvents) => ({ place: placeOn(server), options: { retention: [{ maxEvents }] } }),
    async mortal() {
      const own = await RedisServer.forTest({ appendfsync: 'always' });
      return { place: placeOn(own), kill: () => own.kill(), start: () => own.start() };
    },
  });

  test('a bus closes though Redis does not answer', async () => {
    const stuck = await RedisServer.forTest();
    const bus = await openBus({ store: redisStore({ url: stuck.url }), publishWaitMs: 60_000 });
    await bus.publish(input(0));
    stuck.signal('SIGSTOP');
    onTestFinished(() => stuck.signal('SIGCONT'));
    const lost = refused(() => bus.publish(input(1)), 'PUBLISH_UNKNOWN');
    await within('close', bus.close());
    await lost;
  });
});
