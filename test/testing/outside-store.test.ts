import { describe, expect, it, onTestFinished } from 'vitest';
import { Collector, gather } from '../bus/support/collector.js';
import { openBus } from '../bus/support/millrace.js';
import { expectSameHistory } from '../bus/support/oracle.js';
import { storeChecks, TINY } from './subjects.js';

describe('a store written with millrace/store alone', () => {
  for (const { name, run } of storeChecks(TINY)) it(name, run);

  it('carries a bus', async () => {
    const { store } = await TINY.create();
    const bus = await openBus({ store, shards: 2 });
    onTestFinished(() => bus.close());
    const live = await Collector.start(bus, '*');
    const inputs = Array.from({ length: 50 }, (_, n) => ({
      topic: `t.${n % 5}`,
      type: 'counted',
      payload: { n },
    }));
    const acks = await bus.publishMany(inputs);
    const named = { ...inputs[0]!, id: 'given' };
    acks.push(await bus.publish(named));
    expect(await bus.publish(named)).toMatchObject({ duplicate: true });
    await live.count(51);
    expectSameHistory(live.events, acks, 'live');
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'history');
    expect(await bus.query({ topic: 't.3', limit: 3, reverse: true })).toHaveLength(3);
  });
});
