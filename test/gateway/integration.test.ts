import { afterEach, describe, expect, it } from 'vitest';
import { checkSharedPort } from '../../src/gateway/settings.js';
import type { Bus } from '../../src/main/bus.js';
import type { GatewayLog } from '../../src/main/gateway-messages.js';
import type { GatewayHandle, GatewayOptions } from '../../src/main/gateway-options.js';
import type * as starter from '../../src/main/gateway-starter.js';
import type { Event } from '../../src/protocol/event.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { SocketClient } from './support/socket-client.js';

/** The gateway in its own thread, on a real bus, over real sockets. */

const built: typeof starter = await import(
  /* @vite-ignore */ new URL('../../dist/main/gateway-starter.js', import.meta.url).href
);

const handles: GatewayHandle[] = [];
const logs: GatewayLog[] = [];

async function serve(bus: Bus, options: GatewayOptions = {}): Promise<GatewayHandle> {
  const onLog = (log: GatewayLog): void => {
    logs.push(log);
  };
  const handle = await built.startGateway(bus, { port: 0, ...options }, { onLog });
  handles.push(handle);
  return handle;
}

afterEach(async () => {
  await Promise.all(handles.splice(0).map((handle) => handle.close()));
  logs.length = 0;
});

const event = (n: number, topic = 'a.b') => ({ topic, type: 'agent_log', payload: n });
const payloadsOf = (events: readonly Event[]) => events.map(({ payload }) => payload);

