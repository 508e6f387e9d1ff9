import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Event, EventInput } from '../../src/protocol/event.js';
import { verifyDirectory } from '../../src/store/upkeep/verify.js';
import { Collector, gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

/** Retention that keeps the newest events of each topic, and what readers find then. */
const TOPICS = Array.from({ length: 40 }, (_, n) => `state.${n}`);
const ROUNDS = 5;
const retention = [{ pattern: 'state.*', keepPerTopic: 1 }];

const input = (topic: string, payload: number): EventInput => ({
  topic,
  type: 'state_updated',
  payload,
});

async function publish(bus: Bus, first: number): Promise<void> {
  for (let round = first; round < first + ROUNDS; round++) {
    await bus.publishMany([...TOPICS, 'other'].map((topic) => input(topic, round)));
  }
}

async function compacted(bus: Bus): Promise<void> {
  const isDone = async (): Promise<boolean> =>
    (await bus.topics('state.*')).every(({ events }) => events === 1);
  await until('compacted', isDone);
}

async function eventsOf(bus: Bus, topic: string): Promise<number | undefined> {
  return (await bus.topics(topic))[0]?.events;
}

const newestOf = (events: readonly Event[]): unknown =>
  events.map(({ topic, payload }) => [topic, payload]).sort();
const expected = (round: number): unknown => TOPICS.map((topic) => [topic, round]).sort();

describe('a bus that keeps the newest event of each topic', () => {
  test('gives it to every reader, and tells of no gap', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2, retention });
    const early = await Collector.start(bus, 'state.*');
    await publish(bus, 0);
    await early.count(TOPICS.length * ROUNDS);
    const cursor = early.subscription.cursor;
    await publish(bus, ROUNDS);
    await compacted(bus);
    const last = 2 * ROUNDS - 1;
    expect(newestOf(await gather(bus.latest('state.*')))).toEqual(expected(last));
    expect(newestOf(await gather(bus.read({ topic: 'state.*' })))).toEqual(expected(last));
    expect(await gather(bus.read({ topic: 'other' }))).toHaveLength(2 * ROUNDS);
    for (const from of ['earliest', 'latest', { after: cursor }] as const) {
      const found = await Collector.start(bus, 'state.*', { from });
      await found.count(TOPICS.length);
      expect([newestOf(found.events), found.gaps]).toEqual([expected(last), []]);
      await found.subscription.unsubscribe();
    }
    expect((await bus.stats()).retention).toEqual(retention);
    await checkCopies(bus, dir, last);
  });

  test('has all of it in the archive, and gives each event once', async () => {
    const dir = temporaryDirectory();
    const archive = { dir: temporaryDirectory(), segmentMs: 0 };
    const bus = await openTestBus({ dir, shards: 2, retention, archive });
    await publish(bus, 0);
    await compacted(bus);
    await publish(bus, ROUNDS);
    await compacted(bus);
    const events = await gather(bus.read({ topic: 'state.*' }));
    expect(events).toHaveLength(2 * ROUNDS * TOPICS.length);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    const back = await gather(bus.read({ topic: 'state.*', reverse: true }));
    expect(back.map(({ id }) => id).sort()).toEqual(events.map(({ id }) => id).sort());
    expect(newestOf(await gather(bus.latest('state.*')))).toEqual(expected(2 * ROUNDS - 1));
    await closeTestBus(bus);
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  test('keeps what a consumer has not done, and counts nothing as lost that it never saw', async () => {
    const bus = await openTestBus({
      dir: temporaryDirectory(),
      shards: 1,
      retention: [
        { pattern: 'state.*', keepPerTopic: 1, untilConsumedBy: ['worker'] },
        { pattern: 'other.*', keepPerTopic: 1 },
      ],
    });
    const worker = await bus.consumer('worker', { filter: 'state.*', from: 'earliest' });
    await bus.publishMany(Array.from({ length: 50 }, (_, n) => input('state.a', n)));
    await bus.publishMany(Array.from({ length: 50 }, (_, n) => input('other.a', n)));
    await until('compacted', async () => (await eventsOf(bus, 'other.a')) === 1);
    expect(await eventsOf(bus, 'state.a')).toBe(50);
    const late = await bus.consumer('late', { filter: 'other.*', from: 'earliest' });
    const seen: unknown[] = [];
    const running = worker.run(({ event }) => void seen.push(event.payload));
    const lateSeen: unknown[] = [];
    const lateRunning = late.run(({ event }) => void lateSeen.push(event.payload));
    await until('compacted', async () => (await eventsOf(bus, 'state.a')) === 1);
    expect(seen).toHaveLength(50);
    await until('the other has its event', () => lateSeen.length > 0);
    expect(lateSeen).toEqual([49]);
    expect((await late.info()).lost).toBe(0);
    await running.stop();
    await lateRunning.stop();
  });
});

/** The log and its copy are sound and hold the same. */
async function checkCopies(bus: Bus, dir: string, last: number): Promise<void> {
  const to = `${temporaryDirectory()}/copy`;
  await bus.backup(to);
  await closeTestBus(bus);
  expect([...verifyDirectory(dir)]).toEqual([]);
  expect([...verifyDirectory(to)]).toEqual([]);
  const copy = await openTestBus({ dir: to });
  expect(newestOf(await gather(copy.read({ topic: 'state.*' })))).toEqual(expected(last));
}
