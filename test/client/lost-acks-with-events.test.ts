import { describe, expect, test } from 'vitest';
import type { Delivery } from '../../src/client.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { startServer, temporaryDirectory } from '../cli/support/command.js';
import { connectTo, reconnected } from './support/millrace-client.js';
import { TcpProxy } from './support/proxy.js';

/** An `ackAndPublish` of a client whose connection is cut at each moment, or whose server is killed. */

const DEFINITION = {
  filter: 'jobs.*',
  from: 'earliest',
  leaseMs: 600_000,
  backoffMs: [0],
} as const;

/** Frames of a client are masked, so they are told by their size. */
const LARGE = 'x'.repeat(20_000);

async function behindProxy() {
  const bus = await openTestBus({ shards: 1 });
  const gateway = await bus.serve({ port: 0 });
  const proxy = await TcpProxy.start(gateway.port);
  const connected = connectTo(proxy.url);
  const consumer = await connected.client.consumer<number>('worker', DEFINITION);
  const publish = (n: number) => bus.publish({ topic: 'jobs.a', type: 'job', payload: n });
  const followUps = async () =>
    (await bus.query<{ n: number }>({ topic: 'done.*' })).map(({ payload }) => payload.n);
  return { ...connected, bus, proxy, consumer, publish, followUps };
}

const follow = (n: number, id?: string) => ({
  topic: 'done.a',
  type: 'done',
  payload: { n, filling: LARGE },
  ...(id === undefined ? {} : { id }),
});
const code = (error: { code: string }): string => error.code;

/** The connection is cut when the client sends a large frame, or before the server's answer to it. */
const cuts = {
  'before the server has it': (from: string, bytes: Buffer) =>
    from === 'client' && bytes.length > 10_000,
  'after the server has stored it': (from: string, bytes: Buffer) =>
    from === 'server' && bytes.includes('"type":"published"'),
};

describe('an ackAndPublish of a member whose connection is lost', () => {
  test.each([
    ['before the server has it', 2],
    ['after the server has stored it', 1],
  ] as const)(
    '%s rejects with CONNECTION_FAILED, and the event has one follow-up',
    async (moment, tries) => {
      const { proxy, client, consumer, publish, followUps } = await behindProxy();
      const outcomes: unknown[] = [];
      const signals: AbortSignal[] = [];
      proxy.cutsAt = cuts[moment];
      const run = consumer.run(async (delivery) => {
        const { event, attempt, signal } = delivery;
        signals.push(signal);
        const acks = delivery.ackAndPublish([follow(event.payload)]);
        outcomes.push([event.payload, attempt, await acks.then(() => 'stored', code)]);
      });
      await publish(1);
      await until('it is told', () => outcomes.length === 1);
      expect(outcomes).toEqual([[1, 1, 'CONNECTION_FAILED']]);
      expect(signals[0]!.aborted).toBe(true);
      proxy.cutsAt = () => false;
      await reconnected(client, 0);
      await publish(2);
      await until('both have their follow-ups', async () => (await followUps()).length === 2);
      await run.stop();
      expect(await followUps()).toEqual([1, 2]);
      const rest = [
        [1, 2, 'stored'],
        [2, 1, 'stored'],
      ].slice(2 - tries);
      expect(outcomes.slice(1)).toEqual(rest);
      expect(await consumer.info()).toMatchObject({ acked: 2, inFlight: 0 });
    },
  );

  test.each(['before the server has it', 'after the server has stored it'] as const)(
    '%s has one follow-up too, if its handler does not await it',
    async (moment) => {
      const { proxy, client, consumer, publish, followUps } = await behindProxy();
      const begun: unknown[] = [];
      const outcomes: unknown[] = [];
      proxy.cutsAt = cuts[moment];
      const run = consumer.run((delivery) => {
        const { event, attempt } = delivery;
        begun.push([event.payload, attempt]);
        const acks = delivery.ackAndPublish([follow(event.payload)]);
        acks.then(() => outcomes.push('stored')).catch((error) => outcomes.push(code(error)));
      });
      await publish(1);
      await publish(2);
      await until('it is told', () => outcomes.length === 1);
      // The place of the first one was not free before.
      expect(begun).toEqual([[1, 1]]);
      expect(outcomes).toEqual(['CONNECTION_FAILED']);
      proxy.cutsAt = () => false;
      await reconnected(client, 0);
      await until('both have their follow-ups', async () => (await followUps()).length === 2);
      await run.stop();
      expect((await followUps()).sort()).toEqual([1, 2]);
      expect(await consumer.info()).toMatchObject({ acked: 2, inFlight: 0 });
    },
  );

  test('before it is said rejects with LEASE_LOST, as nothing of it can be stored', async () => {
    const { proxy, client, consumer, publish, followUps } = await behindProxy();
    const outcomes: unknown[] = [];
    let say: (delivery: Delivery<number>) => Promise<void> = async () => {};
    const run = consumer.run((delivery) => say(delivery));
    const attempt = async (delivery: Delivery<number>) => {
      const acks = delivery.ackAndPublish([follow(delivery.event.payload)]);
      outcomes.push(await acks.then(() => 'stored', code));
    };
    let held: Delivery<number> | undefined;
    // The first thing that happens to a connection that is lost is that a listener hears of it.
    client.on('state', ({ state }) => {
      if (state === 'reconnecting' && held !== undefined) void attempt(held);
      held = undefined;
    });
    let release = () => {};
    const isReleased = new Promise<void>((resolve) => {
      release = resolve;
    });
    say = async (delivery) => {
      held = delivery;
      say = attempt;
      await isReleased;
      await attempt(delivery);
    };
    await publish(1);
    await until('it is in hand', () => held !== undefined);
    proxy.mode = 'refuse';
    proxy.reset();
    await until('the listener has said it', () => outcomes.length === 1);
    release();
    await until('the handler has said it', () => outcomes.length === 2);
    expect(outcomes).toEqual(['LEASE_LOST', 'LEASE_LOST']);
    proxy.mode = 'pass';
    await until('it came again', async () => (await followUps()).length === 1);
    await run.stop();
    expect(await followUps()).toEqual([1]);
  });
});