describe('the gateway on a real bus', () => {
  it('is started by bus.serve(), and ends with the bus', async () => {
    const bus = await openTestBus({ shards: 2 });
    const handle = await bus.serve({ port: 0 });
    expect(handle.url).toBe(`http://127.0.0.1:${handle.port}`);
    const client = new SocketClient(handle.port);
    expect((await client.next('welcome')).payload.epoch).toBe(bus.epoch);
    await bus.close();
    expect((await client.closed).code).toBe(1001);
  });

  it('announces the payload limit of its bus instead of the default', async () => {
    const { port } = await serve(await openTestBus({ shards: 1, maxPayloadBytes: 1000 }));
    const client = new SocketClient(port);
    expect((await client.next('welcome')).payload.limits).toMatchObject({ payloadBytes: 1000 });
  });

  it('carries events both ways', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { port } = await serve(bus);
    const inside = bus.subscribe('a.*')[Symbol.asyncIterator]();
    const client = await SocketClient.open(port);
    await client.ask('subscribe', { subscription: 's', filter: 'a.*' });
    await client.next('caughtUp');
    const { payload } = await client.answerTo('publish', { event: event(1) }, 'p');
    expect(payload.acks).toMatchObject([{ topic: 'a.b', sequence: 1, durability: 'synced' }]);
    const { value } = await inside.next();
    expect(value).toMatchObject({ payload: 1, id: payload.acks[0].id });
    await bus.publish(event(2));
    const received: Event[] = [];
    while (received.length < 2) received.push(...(await client.next('events')).payload.events);
    expect(payloadsOf(received)).toEqual([1, 2]);
    const result = await client.ask('query', { topic: '*' });
    expect(result.payload.events).toEqual(received);
  });

  it('answers every refusal of the bus with the code of the bus', async () => {
    const bus = await openTestBus({ shards: 1 });
    const client = await SocketClient.open((await serve(bus)).port);
    const subscribe = (extra: object) => ({ subscription: 's', filter: '*', ...extra });
    const cases = [
      ['publish', { event: event(1, 'a b') }, 'TOPIC_INVALID'],
      ['publish', { event: event(1, '$sys.x') }, 'TOPIC_INVALID'],
      ['publish', { event: { ...event(1), type: 'No no' } }, 'EVENT_INVALID'],
      ['publish', { event: { ...event(1), id: 'a b' } }, 'EVENT_INVALID'],
      ['publish', { event: { ...event(1), payload: 'é'.repeat(540_000) } }, 'PAYLOAD_TOO_LARGE'],
      ['publish', { events: [event(1), event(1, '')] }, 'TOPIC_INVALID'],
      ['subscribe', subscribe({ filter: 'a.*b' }), 'PATTERN_INVALID'],
      ['subscribe', subscribe({ from: { after: 'nonsense' } }), 'CURSOR_INVALID'],
      ['subscribe', subscribe({ from: { since: 'yesterday' } }), 'OPTION_INVALID'],
      ['query', { topic: '.' }, 'PATTERN_INVALID'],
      ['query', { topic: '*', since: 'yesterday' }, 'QUERY_INVALID'],
      ['query', { topic: '*', after: 'nonsense' }, 'CURSOR_INVALID'],
      ['topics', { pattern: 'a.' }, 'PATTERN_INVALID'],
      ['subscribers', { topic: 'a.*' }, 'TOPIC_INVALID'],
    ] as const;
    for (const [type, payload, code] of cases) {
      const answer = await client.ask(type, payload);
      expect(answer.payload.code, `${type} ${JSON.stringify(payload).slice(0, 80)}`).toBe(code);
    }
    expect(await bus.query({ topic: '*' })).toEqual([]);
  });

  it('lists topics, subscribers and statistics', async () => {
    const bus = await openTestBus({ shards: 2 });
    const client = await SocketClient.open((await serve(bus)).port);
    await bus.publishMany([event(1), event(2, 'c')]);
    await client.ask('subscribe', { subscription: 'mine', filter: 'a.b' });
    await client.next('caughtUp');
    const { payload } = await client.ask('topics', {});
    expect(payload.topics.map(({ name }: { name: string }) => name).sort()).toEqual(['a.b', 'c']);
    const subscribers = await client.ask('subscribers', { topic: 'a.b' });
    expect(subscribers.payload.subscribers).toMatchObject([{ name: 'mine', topics: ['a.b'] }]);
    expect((await client.ask('stats', {})).payload.stats).toMatchObject({ epoch: bus.epoch });
  });

  it('resumes a subscription from a cursor without loss or repetition, however often the client is cut', async () => {
    const bus = await openTestBus({ shards: 3 });
    const { port } = await serve(bus);
    const total = 20_000;
    const published = (async () => {
      for (let n = 0; n < total; n += 100) {
        await bus.publishMany(Array.from({ length: 100 }, (_, i) => event(n + i, `t.${i % 17}`)));
      }
    })();
    const seen = new Map<string, number[]>();
    let received = 0;
    let from: unknown = 'earliest';
    for (let round = 0; received < total; round++) {
      const client = await SocketClient.open(port);
      const { payload } = await client.answerTo(
        'subscribe',
        { subscription: 's', filter: 't.*', from },
        'r',
      );
      from = { after: payload.cursor };
      for (let frames = 0; received < total && frames < 1 + (round % 7); ) {
        const frame = await client.next();
        if (frame.type !== 'events') continue;
        frames++;
        for (const { topic, payload: n } of frame.payload.events) {
          const before = seen.get(topic) ?? [];
          before.push(n);
          seen.set(topic, before);
          received++;
        }
        from = { after: frame.payload.cursor };
      }
      client.socket.terminate();
    }
    await published;
    expect(received).toBe(total);
    for (const numbers of seen.values()) {
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    expect(new Set([...seen.values()].flat()).size).toBe(total);
  });

  it('confirms a subscription with the cursor at which it begins, even while others publish', async () => {
    const bus = await openTestBus({ shards: 3 });
    const { port } = await serve(bus);
    let isPublishing = true;
    const published = (async () => {
      for (let n = 0; isPublishing; n++) {
        await bus.publishMany(Array.from({ length: 20 }, (_, i) => event(n, `t.${i}`)));
      }
    })();
    await until('there is a history', async () => (await bus.stats()).published > 2000);
    for (let round = 0; round < 30; round++) {
      const client = await SocketClient.open(port);
      const filter = 't.*';
      const { payload } = await client.answerTo('subscribe', { subscription: 's', filter }, 'r');
      const live: Event[] = [];
      while (live.length < 50) {
        const frame = await client.next();
        if (frame.type === 'events') live.push(...frame.payload.events);
      }
      client.socket.terminate();
      // The live events are exactly those after that cursor, topic by topic.
      const after = await bus.query({ topic: filter, after: payload.cursor, limit: 5000 });
      for (const topic of new Set(live.map((one) => one.topic))) {
        const idsOf = (events: readonly Event[]) =>
          events.filter((one) => one.topic === topic).map(({ id }) => id);
        const seen = idsOf(live);
        expect(idsOf(after).slice(0, seen.length)).toEqual(seen);
      }
    }
    isPublishing = false;
    await published;
  });

  it('cuts a client that never reads, with bounded memory, while others get everything', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { port } = await serve(bus, { stallMs: 500 });
    const [slow, quick] = [await SocketClient.open(port), await SocketClient.open(port)];
    for (const client of [slow, quick]) {
      await client.ask('subscribe', { subscription: 's', filter: '*' });
      await client.next('caughtUp');
    }
    slow.socket.pause();
    const payload = 'x'.repeat(100_000);
    const total = 800;
    const published = (async () => {
      for (let n = 0; n < total; n++) await bus.publish({ ...event(n), payload });
    })();
    for (let received = 0; received < total; ) {
      for (const { sequence } of (await quick.next('events')).payload.events) {
        expect(sequence).toBe(++received);
      }
    }
    await published;
    const isCut = ({ fields }: GatewayLog): boolean => fields.code === 'SLOW_CONSUMER';
    await until('the slow client is cut', () => logs.some(isCut));
    expect(logs.find(isCut)?.fields.bufferedBytes).toBeLessThan(1.5 * 1024 * 1024);
    slow.socket.resume();
    expect((await slow.closed).code).toBe(1006);
    await until('its subscription has gone', async () => {
      return (await bus.subscribers('a.b')).length === 1;
    });
  });

  it('closes under load, and every event that it acknowledged is in the log', async () => {
    const bus = await openTestBus({ shards: 2 });
    const handle = await serve(bus);
    const client = await SocketClient.open(handle.port);
    const acked: string[] = [];
    for (let n = 0; n < 2000; n++) client.send({ type: 'publish', payload: { event: event(n) } });
    acked.push((await client.next('published')).payload.acks[0].id);
    await handle.close();
    await client.closed;
    while (client.arrived > 0) acked.push((await client.next('published')).payload.acks[0].id);
    const stored = new Set<string>();
    for await (const { id } of bus.read({ topic: '*' })) stored.add(id);
    expect(acked.filter((id) => !stored.has(id))).toEqual([]);
  });
});

