import { expect } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { Delivery } from '../../../src/protocol/consumers.js';
import { gather } from '../support/collector.js';
import { Gate, until } from '../support/wait.js';

/**
 * A directory in the middle of its work, and what a copy of it has to do: jobs that are done, leased, wait after a failure
 * and are dead, publishes that wait for their time, and a schedule.
 */

export const CUSTOMERS = ['acme', 'bolt', 'coal', 'dust', 'elm'];
export const LAYOUT = { shards: 3, shardBy: { segments: 1 } } as const;
const JOBS = 60;
const LATER = 40;
const MAX_ATTEMPTS = 3;
/** How long what waits has, at the least, after the directory is filled. It is longer than a copy takes. */
const AHEAD_MS = 3000;

export interface Work {
  readonly done: ReadonlySet<number>;
  readonly dead: ReadonlySet<number>;
  /** Leases that a caller holds who will say that the event is done, or give it back. */
  readonly held: readonly { readonly lease: string; readonly n: number }[];
  /** How often each was failed. */
  readonly failed: ReadonlySet<number>;
  readonly dueAt: number;
}

const jobOf = (n: number) => ({
  topic: `${CUSTOMERS[n % CUSTOMERS.length]}.jobs`,
  type: 'job',
  payload: n,
});
const numberOf = ({ event }: Delivery): number => event.payload as number;
export const ascending = (numbers: Iterable<number>): number[] =>
  [...numbers].sort((a, b) => a - b);

async function take(consumer: Awaited<ReturnType<Bus['consumer']>>, count: number) {
  const taken: Delivery[] = [];
  while (taken.length < count) {
    taken.push(...(await consumer.pull({ max: count - taken.length, waitMs: 20_000 })));
  }
  return taken;
}

/** Fills the bus. The run that it starts holds events until the gate opens, which its own process must not do before the copy. */
export async function fillWork(bus: Bus): Promise<Work & { readonly gate: Gate }> {
  const consumer = await bus.consumer('worker', {
    filter: '+.jobs',
    from: 'earliest',
    leaseMs: 3_600_000,
    maxAttempts: MAX_ATTEMPTS,
    backoffMs: [AHEAD_MS],
    deadLetter: 'dead.worker',
  });
  await bus.publishMany(Array.from({ length: JOBS }, (_, n) => jobOf(n)));
  const [acked, failed, ended, held] = await Promise.all([
    take(consumer, 15),
    take(consumer, 10),
    take(consumer, 5),
    take(consumer, 10),
  ]);
  await Promise.all(acked.map((delivery) => delivery.ack()));
  await Promise.all(failed.map((delivery) => delivery.nak({ reason: 'not yet' })));
  await Promise.all(ended.map((delivery) => delivery.term('never')));
  const letters = { topic: 'dead.worker' };
  await until('the letters are there', async () => (await bus.query(letters)).length === 5);
  const gate = new Gate();
  let begun = 0;
  consumer.run(
    async () => {
      begun++;
      await gate.opened;
      throw new Error('the copy does it');
    },
    { concurrency: 4, prefetch: false },
  );
  await until('four are in the hands of a member', () => begun === 4);
  const dueAt = Date.now() + AHEAD_MS;
  const publishes = Array.from({ length: LATER }, (_, n) =>
    bus.publish(
      { topic: `${CUSTOMERS[n % 5]}.later`, type: 'due', payload: n, id: `n-${n}` },
      { deliverAt: new Date(dueAt + n) },
    ),
  );
  await Promise.all(publishes);
  for (const customer of CUSTOMERS) {
    const event = { topic: `${customer}.ticks`, type: 'tick', payload: null };
    await bus.schedules.set(`tick-${customer}`, { everyMs: 1000, event });
  }
  return {
    done: new Set(acked.map(numberOf)),
    failed: new Set(failed.map(numberOf)),
    dead: new Set(ended.map(numberOf)),
    held: held.map((one) => ({ lease: one.lease, n: numberOf(one) })),
    dueAt,
    gate,
  };
}

/** What waited has become events, each once, and every due time of each schedule is there once. */
export async function expectLater(bus: Bus): Promise<void> {
  await until('nothing waits', async () => (await bus.scheduled()).publishes.length === 0);
  const later = await gather(bus.read({ topic: '+.later' }));
  expect(ascending(later.map(({ payload }) => payload as number))).toEqual([
    ...Array(LATER).keys(),
  ]);
  for (const customer of CUSTOMERS) {
    const { fired, lastAt } = await bus.schedules.pause(`tick-${customer}`);
    const ticks = await gather(bus.read({ topic: `${customer}.ticks` }));
    const due = ticks.map(({ attributes }) => Date.parse(attributes!.dueAt!));
    expect(due.length).toBeGreaterThan(1);
    expect(due).toEqual(due.map((_, index) => due[0]! + index * 1000));
    expect([fired, Date.parse(lastAt!)]).toEqual([due.length, due.at(-1)]);
  }
}

/** Settles the leases of before, works off the rest, and compares. */
export async function expectWork(bus: Bus, work: Work): Promise<void> {
  const { done, dead, failed, held } = work;
  const { url } = await bus.serve({ port: 0 });
  const say = async (what: string, body: object): Promise<unknown> => {
    const answer = await fetch(`${url}/v1/consumers/worker/${what}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return answer.json();
  };
  const leases = held.map(({ lease }) => lease);
  const settled = Array(5).fill({});
  expect(await say('ack', { leases: leases.slice(0, 5) })).toEqual({ results: settled });
  expect(await say('nak', { leases: leases.slice(5), delayMs: 0 })).toEqual({ results: settled });
  const lost = Array(5).fill(expect.objectContaining({ code: 'LEASE_LOST' }));
  expect(await say('ack', { leases: leases.slice(5) })).toEqual({ results: lost });
  const ended = new Set([...done, ...dead, ...held.slice(0, 5).map(({ n }) => n)]);
  const expected = [...Array(JOBS).keys()].filter((n) => !ended.has(n));
  const consumer = await bus.consumer('worker');
  expect(await consumer.info()).toMatchObject({ dead: 5, acked: 20 });
  const attempts = new Map<number, number>();
  const handled: number[] = [];
  const run = consumer.run((delivery) => {
    handled.push(numberOf(delivery));
    attempts.set(numberOf(delivery), delivery.attempt);
  });
  await until('all is done', async () => (await consumer.info()).acked === JOBS - 5, 60_000);
  await run.stop();
  expect(ascending(handled)).toEqual(expected);
  for (const n of failed) expect(attempts.get(n), `attempt of ${n}`).toBe(2);
  const gone = new Set((await consumer.dead()).events.map(({ id }) => id));
  expect(gone.size).toBe(5);
  const letters = await bus.query({ topic: 'dead.worker' });
  expect(ascending(letters.map(({ payload }) => payload as number))).toEqual(ascending(dead));
}