describe('an ackAndPublish of a pulled event whose connection is lost', () => {
  test('before the server has it may be said again, and is stored once', async () => {
    const { proxy, client, consumer, publish, followUps } = await behindProxy();
    await publish(1);
    const [delivery] = await consumer.pull({ waitMs: 30_000 });
    proxy.cutsAt = cuts['before the server has it'];
    const first = delivery!.ackAndPublish([follow(1)]);
    expect(await first.catch(code)).toBe('CONNECTION_FAILED');
    expect(delivery!.signal.aborted).toBe(false);
    proxy.cutsAt = () => false;
    await reconnected(client, 0);
    const again = await delivery!.ackAndPublish([follow(1)]);
    expect(again).toMatchObject([{ duplicate: false }]);
    expect(await followUps()).toEqual([1]);
  });

  test('after the server has stored it is answered as a repeat, if the events have ids', async () => {
    const { proxy, client, consumer, publish, followUps } = await behindProxy();
    await publish(1);
    const [delivery] = await consumer.pull({ waitMs: 30_000 });
    proxy.cutsAt = cuts['after the server has stored it'];
    const first = delivery!.ackAndPublish([follow(1, 'mine')]);
    expect(await first.catch(code)).toBe('CONNECTION_FAILED');
    proxy.cutsAt = () => false;
    await reconnected(client, 0);
    const again = await delivery!.ackAndPublish([follow(1, 'mine')]);
    expect(again).toMatchObject([{ id: 'mine', duplicate: true }]);
    expect(await followUps()).toEqual([1]);
    // Without ids of their own they are other events, and the lease has ended.
    const [other] = await Promise.all([consumer.pull({ waitMs: 30_000 }), publish(2)]);
    proxy.cutsAt = cuts['after the server has stored it'];
    expect(await other[0]!.ackAndPublish([follow(2)]).catch(code)).toBe('CONNECTION_FAILED');
    proxy.cutsAt = () => false;
    await reconnected(client, 1);
    expect(await other[0]!.ackAndPublish([follow(2)]).catch(code)).toBe('LEASE_LOST');
    expect(await followUps()).toEqual([1, 2]);
    expect(await consumer.info()).toMatchObject({ acked: 2, inFlight: 0 });
  });

  test('waits while the client is offline, and is sent once', async () => {
    const { proxy, client, consumer, publish, followUps } = await behindProxy();
    await publish(1);
    const [delivery] = await consumer.pull({ waitMs: 30_000 });
    proxy.mode = 'refuse';
    proxy.reset();
    await until('it is lost', () => client.state === 'reconnecting');
    const acks = delivery!.ackAndPublish([follow(1)]);
    proxy.mode = 'pass';
    expect(await acks).toMatchObject([{ duplicate: false }]);
    expect(await followUps()).toEqual([1]);
    expect(await consumer.info()).toMatchObject({ acked: 1, inFlight: 0 });
  });
});

