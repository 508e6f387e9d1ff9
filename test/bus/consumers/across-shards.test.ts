import { setTimeout as afterMs } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { controls } from '../support/millrace.js';
import { openTestBus } from '../support/open.js';
import { until } from '../support/wait.js';
import { workerOf } from './support.js';

const SHARDS = 4;
const EVENTS = 240;

describe('a consumer of several shards', () => {
  test('has no more events out than maxInFlight, though threads of shards die', async () => {
    const bus = await openTestBus({ shards: SHARDS });
    const consumer = await workerOf(bus, { maxInFlight: 3 });
    const done = new Set<unknown>();
    let [running, most, kills] = [0, 0, 0];
    let killed: Promise<void> = Promise.resolve();
    const run = consumer.run(
      async ({ event }) => {
        most = Math.max(most, ++running);
        await afterMs(1);
        running--;
        done.add(event.payload);
        if (done.size % 50 === 0 && kills++ < 4) killed = controls(bus).killShard(kills % SHARDS);
      },
      { concurrency: 16 },
    );
    const inputs = Array.from({ length: EVENTS }, (_, n) => {
      return { topic: `jobs.${n % 31}`, type: 'job', payload: n };
    });
    await bus.publishMany(inputs);
    await until('all are handled', () => done.size === EVENTS);
    await killed;
    await run.stop();
    expect([most, kills > 0]).toEqual([3, true]);
  });

  test('has one event of a source out at a time, though threads of shards die', async () => {
    const bus = await openTestBus({ shards: SHARDS });
    const consumer = await workerOf(bus, { order: 'source' });
    const done = new Set<unknown>();
    const running = new Map<string, number>();
    let [together, kills] = [0, 0];
    let killed: Promise<void> = Promise.resolve();
    const run = consumer.run(
      async ({ event }) => {
        const { source } = event;
        const now = (running.get(source) ?? 0) + 1;
        if (now > 1) together++;
        running.set(source, now);
        await afterMs(1);
        running.set(source, running.get(source)! - 1);
        done.add(event.payload);
        if (done.size % 50 === 0 && kills++ < 4) killed = controls(bus).killShard(kills % SHARDS);
      },
      { concurrency: 16 },
    );
    const inputs = Array.from({ length: EVENTS }, (_, n) => {
      return { topic: `jobs.${n % 31}`, type: 'job', source: `till-${n % 5}`, payload: n };
    });
    await bus.publishMany(inputs);
    await until('all are handled', () => done.size === EVENTS);
    await killed;
    await run.stop();
    expect([together, kills > 0]).toEqual([0, true]);
  });
});
