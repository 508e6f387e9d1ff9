import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bus, BusOptions } from '../../../src/main/bus.js';
import type { Consumer, ConsumerOptions } from '../../../src/protocol/consumers.js';
import { BusError } from '../../../src/protocol/errors.js';
import type { Event, EventInput } from '../../../src/protocol/event.js';
import type { ForwardOptions } from '../../../src/sinks/forward/forward-options.js';
import type { Sink } from '../../../src/sinks/sink.js';
import { defineTopic } from '../../bus/support/millrace.js';
import { openTestBus, temporaryDirectory } from '../../bus/support/open.js';
import { until, within } from '../../bus/support/wait.js';
import { startServer } from '../../cli/support/command.js';
import { forward } from '../built.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FORWARDER = fileURLToPath(new URL('./support/forwarder.js', import.meta.url));

const sinks: Sink[] = [];
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
});

const memory: BusOptions = { dir: ':memory:', shards: 2 };

/** Forwards `filter` of one bus to another. */
async function joined(
  from: Bus,
  options: Omit<ForwardOptions, 'consumer'>,
  definition: Partial<ConsumerOptions> = {},
) {
  const consumer = await from.consumer(`to-${options.there}`, {
    ...{ filter: '*', from: 'earliest', order: 'topic', backoffMs: [5], maxAttempts: 1000 },
    ...definition,
  });
  const told: BusError[] = [];
  const sink = forward({ consumer, onError: (error) => told.push(error), ...options });
  sinks.push(sink);
  return { sink, consumer, told };
}

const inputs = (count: number, topics: number): EventInput[] =>
  Array.from({ length: count }, (_, n) => ({ topic: `t.${n % topics}`, type: 'done', payload: n }));

async function allOf(bus: Bus, topic = '*'): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of bus.read({ topic })) events.push(event);
  return events;
}

/** By topic, the payloads in their order. */
function byTopic(events: readonly Event[]): Record<string, unknown[]> {
  const topics: Record<string, unknown[]> = {};
  for (const { topic, payload } of events) {
    topics[topic] ??= [];
    topics[topic].push(payload);
  }
  return topics;
}