describe('starting the gateway', () => {
  it('fails with a typed error, and the bus goes on', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { port } = await serve(bus);
    const cases = [
      [{ port }, 'OPTION_INVALID'],
      [{ host: '0.0.0.0' }, 'INSECURE_BIND'],
      [{ port: -1 }, 'OPTION_INVALID'],
    ] as const;
    for (const [options, code] of cases) {
      await expect(built.startGateway(bus, options)).rejects.toMatchObject({ code });
    }
    await bus.publish(event(1));
    expect((await (await SocketClient.open(port)).ask('query', { topic: '*' })).type).toBe(
      'result',
    );
  });

  it('works several times on one bus, at once and one after the other', async () => {
    const bus = await openTestBus({ shards: 1 });
    for (let round = 0; round < 5; round++) {
      const handle = await serve(bus);
      const client = await SocketClient.open(handle.port);
      await client.ask('publish', { event: event(round) });
      await handle.close();
      await handle.closed;
    }
    await until('the endpoints have left', async () => (await bus.stats()).endpoints === 1);
    expect(payloadsOf(await bus.query({ topic: '*' }))).toEqual([0, 1, 2, 3, 4]);
  });

  it('shares a port between threads if Node supports it, and is refused otherwise', async () => {
    const bus = await openTestBus({ shards: 1 });
    let fault: string | undefined;
    checkSharedPort(process.versions.node, (_path, message) => {
      fault = message;
    });
    if (fault !== undefined) {
      const refused = built.startGateway(bus, { port: 0, gateways: 2 });
      await expect(refused).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('22.12'),
      });
      return;
    }
    const handle = await serve(bus, { gateways: 2 });
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => SocketClient.open(handle.port)),
    );
    for (const client of clients) await client.ask('subscribe', { subscription: 's', filter: '*' });
    expect((await bus.stats()).endpoints).toBe(3);
    await bus.publish(event(1));
    for (const client of clients) {
      while ((await client.next()).type !== 'events');
    }
    const second = { port: handle.port, gateways: 2 };
    await expect(serve(bus, second)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await handle.close();
    await handle.closed;
  });
});
