import { describe, expect, it } from 'vitest';
import { DELIVER_AHEAD_MS_MAX } from '../../../src/protocol/limits/schedules.js';
import { Collector } from '../../bus/support/collector.js';
import { until } from '../../bus/support/wait.js';
import { DOORS, openDoor } from './every-door.js';

/** Bad input to consumers, schedules and conditions: a typed error or the documented effect, the same at every door. */

const WORKER = { filter: 'jobs.*', from: 'earliest', backoffMs: [0] } as const;
const job = (payload: unknown, more: object = {}) => ({
  topic: 'jobs.a',
  type: 'job',
  payload,
  ...more,
});
const refusal = (code: string, details?: object) =>
  expect.objectContaining(details === undefined ? { code } : { code, details });
/** A promise that is rejected with something that need not be an `Error`. */
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ code: 'none', value }),
    (error: unknown) => error,
  );

describe.each(DOORS)('at %s', (name) => {
  it('an unknown consumer is CONSUMER_UNKNOWN, whatever is asked of it', async () => {
    const { door } = await openDoor(name);
    const unknown = refusal('CONSUMER_UNKNOWN');
    expect(await failure(door.open(undefined, 'nobody'))).toEqual(unknown);
    expect(await failure(door.pull(1, 'nobody'))).toEqual(unknown);
    expect(await failure(door.seek('earliest', 'nobody'))).toEqual(unknown);
    for (const what of ['pause', 'resume', 'delete'] as const) {
      expect(await failure(door.act(what, 'nobody')), what).toEqual(unknown);
    }
  });

  it('another definition is CONSUMER_EXISTS, and changes nothing', async () => {
    const { door, bus } = await openDoor(name);
    await door.open(WORKER);
    for (const other of [{ filter: 'other.*' }, { leaseMs: 5000 }, { order: 'topic' as const }]) {
      expect(await failure(door.open({ ...WORKER, ...other }))).toEqual(
        refusal('CONSUMER_EXISTS', expect.objectContaining({ fields: Object.keys(other) })),
      );
    }
    // `from` is of the creation alone.
    await door.open({ ...WORKER, from: 'now' });
    expect((await (await bus.consumer('worker')).info()).definition).toMatchObject({
      filter: { topics: ['jobs.*'] },
      order: 'none',
      leaseMs: 30_000,
    });
  });

  it('a second word on an event is LEASE_LOST, but for a second ack of one delivery', async () => {
    const { door, bus } = await openDoor(name);
    await door.open(WORKER);
    await door.publish([job(1), job(2), job(3)], {});
    const lost = refusal('LEASE_LOST');
    const acked = (await door.pull(1))[0]!;
    await acked.ack();
    const second = await failure(acked.ack());
    const isDelivery = name === 'in process' || name === 'a client';
    expect(second).toEqual(isDelivery ? { code: 'none' } : lost);
    for (const what of ['nak', 'term', 'working'] as const) {
      expect(await failure(acked[what]()), what).toEqual(lost);
    }
    expect(await failure(acked.follow([{ topic: 'next', type: 'x', payload: 1 }]))).toEqual(lost);
    const naked = (await door.pull(1))[0]!;
    await naked.nak();
    expect(await failure(naked.ack())).toEqual(lost);
    const ended = (await door.pull(1))[0]!;
    await ended.term();
    expect(await failure(ended.ack())).toEqual(lost);
    const info = () => bus.consumer('worker').then((worker) => worker.info());
    await until('it is dead', async () => (await info()).dead === 1);
    expect(await info()).toMatchObject({ acked: 1, dead: 1, inFlight: 0 });
    expect(await bus.query({ topic: 'next' })).toEqual([]);
  });

  it('a lease that has run out is LEASE_LOST, and the event goes to the next', async () => {
    const { door, bus } = await openDoor(name);
    await door.open({ ...WORKER, leaseMs: 200 });
    await door.publish([job(1)], {});
    const late = (await door.pull(1))[0]!;
    let [next] = await door.pull(1);
    while (next === undefined) [next] = await door.pull(1);
    expect(next.n).toBe(1);
    // On a busy machine the next lease may have run out as well.
    expect(next.attempt).toBeGreaterThan(1);
    const lost = refusal('LEASE_LOST');
    for (const what of ['ack', 'nak', 'term', 'working'] as const) {
      expect(await failure(late[what]()), what).toEqual(lost);
    }
    expect(await failure(late.follow([{ topic: 'next', type: 'x', payload: 1 }]))).toEqual(lost);
    expect(await bus.query({ topic: 'next' })).toEqual([]);
  });

  it('an event that lacks the key attribute is a key of its own', async () => {
    const { door } = await openDoor(name);
    await door.open({ ...WORKER, order: 'attributes.customer', backoffMs: [3_600_000] });
    const of = (customer: string) => ({ attributes: { customer } });
    const jobs = [job('a1', of('a')), job('a2', of('a')), job('b1', of('b')), job('c'), job('d')];
    await door.publish([...jobs, job('empty', of(''))], {});
    const first: Awaited<ReturnType<typeof door.pull>> = [];
    while (first.length < 5) first.push(...(await door.pull(10)));
    expect(first.map(({ n }) => n).sort()).toEqual(['a1', 'b1', 'c', 'd', 'empty']);
    // One without the key that fails holds back no other; one with it does.
    await first.find(({ n }) => n === 'c')!.nak();
    await first.find(({ n }) => n === 'a1')!.ack();
    const then: unknown[] = [];
    while (then.length < 2) then.push(...(await door.pull(10)).map(({ n }) => n));
    expect(then.sort()).toEqual(['a2', 'c']);
  });

  it('a seek before what was pruned hands out what is left, and tells the gap', async () => {
    const { door, bus } = await openDoor(name);
    await door.open(WORKER);
    await door.publish([job(1), job(2), job(3), job(4)], {});
    const told = await Collector.start(bus, '$sys.consumer.worker.gap');
    let done = 0;
    while (done < 4) {
      for (const held of await door.pull(4)) {
        await held.ack();
        done++;
      }
    }
    const { cursor } = (await bus.query({ topic: 'jobs.*', limit: 1 }))[0]!;
    await bus.prune({ pattern: 'jobs.*', maxEvents: 1 });
    await door.seek({ after: cursor });
    expect((await door.pull(10)).map(({ n }) => n)).toEqual([4]);
    await until('the gap is told', () => told.events.length > 0);
    expect(told.events[0]!.payload).toMatchObject({ consumer: 'worker', from: 2, to: 3 });
    for (const from of ['nowhere', { last: 0 }, { since: 'soon' }, {}]) {
      expect(await failure(door.seek(from)), JSON.stringify(from)).toEqual(
        refusal('OPTION_INVALID'),
      );
    }
    expect(await failure(door.seek({ after: 'x' }))).toEqual(refusal('CURSOR_INVALID'));
  });

  it('a schedule that never fires is OPTION_INVALID', async () => {
    const { door, bus } = await openDoor(name);
    const event = { topic: 'jobs.a', type: 'due', payload: 1 };
    for (const when of [
      { cron: '0 0 30 2 *' },
      { cron: '0 0 31 4 *', timeZone: 'Europe/Berlin' },
      { cron: 'at noon' },
      { cron: '0 9 * * *', timeZone: 'No/Where' },
      { everyMs: 10 },
      {},
    ]) {
      expect(await failure(door.schedule({ ...when, event })), JSON.stringify(when)).toEqual(
        refusal('OPTION_INVALID'),
      );
    }
    expect(await bus.schedules.list()).toEqual([]);
    // It comes once in four years.
    await door.schedule({ cron: '0 0 29 2 *', event });
  });

  it('a time in the past is now, and one too far ahead is OPTION_INVALID', async () => {
    const { door, bus } = await openDoor(name);
    const at = (ms: number) => ({ deliverAt: new Date(ms).toISOString() });
    const [past] = await door.publish([job(1)], at(Date.now() - 1000));
    const [epoch] = await door.publish([job(2)], at(0));
    expect([past, epoch]).toMatchObject([{ sequence: 1 }, { sequence: 2 }]);
    expect(past).not.toHaveProperty('deliverAt');
    const day = 86_400_000;
    const beyond = at(Date.now() + DELIVER_AHEAD_MS_MAX + day);
    expect(await failure(door.publish([job(3)], beyond))).toEqual(refusal('OPTION_INVALID'));
    const within = at(Date.now() + DELIVER_AHEAD_MS_MAX - day);
    expect(await door.publish([job(4)], within)).toMatchObject([within]);
    for (const wrong of ['tomorrow', '2026-13-01T00:00:00Z', '']) {
      expect(await failure(door.publish([job(5)], { deliverAt: wrong })), wrong).toEqual(
        refusal('OPTION_INVALID'),
      );
    }
    expect((await bus.scheduled()).publishes.map(({ deliverAt }) => deliverAt)).toEqual([
      within.deliverAt,
    ]);
    expect(await bus.query({ topic: '*' })).toHaveLength(2);
  });

  it('an atomic batch over two shards is ATOMIC_ACROSS_SHARDS, and stores nothing', async () => {
    const { door, bus } = await openDoor(name, 2);
    const batch = Array.from({ length: 12 }, (_, n) => job(n, { topic: `jobs.${n}` }));
    expect(await failure(door.publish(batch, { atomic: true }))).toEqual(
      refusal('ATOMIC_ACROSS_SHARDS', expect.objectContaining({ topics: expect.any(Array) })),
    );
    expect(await bus.query({ topic: '*' })).toEqual([]);
    // Nor does an ack with events of another shard, which leaves the lease.
    await door.open(WORKER);
    await door.publish([job(0)], {});
    const held = (await door.pull(1))[0]!;
    expect(
      await failure(held.follow(batch.map((one) => ({ ...one, topic: `n${one.topic}` })))),
    ).toEqual(refusal('ATOMIC_ACROSS_SHARDS', expect.anything()));
    await held.ack();
    expect(await bus.query({ topic: '*' })).toHaveLength(1);
  });

  it('an expectation is judged by the last event of a topic that retention has emptied', async () => {
    const { door, bus } = await openDoor(name);
    await door.publish([job(1), job(2)], {});
    await bus.prune({ pattern: 'jobs.*', maxEvents: 0 });
    const there = expect.objectContaining({ topic: 'jobs.a', sequence: 2 });
    for (const expected of ['none', { sequence: 1 }] as const) {
      expect(await failure(door.publish([job(3)], { expect: expected }))).toEqual(
        refusal('CONFLICT', there),
      );
    }
    expect(await bus.query({ topic: '*' })).toEqual([]);
    expect(await door.publish([job(3)], { expect: { sequence: 2 } })).toMatchObject([
      { sequence: 3 },
    ]);
  });
});
