/** A shard that waits for what another one has sleeps as long as one that has nothing to do. */
import { expect, test } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { controls } from '../support/millrace.js';
import { openTestBus } from '../support/open.js';
import { until } from '../support/wait.js';
import { workerOf } from './support.js';

/** Nothing is published to the last one. */
const SHARDS = 3;
const EACH = 3;

/** A topic of each shard. */
const TOPICS = Array.from({ length: SHARDS }, (_, shard) => {
  for (let n = 0; ; n++) if (shardOf(`jobs.${n}`, SHARDS) === shard) return `jobs.${n}`;
});

const turnsOf = (bus: Bus): number[] => TOPICS.map((_, shard) => controls(bus).shardTurns(shard));

/** The turns of all shards while the last one makes so many. */
async function turnsWhileIdle(bus: Bus, turns: number): Promise<number[]> {
  const before = turnsOf(bus);
  await until('the last shard has made its turns', () => turnsOf(bus)[2]! - before[2]! >= turns);
  return turnsOf(bus).map((now, shard) => now - before[shard]!);
}

test.each<[string, Partial<ConsumerOptions>, (event: number) => string, number]>([
  ['places of maxInFlight', { maxInFlight: 2 }, (n) => `till-${n}`, 2],
  ['a key', { order: 'source' }, () => 'till', 1],
])('shards that wait for %s of each other sleep', async (_, options, source, together) => {
  const bus = await openTestBus({ shards: SHARDS });
  const consumer = await workerOf(bus, options);
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let [begun, done] = [0, 0];
  const run = consumer.run(
    async () => {
      begun++;
      await opened;
      done++;
    },
    { concurrency: 16 },
  );
  const inputs = TOPICS.slice(0, 2).flatMap((topic, shard) =>
    Array.from({ length: EACH }, (_, n) => {
      return { topic, type: 'job', source: source(shard * EACH + n), payload: n };
    }),
  );
  await bus.publishMany(inputs);
  await until('as many as may be have begun', () => begun === together);
  // Meanwhile main is told that the consumer stands still, at short intervals.
  await turnsWhileIdle(bus, 8);
  const [one = 0, two = 0, idle = 0] = await turnsWhileIdle(bus, 6);
  expect(begun).toBe(together);
  expect(Math.max(one, two)).toBeLessThanOrEqual(3 * idle);
  open();
  await until('all are done', () => done === 2 * EACH);
  await run.stop();
});
