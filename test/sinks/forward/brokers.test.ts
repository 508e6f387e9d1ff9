import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { BusError } from '../../../src/protocol/errors.js';
import { isBrokerUrl, parseBrokerAddress } from '../../../src/sinks/forward/broker-address.js';
import type { Forwarded } from '../../../src/sinks/forward/hops.js';
import { NatsTarget } from '../../../src/sinks/forward/nats-target.js';
import { RedisTarget } from '../../../src/sinks/forward/redis-target.js';
import type { Target } from '../../../src/sinks/forward/target.js';
import { openTestBus, temporaryDirectory } from '../../bus/support/open.js';
import { until, within } from '../../bus/support/wait.js';
import { NatsServer, natsServerPath } from '../../stores/nats/support/server.js';
import { hasRedis, RedisServer } from '../../stores/redis/redis-server.js';
import { forward } from '../built.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FORWARDER = fileURLToPath(new URL('./support/forwarder.js', import.meta.url));
const TOPICS = 20;

interface Broker {
  readonly url: string;
  /** The address with another password, where it has one. */
  readonly wrong: string;
  /** All that other programs find there, in its order. */
  events(): Promise<{ id: string; topic: string; payload: unknown; [field: string]: unknown }[]>;
  restart(): Promise<void>;
}

async function onNats(hasStream = true): Promise<Broker & { makeStream(): Promise<void> }> {
  const server = await NatsServer.start({ config: 'authorization { token: "secret" }' });
  onTestFinished(() => server.dispose());
  const connection = await connect({
    servers: server.url,
    token: 'secret',
    maxReconnectAttempts: -1,
  });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  const makeStream = async (): Promise<void> => {
    await manager.streams.add({ name: 'out', subjects: ['events.>'] });
  };
  if (hasStream) await makeStream();
  return {
    url: `nats://secret@${server.url}?subject=events`,
    wrong: `nats://other@${server.url}?subject=events`,
    makeStream,
    async events() {
      const { state } = await manager.streams.info('out');
      const sequences = Array.from({ length: state.messages }, (_, at) => at + state.first_seq);
      const found = [];
      for (const seq of sequences) {
        const message = (await manager.streams.getMessage('out', { seq }))!;
        const event = message.json<{ id: string; topic: string; payload: unknown }>();
        const subject = event.topic.replace('%', '%25').replace('>', '%3E');
        expect(message.subject).toBe(`events.${subject}`);
        found.push(event);
      }
      return found;
    },
    async restart() {
      await server.kill();
      await server.start();
    },
  };
}

async function onRedis(): Promise<Broker> {
  const server = await RedisServer.forTest({ requirepass: 'secret' });
  return {
    url: `redis://:secret@127.0.0.1:${server.port}/0?stream=events`,
    wrong: `redis://:other@127.0.0.1:${server.port}/0?stream=events`,
    async events() {
      const entries = (await server.command('XRANGE', 'events', '-', '+')) as [string, string[]][];
      return entries.map(([, fields]) => {
        const entry = Object.fromEntries(
          fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]!]] : [])),
        );
        const event = JSON.parse(entry.event!);
        const { id, topic, type } = event;
        expect(entry).toMatchObject({ id, topic, type });
        return event;
      });
    },
    async restart() {
      await server.kill();
      await server.start();
    },
  };
}

const BROKERS = [
  { name: 'NATS', isThere: natsServerPath !== undefined, start: () => onNats() },
  { name: 'Redis', isThere: hasRedis, start: onRedis },
];

async function sinkTo(bus: Bus, url: string) {
  const consumer = await bus.consumer('to-there', {
    ...{ filter: '*', from: 'earliest', order: 'topic', backoffMs: [5], maxAttempts: 1000 },
  });
  const told: BusError[] = [];
  const to = { url };
  const sink = forward({
    consumer,
    to,
    here: 'h',
    there: 't',
    onError: (error) => told.push(error),
  });
  onTestFinished(() => sink.stop());
  return { sink, consumer, told };
}

/** By topic, the payloads in their order. */
function byTopic(events: readonly { topic: string; payload: unknown }[]): Map<string, unknown[]> {
  const topics = new Map<string, unknown[]>();
  for (const { topic, payload } of events) {
    topics.set(topic, [...(topics.get(topic) ?? []), payload]);
  }
  return topics;
}

async function allOf(bus: Bus, topic = '*') {
  const events = [];
  for await (const event of bus.read({ topic })) events.push(event);
  return events;
}

