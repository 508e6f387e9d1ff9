import { describe, expect, test } from 'vitest';
import { openTestBus } from '../support/open.js';
import { until } from '../support/wait.js';
import { workerOf } from './support.js';

describe('a run of a consumer', () => {
  test('handles each event once and acknowledges it', async () => {
    const bus = await openTestBus({ shards: 2 });
    const consumer = await workerOf(bus);
    const handled: unknown[] = [];
    const run = consumer.run((delivery) => {
      handled.push(delivery.event.payload);
    });
    for (let n = 0; n < 100; n++)
      await bus.publish({ topic: `jobs.${n % 7}`, type: 'job', payload: n });
    await until('all are handled', () => handled.length === 100);
    await run.stop();
    await run.closed;
    expect([...handled].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    );
  });
});
