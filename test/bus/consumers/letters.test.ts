import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Bus, Event } from '../../../src/index.js';
import type { BusError } from '../../../src/protocol/errors.js';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { gather } from '../support/collector.js';
import { controls, defineTopic } from '../support/millrace.js';
import { closeTestBus, openTestBus, temporaryDirectory } from '../support/open.js';
import { until, within } from '../support/wait.js';
import { workerOf } from './support.js';

const dyingCourier = fileURLToPath(new URL('./support/dying-courier.js', import.meta.url));
const DEAD = 'dead.worker';

/** A topic of the consumer in the shard in which its letters are not. */
const apart = (): string => {
  for (let n = 0; ; n++) if (shardOf(`jobs.${n}`, 2) !== shardOf(DEAD, 2)) return `jobs.${n}`;
};
const lettersOf = (bus: Bus): Promise<Event[]> => gather(bus.read({ topic: DEAD }));

async function untilSent(bus: Bus, count: number): Promise<void> {
  await until(`${count} letters are sent`, async () => {
    const { dead, lettersDue } = await (await bus.consumer('worker')).info();
    return dead === count && lettersDue === 0;
  });
}

describe('a dead letter', () => {
  it('is an event with the payload of the dead one, and says what that died of', async () => {
    const bus = await openTestBus({ shards: 2 });
    const worker = await workerOf(bus, { deadLetter: DEAD, maxAttempts: 2, backoffMs: [0] });
    const [ack] = await bus.publishMany([
      {
        topic: apart(),
        type: 'job',
        source: 'shop',
        correlationId: 'run-1',
        payload: { n: 1 },
        attributes: { tenant: 'a' },
      },
    ]);
    const run = worker.run((delivery) => delivery.nak({ reason: 'no such customer' }));
    await untilSent(bus, 1);
    await run.stop();
    const letters = await lettersOf(bus);
    expect(letters).toMatchObject([
      {
        type: 'job',
        source: 'shop',
        correlationId: 'run-1',
        causationId: ack!.id,
        payload: { n: 1 },
        attributes: {
          tenant: 'a',
          deadConsumer: 'worker',
          deadTopic: ack!.topic,
          deadId: ack!.id,
          deadShard: String(ack!.shard),
          deadSequence: String(ack!.sequence),
          deadAttempts: '2',
          deadCause: 'nak',
          deadReason: 'no such customer',
          deadAt: expect.stringMatching(/Z$/),
        },
      },
    ]);
    expect((await worker.dead()).events).toMatchObject([{ id: ack!.id, letter: 'published' }]);
  });

  it('comes once for each death, whatever threads of the shard die in between', async () => {
    const bus = await openTestBus({ shards: 2 });
    const worker = await workerOf(bus, { deadLetter: DEAD });
    const topic = apart();
    const shard = shardOf(topic, 2);
    let killed: Promise<unknown> = Promise.resolve();
    let kills = 0;
    // The letter is there, and the shard of the dead event was not told yet.
    const watching = bus.subscribe(DEAD, () => {
      if (kills++ < 5) killed = controls(bus).killShard(shard);
    });
    await watching.ready;
    const run = worker.run((delivery) => delivery.term('no'), { concurrency: 4 });
    for (let n = 0; n < 20; n++) {
      await bus.publish({ topic, type: 'job', payload: n });
      await killed;
    }
    await untilSent(bus, 20);
    await run.stop();
    const numbers = (await lettersOf(bus)).map(({ payload }) => Number(payload));
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(kills).toBeGreaterThan(4);
  });

  it('comes after all if the process was killed, once for each death', async () => {
    const dir = temporaryDirectory();
    const child = spawn(process.execPath, [dyingCourier, dir], { stdio: 'inherit' });
    const [, signal] = await within('its end', once(child, 'exit'));
    expect(signal).toBe('SIGKILL');
    const bus = await openTestBus({ dir });
    const worker = await bus.consumer('worker');
    const run = worker.run((delivery) => delivery.term('no'), { concurrency: 8 });
    await untilSent(bus, 200);
    await run.stop();
    const numbers = (await lettersOf(bus)).map(({ payload }) => Number(payload));
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  it('comes again if the event is redriven and dies again', async () => {
    const bus = await openTestBus({ shards: 2 });
    const worker = await workerOf(bus, { deadLetter: DEAD });
    const run = worker.run((delivery) => delivery.term('no'));
    await bus.publish({ topic: 'jobs.1', type: 'job', payload: 1 });
    await untilSent(bus, 1);
    await worker.redrive();
    await until('it has died again', async () => (await lettersOf(bus)).length === 2);
    await untilSent(bus, 1);
    await run.stop();
  });

  it('that can never be published is told of, and its event is kept', async () => {
    const bus = await openTestBus({
      shards: 2,
      topics: [defineTopic('dead.*', z.object({ n: z.number() }))],
    });
    const worker = await workerOf(bus, { deadLetter: DEAD });
    const errors: BusError[] = [];
    worker.on('error', (error) => errors.push(error));
    const run = worker.run((delivery) => delivery.term('no'));
    await bus.publish({ topic: 'jobs.1', type: 'job', payload: 'no object' });
    await bus.publish({ topic: 'jobs.1', type: 'job', payload: { n: 1 } });
    await untilSent(bus, 2);
    await until('it is told', () => errors.length === 1);
    await run.stop();
    expect(errors).toMatchObject([{ code: 'PAYLOAD_INVALID' }]);
    expect(await lettersOf(bus)).toMatchObject([{ payload: { n: 1 } }]);
    const letters = (await worker.dead()).events.map(({ letter }) => letter);
    expect(letters).toEqual(['kept', 'published']);
  });

  it('is refused on a topic that is not stored', async () => {
    const bus = await openTestBus({ shards: 1, noPersistTopics: ['dead.*'] });
    await expect(workerOf(bus, { deadLetter: DEAD })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      details: { faults: [{ path: 'deadLetter' }] },
    });
  });
});

describe('retention that waits for a consumer', () => {
  it('removes what it has done, and nothing while one of its consumers does not exist', async () => {
    const dir = temporaryDirectory();
    const retention = [
      { pattern: 'jobs.*', untilConsumedBy: ['worker'] },
      { pattern: 'both.*', untilConsumedBy: ['worker', 'other'] },
    ];
    const bus = await openTestBus({ dir, shards: 1, retention });
    expect((await bus.stats()).retention).toEqual(retention);
    const worker = await workerOf(bus, { filter: ['jobs.*', 'both.*'] });
    const event = (topic: string, payload: number) => ({ topic, type: 'job', payload });
    for (let n = 0; n < 6; n++) {
      await bus.publish(event('jobs.1', n));
      await bus.publish(event('both.1', n));
    }
    let handled = 0;
    for await (const delivery of worker.deliveries()) {
      await delivery.ack();
      if (++handled === 6) break;
    }
    const left = async (topic: string) =>
      (await gather(bus.read({ topic }))).map(({ payload }) => payload);
    await until('what is done is removed', async () => (await left('jobs.*')).length === 3);
    expect(await left('jobs.*')).toEqual([3, 4, 5]);
    expect(await left('both.*')).toEqual([0, 1, 2, 3, 4, 5]);
    await bus.consumer('other', { filter: 'both.*', from: 'now' });
    await until('both are past it', async () => (await left('both.*')).length === 3);
    await closeTestBus(bus);
  });
});
