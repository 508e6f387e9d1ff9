import { afterAll, beforeAll, describe, onTestFinished, test } from 'vitest';
import { Collector, gather } from '../../bus/support/collector.js';
import { openBus } from '../../bus/support/millrace.js';
import { expectSameHistory } from '../../bus/support/oracle.js';
import { busChecks } from '../bus-checks/bus-checks.js';
import { input } from '../bus-checks/subject.js';
import { natsStore, newPrefix } from './support/nats.js';
import { NatsServer, natsServerPath } from './support/server.js';

describe.runIf(natsServerPath !== undefined)('on one NATS server', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.dispose());

  const placeOn = ({ url }: NatsServer, limits: { maxEvents?: number } = {}) => {
    const prefix = newPrefix();
    return { connect: () => natsStore({ servers: url, prefix, ...limits }) };
  };

  busChecks('on NATS', {
    isShared: true,
    // One server has the events, and has flushed nothing yet.
    durability: 'written',
    judges: ['expect'],
    refusesPrune: 'removes no events',
    refusesRetention: 'has no retention',
    killRuns: 3,
    place: () => placeOn(server),
    keeping: (maxEvents) => ({ place: placeOn(server, { maxEvents }), options: {} }),
    async mortal() {
      const own = await NatsServer.start();
      onTestFinished(() => own.dispose());
      return { place: placeOn(own), kill: () => own.kill(), start: () => own.start() };
    },
  });

  test('take events of a megabyte', async () => {
    const large = await NatsServer.start({ config: 'max_payload: 8MB' });
    onTestFinished(() => large.dispose());
    const bus = await openBus({ store: natsStore({ servers: large.url, prefix: newPrefix() }) });
    onTestFinished(() => bus.close());
    const live = await Collector.start(bus, '*');
    const events = Array.from({ length: 8 }, (_, n) => ({
      ...input(n),
      payload: 'é'.repeat(400_000),
    }));
    const acks = await bus.publishMany(events);
    await live.count(8);
    expectSameHistory(live.events, acks, 'live');
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'read');
    const backwards = await gather(bus.read({ topic: '*', reverse: true }));
    expectSameHistory(backwards.toReversed(), acks, 'backwards');
  });
});
