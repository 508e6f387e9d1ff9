import { describe, expect, it } from 'vitest';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { connectTo } from '../../client/support/millrace-client.js';
import { ask, publish, serve } from './support.js';

/** Pulls without `waitMs` at each door: an empty answer means that no shard had an event for them when they asked. */

const SHARDS = 4;
const JOBS = 12;
const WORKER = { filter: 'jobs.*', from: 'earliest' } as const;

/** Topics of which each shard has the same number. */
function topics(): string[] {
  const found: string[] = [];
  for (let n = 0; found.length < JOBS; n++) {
    const topic = `jobs.t${n}`;
    if (shardOf(topic, SHARDS) === found.length % SHARDS) found.push(topic);
  }
  return found;
}

interface Job {
  readonly shard: number | undefined;
  readonly attempt: number;
}

const DOORS = {
  'in the process': async () => {
    const { bus } = await serve([], {}, SHARDS);
    const consumer = await bus.consumer('worker', WORKER);
    const pull = async (max: number): Promise<Job[]> =>
      (await consumer.pull({ max })).map(({ event, attempt }) => ({ shard: event.shard, attempt }));
    return { bus, pull };
  },
  'over HTTP': async () => {
    const { bus, url } = await serve([], {}, SHARDS);
    await ask(url, 'PUT', '/v1/consumers/worker', WORKER);
    const pull = async (max: number): Promise<Job[]> => {
      const { body } = await ask(url, 'POST', '/v1/consumers/worker/pull', { max, waitMs: 0 });
      return body.map(({ event, attempt }: { event: Job; attempt: number }) => {
        return { shard: event.shard, attempt };
      });
    };
    return { bus, pull };
  },
  'from a client': async () => {
    const { bus, url } = await serve([], {}, SHARDS);
    const consumer = await connectTo(url).client.consumer('worker', WORKER);
    const pull = async (max: number): Promise<Job[]> =>
      (await consumer.pull({ max })).map(({ event, attempt }) => ({ shard: event.shard, attempt }));
    return { bus, pull };
  },
};

describe.each(Object.entries(DOORS))('pulls that wait for nothing, %s', (_, open) => {
  it('find each job, whichever shard has it, and none is taken that is not handed over', async () => {
    const { bus, pull } = await open();
    for (const topic of topics()) await publish(bus, 1, topic);
    const taken: Job[] = [];
    for (let n = 0; n < JOBS; n++) taken.push(...(await pull(1)));
    const expected = Array.from({ length: JOBS }, (_, n) => ({ shard: n % SHARDS, attempt: 1 }));
    expect(taken.toSorted((a, b) => (a.shard ?? 0) - (b.shard ?? 0))).toEqual(
      expected.toSorted((a, b) => a.shard - b.shard),
    );
    expect(await pull(1)).toEqual([]);
    const info = await (await bus.consumer('worker')).info();
    expect(info).toMatchObject({ inFlight: JOBS, redelivered: 0 });
  });

  it('find one job, wherever it is', async () => {
    const { bus, pull } = await open();
    for (const topic of topics()) {
      expect(await pull(3)).toEqual([]);
      await publish(bus, 1, topic);
      expect(await pull(3)).toHaveLength(1);
    }
  });
});