describe.each(BROKERS)('forwarding to $name', ({ isThere, start }) => {
  it.skipIf(!isThere)(
    'brings each event once, in the order of its topic, through the death of the broker',
    async () => {
      const broker = await start();
      const bus = await openTestBus({ dir: ':memory:', shards: 2 });
      const { sink, consumer } = await sinkTo(bus, broker.url);
      const publish = (from: number) =>
        bus.publishMany(
          Array.from({ length: 400 }, (_, n) => ({
            ...{ topic: `t.${n % TOPICS}`, type: 'done', payload: from + n },
          })),
        );
      await publish(0);
      await until('some are there', () => sink.info().done > 100);
      await broker.restart();
      await publish(400);
      await bus.publish({
        ...{ topic: 'o>d%.é', type: 'odd', payload: { text: 'ä\n"', big: 1.5 }, source: 'me' },
        ...{ correlationId: 'run', causationId: 'cause', attributes: { a: '1' } },
      });
      await until('all are there', async () => (await consumer.info()).acked === 801);
      const [sent, found] = [await allOf(bus), await broker.events()];
      expect(byTopic(found)).toEqual(byTopic(sent));
      const { shard: _, sequence: __, ...fields } = sent.find(({ source }) => source === 'me')!;
      const odd = found.find(({ topic }) => topic === 'o>d%.é');
      expect(odd).toEqual({ ...fields, attributes: { a: '1', forwardedVia: 'h' } });
      expect(sink.info().target).not.toContain('secret');
    },
  );

  it.skipIf(!isThere)('brings each event once through the deaths of its own process', async () => {
    const broker = await start();
    const dir = temporaryDirectory();
    const begin = (mode: string) => {
      const args = [FORWARDER, ROOT, dir, broker.url, mode];
      return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    };
    let done = 0;
    for (let round = 1; round <= 3; round++) {
      const child = begin('go on');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      for await (const line of createInterface({ input: child.stdout })) {
        if (Number(line) > 100) break;
      }
      child.kill('SIGKILL');
      await ended;
      done++;
    }
    expect(done).toBe(3);
    const last = begin('drain');
    expect(await within('the rest', new Promise((resolve) => last.once('exit', resolve)))).toBe(0);
    const bus = await openTestBus({ dir });
    const [sent, found] = [await allOf(bus, 'a.*'), await broker.events()];
    expect(sent.length).toBeGreaterThan(300);
    expect(byTopic(found)).toEqual(byTopic(sent));
  });

  it.skipIf(!isThere)('ends where the broker refuses the login', async () => {
    const broker = await start();
    const bus = await openTestBus({ dir: ':memory:' });
    await bus.publish({ topic: 'a', type: 'b', payload: 1 });
    const { sink } = await sinkTo(bus, broker.wrong);
    await expect(within('the end', sink.closed)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it.skipIf(!isThere)('knows the last event of a topic for good', async () => {
    const broker = await start();
    const address = parseBrokerAddress(broker.url);
    const token = async (): Promise<undefined> => undefined;
    const target: Target =
      address.broker === 'nats' ? new NatsTarget(address, token) : new RedisTarget(address, token);
    onTestFinished(() => target.close());
    const input = (id: string): Forwarded => ({ topic: 'a', type: 't', id, payload: id });
    const { signal } = new AbortController();
    expect(await target.has(input('one'))).toBe(false);
    const stored = { kind: 'stored', isDuplicate: false };
    expect(await target.publish([input('one')], signal)).toEqual([stored]);
    expect(await target.has(input('one'))).toBe(true);
    expect(await target.publish([input('one'), input('two')], signal)).toEqual([
      { ...stored, isDuplicate: true },
      stored,
    ]);
    expect(await target.has(input('two'))).toBe(true);
    expect(await broker.events()).toHaveLength(2);
  });
});

describe('a broker as a target', () => {
  it.skipIf(natsServerPath === undefined)(
    'without a stream is told of, and used once it has one',
    async () => {
      const broker = await onNats(false);
      const bus = await openTestBus({ dir: ':memory:' });
      await bus.publish({ topic: 'a', type: 'b', payload: 1 });
      const { told, consumer } = await sinkTo(bus, broker.url);
      await until('it is told', () => told.length > 0);
      expect(told[0]!.message).toContain('no stream of NATS has the subject events.>: make one');
      await broker.makeStream();
      await until('it is there', async () => (await consumer.info()).acked === 1);
      expect(await broker.events()).toHaveLength(1);
    },
  );

  it.skipIf(natsServerPath === undefined).each([
    ['before 2.11', { stream: 's', seq: 0, duplicate: true }],
    ['since 2.11', { stream: 's', seq: 0, error: { err_code: 10158, description: 'conflict' } }],
  ])('may have an event under way that it never stores: NATS %s', async (_, answer) => {
    const server = await NatsServer.start({ isPlain: true });
    onTestFinished(() => server.dispose());
    const stream = await connect({ servers: server.url });
    onTestFinished(() => stream.close());
    stream.subscribe('events.>', {
      callback: (_error, message) => void message.respond(JSON.stringify(answer)),
    });
    await stream.flush();
    const address = parseBrokerAddress(`nats://${server.url}?subject=events`);
    if (address.broker !== 'nats') throw new Error('the address is not of NATS');
    const target = new NatsTarget(address, async () => undefined);
    onTestFinished(() => target.close());
    const input: Forwarded = { topic: 'a', type: 't', id: 'one', payload: 1 };
    const [outcome] = await target.publish([input], new AbortController().signal);
    expect(outcome).toMatchObject({ kind: 'failed', isKnown: false });
  });

  it.each([
    ['nats://x:1', 'without a subject'],
    ['nats://x:1/orders', 'path behind the hosts'],
    ['nats://user:hidden@x:1?subject=a.*', 'which NATS does not take'],
    ['nats://x:1?subject=a&stream=b', 'is unknown'],
    ['redis://:hidden@x:1', 'without a stream'],
    ['redis://x:1/name?stream=a', 'number of a database'],
    ['redis://x:1?stream=a&dedupeMs=soon', 'dedupeMs'],
    ['redis://x:1?stream=a&maxEvents=0', 'maxEvents'],
    ['redis://?stream=a', 'neither nats://'],
  ])('is not %s', async (url, why) => {
    expect(isBrokerUrl(url)).toBe(true);
    const bus = await openTestBus({ dir: ':memory:' });
    const fault = await sinkTo(bus, url).catch((error: BusError) => error);
    expect(fault).toMatchObject({ code: 'OPTION_INVALID', message: expect.stringContaining(why) });
    expect(JSON.stringify(fault)).not.toContain('hidden');
  });
});