describe('forwarding', () => {
  it('brings each event to the other bus, as it is, under its id, in the order of its topic', async () => {
    const [here, there] = [await openTestBus(memory), await openTestBus(memory)];
    await here.publishMany(inputs(400, 7));
    await here.publish({
      topic: 't.0',
      type: 'done',
      payload: { big: 1.5, text: 'ä' },
      source: 'me',
      correlationId: 'run',
      causationId: 'cause',
      attributes: { a: '1' },
    });
    const { sink, consumer } = await joined(here, { to: there, here: 'h', there: 't' });
    await until('all are there', async () => (await consumer.info()).acked === 401);
    const [sent, arrived] = [await allOf(here), await allOf(there)];
    expect(byTopic(arrived)).toEqual(byTopic(sent));
    const last = sent.find(({ source }) => source === 'me')!;
    const { shard: _, sequence: __, ...fields } = last;
    const copy = arrived.find(({ id }) => id === last.id)!;
    expect(copy).toMatchObject({ ...fields, attributes: { a: '1', forwardedVia: 'h' } });
    expect(sink.info()).toMatchObject({ done: 401, failed: 0, duplicates: 0, held: 0 });
  });

  it('names the topics there by a prefix or a function, and leaves out what has no name', async () => {
    const [here, there] = [await openTestBus(memory), await openTestBus(memory)];
    await here.publishMany(inputs(4, 2));
    const to = there;
    await joined(here, { to, here: 'h', there: 't', prefix: 'paris' });
    const other = await joined(here, {
      ...{ to, here: 'h', there: 'u' },
      topic: ({ topic, payload }) => (payload === 1 ? undefined : topic.replace('t.', 'u.')),
    });
    await until('all are there', async () => (await allOf(there)).length === 7);
    expect(byTopic(await allOf(there))).toEqual({
      'paris.t.0': [0, 2],
      'paris.t.1': [1, 3],
      'u.0': [0, 2],
      'u.1': [3],
    });
    await until('one is skipped', () => other.sink.info().skipped === 1);
  });

  it('does not go round between buses that forward to each other, by whichever topics', async () => {
    const buses = [await openTestBus(memory), await openTestBus(memory), await openTestBus(memory)];
    const names = ['a', 'b', 'c'] as const;
    const consumers: Consumer[] = [];
    for (const [from, bus] of buses.entries()) {
      for (const [to, other] of buses.entries()) {
        if (from === to) continue;
        const route = { here: names[from]!, there: names[to]! };
        // A prefix makes another topic, so the ids alone would not end the round.
        consumers.push((await joined(bus, { to: other, ...route, prefix: names[from]! })).consumer);
      }
    }
    for (const [at, bus] of buses.entries()) {
      await bus.publish({ topic: 'x', type: 'y', payload: names[at] });
    }
    const isIdle = async () =>
      (await Promise.all(consumers.map((one) => one.info()))).every(({ pending }) => pending === 0);
    await until('nothing is under way', isIdle);
    const topics = (await allOf(buses[0]!)).map(({ topic, payload }) => `${topic} ${payload}`);
    // Straight, and by way of the third bus.
    expect(topics.sort()).toEqual(['b.c.x c', 'b.x b', 'c.b.x b', 'c.x c', 'x a']);
  });

  it('lets events die that the other bus refuses, and goes on with the others', async () => {
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) =>
          typeof value === 'number' && value % 5 !== 0
            ? { value }
            : { issues: [{ message: 'is a multiple of 5' }] },
      },
    } as const;
    const here = await openTestBus(memory);
    const there = await openTestBus({ ...memory, topics: [defineTopic('t.*', schema as never)] });
    await here.publishMany(inputs(50, 3));
    await here.publish({
      topic: 'full',
      type: 'y',
      payload: 1,
      attributes: Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`k${n}`, 'v'])),
    });
    const { consumer, told } = await joined(here, { to: there, here: 'h', there: 't' });
    await until('all are settled', async () => (await consumer.info()).pending === 0);
    expect(await consumer.info()).toMatchObject({ acked: 40, dead: 11 });
    const { events } = await consumer.dead();
    expect(events.filter(({ reason }) => /multiple of 5/.test(reason))).toHaveLength(10);
    expect(events.filter(({ reason }) => /16 attributes/.test(reason))).toHaveLength(1);
    expect(told).toHaveLength(11);
    const arrived = (await allOf(there)).map(({ payload }) => payload);
    expect(arrived).toHaveLength(40);
  });

  it('does not repeat what the other bus has, also when that has forgotten the ids', async () => {
    const here = await openTestBus(memory);
    const there = await openTestBus({ ...memory, dedupeIdsMax: 0 });
    await here.publishMany(inputs(30, 3));
    // The answers are lost: the events are stored, and the sink does not know it.
    let isLossy = true;
    const lossy: ForwardOptions['to'] = {
      publish: async (...args) => {
        const ack = await there.publish(...args);
        if (isLossy) throw new BusError('CONNECTION_FAILED', 'lost');
        return ack;
      },
      publishMany: async (...args: Parameters<Bus['publishMany']>) => {
        const acks = await there.publishMany(...args);
        if (isLossy) throw new BusError('CONNECTION_FAILED', 'lost');
        return acks;
      },
      get: (...args) => there.get(...args),
    } as ForwardOptions['to'];
    const first = await joined(here, { to: lossy, here: 'h', there: 't' });
    await until('the loss is told', () => first.told.length > 0);
    await first.sink.stop();
    isLossy = false;
    const second = await joined(here, { to: lossy, here: 'h', there: 't' });
    await until('all are there', async () => (await second.consumer.info()).acked === 30);
    expect(byTopic(await allOf(there))).toEqual(byTopic(await allOf(here)));
    expect(second.sink.info().duplicates + first.sink.info().duplicates).toBeGreaterThan(0);
  });

  it('holds its events while the other bus is full, at no cost of their attempts', async () => {
    const [here, there] = [await openTestBus(memory), await openTestBus(memory)];
    await here.publishMany(inputs(20, 4));
    let refusals = 0;
    const refusing = async (...args: Parameters<Bus['publishMany']>) => {
      if (refusals++ < 4)
        throw new BusError('STORE_FULL', 'full', { details: { index: 0, stored: [] } });
      return there.publishMany(...args);
    };
    const to = {
      publishMany: refusing,
      publish: async (input: EventInput) => (await refusing([input]))[0],
      get: () => Promise.reject(new Error('nobody was in doubt')),
    } as unknown as ForwardOptions['to'];
    const definition = { maxAttempts: 1, leaseMs: 1000 };
    const { consumer, told } = await joined(here, { to, here: 'h', there: 't' }, definition);
    await until('all are there', async () => (await consumer.info()).acked === 20);
    expect((await consumer.info()).dead).toBe(0);
    expect(byTopic(await allOf(there))).toEqual(byTopic(await allOf(here)));
    expect(told.length).toBeGreaterThan(0);
  });

  it('waits for a server that is away, and gives back what it holds when it stops', async () => {
    const here = await openTestBus(memory);
    await here.publishMany(inputs(5, 5));
    const to = { url: 'http://127.0.0.1:9' };
    const { sink, consumer } = await joined(here, { to, here: 'h', there: 't' }, { leaseMs: 2000 });
    await until('all are held', () => sink.info().held === 5);
    await within('the stop', sink.stop());
    expect(await consumer.info()).toMatchObject({ acked: 0, dead: 0, pending: 5, inFlight: 0 });
  });

  it('ends where the other bus is closed, and keeps its events', async () => {
    const [here, there] = [await openTestBus(memory), await openTestBus(memory)];
    await here.publishMany(inputs(5, 5));
    await there.close();
    const { sink, consumer } = await joined(here, { to: there, here: 'h', there: 't' });
    await expect(within('its end', sink.closed)).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    expect(await consumer.info()).toMatchObject({ acked: 0, dead: 0, pending: 5 });
  });

  it('ends where its token is refused, and lets events die that it may not publish', async () => {
    const [here, there] = [await openTestBus(memory), await openTestBus(memory)];
    await here.publishMany(inputs(6, 3));
    const grants = { publish: ['t.0', 't.1'], subscribe: ['*'] };
    const { url } = await there.serve({ port: 0, auth: { anonymous: grants } });
    const wrong = await joined(here, { to: { url, token: 'nonsense' }, here: 'h', there: 'x' });
    await expect(within('its end', wrong.sink.closed)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    const to = { url };
    const { consumer } = await joined(here, { to, here: 'h', there: 't' }, { maxAttempts: 1 });
    await until('all are settled', async () => (await consumer.info()).pending === 0);
    expect(await consumer.info()).toMatchObject({ acked: 4, dead: 2 });
    expect((await consumer.dead()).events[0]).toMatchObject({ cause: 'nak', topic: 't.2' });
  });

  it('refuses options that cannot be right', async () => {
    const bus = await openTestBus(memory);
    const consumer = await bus.consumer('c', { filter: '*' });
    const good = { consumer, to: bus, here: 'a', there: 'b' };
    const wrong: [object, RegExp][] = [
      [{ consumer: undefined }, /consumer: is missing/],
      [{ to: undefined }, /to: is missing/],
      [{ to: {} }, /has no url/],
      [{ to: { url: 'ftp://x' } }, /has no url/],
      [{ to: { url: 'http://x', tokn: 'x' } }, /"tokn"/],
      [{ to: { url: 'http://x', token: 7 } }, /token that is neither/],
      [{ here: undefined }, /here: is missing/],
      [{ there: 'a,b' }, /there: has to be a name/],
      [{ there: 'a' }, /there: is "a", as here is/],
      [{ prefix: 'a..b' }, /prefix/],
      [{ prefix: 'a', topic: () => 'b' }, /goes instead of topic/],
      [{ concurrency: 0 }, /concurrency/],
    ];
    for (const [change, message] of wrong) {
      expect(() => forward({ ...good, ...change } as ForwardOptions)).toThrow(message);
    }
    const unordered = forward(good);
    await expect(within('its end', unordered.closed)).rejects.toThrow(/needs order: 'topic'/);
    const allowed = forward({ ...good, unordered: true });
    await allowed.ready;
    await allowed.stop();
  });

  it('brings each event once and in order, whichever process is killed', {
    timeout: 240_000,
  }, async () => {
    const [dir, thereDir] = [temporaryDirectory(), temporaryDirectory()];
    let server = await startServer(thereDir, ['--shards', '2']);
    const { url, port } = server;
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, [FORWARDER, ROOT, dir, url, 'publish']);
      const closed = new Promise((resolve) => child.once('close', resolve));
      const reached = (count: number) =>
        new Promise<void>((resolve) => {
          createInterface({ input: child.stdout }).on('line', (line) => {
            if (Number(line) >= count) resolve();
          });
        });
      await within('some events', Promise.race([reached(40 + 31 * round), closed]), 60_000);
      if (round % 2 === 1) {
        server.child.kill('SIGKILL');
        await server.ended;
        server = await startServer(thereDir, ['--port', String(port)]);
      }
      child.kill('SIGKILL');
      await closed;
    }
    const child = spawn(process.execPath, [FORWARDER, ROOT, dir, url, 'drain']);
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    await server.stop();
    const [here, there] = [await openTestBus({ dir }), await openTestBus({ dir: thereDir })];
    const [sent, arrived] = [await allOf(here, 'a.*'), await allOf(there, 'a.*')];
    expect(sent.length).toBeGreaterThan(300);
    expect(byTopic(arrived)).toEqual(byTopic(sent));
  });
});
