import { expect, test } from 'vitest';
import { Collector, gather } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

/** Expired events leave holes in segments of an archive, and nobody is told a gap for them. */
test('expired events that were never archived are no gap', async () => {
  const bus = await openTestBus({
    shards: 1,
    archive: { dir: temporaryDirectory(), segmentBytes: 64 * 1024, segmentMs: 0 },
    retention: [{ maxEvents: 100 }],
  });
  const many = (count: number, first: number) =>
    Array.from({ length: count }, (_, n) => ({ topic: 'a', type: 'note', payload: first + n }));
  const inLog = async () => (await bus.topics()).reduce((sum, { events }) => sum + events, 0);
  await bus.publishMany(many(20, 0));
  await bus.publishMany(many(20, 20), { ttlMs: 150 });
  await bus.publishMany(many(20, 40));
  await until('the expired ones are removed', async () => (await inLog()) === 40);
  await bus.publishMany(many(1000, 60));
  await until('retention has removed', async () => (await inLog()) <= 200);
  const wanted = [...many(20, 0), ...many(1020, 40)].map(({ payload }) => payload);
  expect((await gather(bus.read({ topic: '*' }))).map(({ payload }) => payload)).toEqual(wanted);
  const replayed = await Collector.start(bus, '*', { from: 'earliest' });
  await until('it has caught up', () => replayed.caughtUp.length > 0);
  expect(replayed.events.map(({ payload }) => payload)).toEqual(wanted);
  expect(replayed.gaps).toEqual([]);
});