describe('an ackAndPublish of a client whose signal aborts', () => {
  test('is never sent, if it waited for the connection', async () => {
    const { proxy, client, consumer, publish, followUps } = await behindProxy();
    await publish(1);
    const [delivery] = await consumer.pull({ waitMs: 30_000 });
    proxy.mode = 'refuse';
    proxy.reset();
    await until('it is lost', () => client.state === 'reconnecting');
    const stop = new AbortController();
    const acks = delivery!.ackAndPublish([follow(1)], { signal: stop.signal });
    // By then it waits.
    await new Promise(setImmediate);
    stop.abort();
    await expect(acks).rejects.toMatchObject({ code: 'ABORTED', details: { isSent: false } });
    proxy.mode = 'pass';
    await reconnected(client, 0);
    await delivery!.ack();
    expect(await followUps()).toEqual([]);
    expect(await consumer.info()).toMatchObject({ acked: 1, inFlight: 0 });
  });

  test('may be stored, if it was sent, and a second word is refused then', async () => {
    const { proxy, consumer, publish, followUps } = await behindProxy();
    const outcomes: unknown[] = [];
    const stop = new AbortController();
    const run = consumer.run(async (delivery) => {
      proxy.mode = 'half-open';
      const acks = delivery.ackAndPublish([follow(1)], { signal: stop.signal });
      await until('it is stored', async () => (await followUps()).length === 1);
      stop.abort();
      outcomes.push(await acks.catch(({ code: is, details }) => [is, details]));
      proxy.mode = 'pass';
      outcomes.push(await delivery.nak().catch(code));
    });
    await publish(1);
    await until('both are told', () => outcomes.length === 2);
    expect(outcomes).toEqual([['ABORTED', { isSent: true }], 'LEASE_LOST']);
    proxy.reset();
    await run.stop();
    expect(await followUps()).toEqual([1]);
  });
});

describe('a server that is killed while acks with events are under way', () => {
  test('has one follow-up for each job, whatever its clients were told', async () => {
    let server = await startServer(temporaryDirectory(), ['--shards', '1']);
    const { client } = connectTo(server.url);
    const consumer = await client.consumer<number>('worker', { ...DEFINITION, maxAttempts: 1000 });
    const total = 1500;
    const told = new Map<string, number>();
    const run = consumer.run(
      async (delivery) => {
        const { payload: n } = delivery.event;
        const acks = delivery.ackAndPublish([{ topic: 'done.a', type: 'done', payload: n }]);
        const outcome = await acks.then(() => 'stored', code);
        told.set(outcome, (told.get(outcome) ?? 0) + 1);
      },
      { concurrency: 16 },
    );
    const inputs = Array.from({ length: total }, (_, payload) => ({
      topic: 'jobs.a',
      type: 'job',
      payload,
    }));
    await client.publishMany(inputs);
    for (let kills = 0; kills < 3; kills++) {
      const before = told.get('stored') ?? 0;
      await until('jobs are done', () => (told.get('stored') ?? 0) > before + 200, 60_000);
      await server.stop('SIGKILL');
      server = await startServer(server.dir, ['--port', String(server.port)]);
    }
    await until('all are done', async () => (await consumer.info()).pending === 0, 60_000);
    await run.stop();
    const events = await client.query<number>({ topic: 'done.*', limit: total + 100 });
    const followed = events.map(({ payload }) => payload).sort((a, b) => a - b);
    expect(followed).toEqual(inputs.map(({ payload }) => payload));
    expect(await consumer.info()).toMatchObject({ acked: total, inFlight: 0, dead: 0 });
    for (const outcome of told.keys()) {
      expect(['stored', 'CONNECTION_FAILED', 'LEASE_LOST']).toContain(outcome);
    }
  }, 180_000);
});
