import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { StandardSchema } from '../../src/protocol/define-topic.js';
import type { EventInput } from '../../src/protocol/event.js';
import { gather } from '../bus/support/collector.js';
import { refused } from '../bus/support/failures.js';
import { attachBus, createGateway, defineTopic, gatewayHooks } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from '../client/support/millrace-client.js';
import { SocketClient } from './support/socket-client.js';

/** Publishes over a connection, to a bus that was opened with definitions. */

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function topicOf(pattern: string, validate: StandardSchema['~standard']['validate']) {
  return defineTopic(pattern, { '~standard': { version: 1, vendor: 'test', validate } });
}

const orders = defineTopic('orders.*', z.object({ total: z.number().positive() }));
const throwing = topicOf('throwing', () => {
  throw new Error('no such column');
});
const later = topicOf('later', async () => ({}));
const topics = [orders, throwing, later];

const order = (payload: unknown, more: Partial<EventInput> = {}): EventInput => ({
  topic: 'orders.eu',
  type: 'order_created',
  payload,
  ...more,
});
const note: EventInput = { topic: 'notes', type: 'note', payload: 'no definition' };
const FITS = order({ total: 3 });
const MISFIT = order({ total: -1 });

const ISSUES = [{ path: ['total'], message: expect.any(String) }];

async function served() {
  const bus = await openTestBus({ shards: 1, topics });
  const { url } = await bus.serve({ port: 0 });
  const stored = async (): Promise<unknown[]> =>
    (await gather(bus.read({ topic: '*' }))).map(({ payload }) => payload);
  const post = async (body: unknown, type = 'application/json') => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const headers = { 'content-type': type };
    const response = await fetch(`${url}/v1/events`, { method: 'POST', headers, body: text });
    const lines = (await response.text()).trim().split('\n');
    return { status: response.status, lines: lines.map((line) => JSON.parse(line)) };
  };
  return { bus, url, stored, post };
}

describe('a publish on a topic with a definition', () => {
  it('over a WebSocket is refused with the issues of the validator, and stores nothing', async () => {
    const { url, stored } = await served();
    const { client } = connectTo(url);
    const error = await refused(() => client.publish(MISFIT), 'PAYLOAD_INVALID', 'total');
    expect(error.details).toEqual({ pattern: 'orders.*', issues: ISSUES });
    const many = await refused(() => client.publishMany([note, FITS, MISFIT]), 'PAYLOAD_INVALID');
    expect(many.message).toMatch(/^events\[2\]: /);
    expect(many.details).toMatchObject({ index: 2, issues: ISSUES });
    expect(await stored()).toEqual([]);
    await client.publishMany([note, FITS]);
    await client.publish(FITS);
    expect(await stored()).toEqual([note.payload, FITS.payload, FITS.payload]);
  });

  it('is answered over a connection as in the program itself, also where the validator fails', async () => {
    const { bus, url, stored, post } = await served();
    const { client } = connectTo(url);
    for (const [topic, code] of [
      ['throwing', 'PAYLOAD_INVALID'],
      ['later', 'OPTION_INVALID'],
    ] as const) {
      const event = order({ total: 1 }, { topic });
      const own = await refused(() => bus.publish(event), code);
      const far = await refused(() => client.publish(event), code);
      expect(far.message).toBe(own.message);
      const { status, lines } = await post(event);
      expect([status, lines[0].code]).toEqual([400, code]);
    }
    expect(await stored()).toEqual([]);
  });

  it('is refused for a malformed event before its payload is looked at, as in the program itself', async () => {
    const { bus, url } = await served();
    const client = await SocketClient.open(Number(new URL(url).port));
    closers.push(() => client.socket.terminate());
    for (const [fault, code] of [
      [{ topic: `orders.${'x'.repeat(300)}` }, 'TOPIC_INVALID'],
      [{ type: 'a type' }, 'EVENT_INVALID'],
    ] as const) {
      const event = { ...MISFIT, ...fault };
      const own = await refused(() => bus.publish(event), code);
      client.socket.send(JSON.stringify({ type: 'publish', payload: { event } }));
      expect((await client.next('error')).payload).toMatchObject({ code, message: own.message });
    }
  });

  it('over HTTP is refused in every form of body', async () => {
    const { stored, post } = await served();
    const one = await post(MISFIT);
    expect(one.status).toBe(400);
    expect(one.lines[0]).toMatchObject({ code: 'PAYLOAD_INVALID', details: { issues: ISSUES } });
    const array = await post([FITS, MISFIT]);
    expect(array.lines[0]).toMatchObject({ code: 'PAYLOAD_INVALID', details: { index: 1 } });
    const cloud = { specversion: '1.0', id: 'a', source: 's', type: 't', subject: 'orders.eu' };
    const cloudType = 'application/cloudevents+json';
    const misfit = await post({ ...cloud, data: { total: -1 } }, cloudType);
    expect([misfit.status, misfit.lines[0].code]).toEqual([400, 'PAYLOAD_INVALID']);
    expect(await stored()).toEqual([]);
    expect((await post({ ...cloud, data: { total: 7 } }, cloudType)).status).toBe(200);
    expect((await post([note, FITS])).status).toBe(200);
    expect(await stored()).toEqual([{ total: 7 }, note.payload, FITS.payload]);
  });

  it('in lines is refused with its line, behind the acks of the lines before it', async () => {
    const { stored, post } = await served();
    const body = [note, FITS, MISFIT, note].map((event) => JSON.stringify(event)).join('\n');
    const { lines } = await post(body, 'application/x-ndjson');
    expect(lines).toHaveLength(3);
    expect(lines[2].error).toMatchObject({ code: 'PAYLOAD_INVALID', details: { line: 3 } });
    expect(await stored()).toEqual([note.payload, FITS.payload]);
  });

  it('keeps its place among the other publishes of its connection', async () => {
    const { url, bus } = await served();
    const socket = await SocketClient.open(Number(new URL(url).port));
    const isFit = (n: number): boolean => n % 7 !== 0;
    const eventOf = (n: number): EventInput =>
      n % 3 === 0 ? { ...note, payload: n } : order({ total: isFit(n) ? n : -n });
    const frames = Array.from({ length: 200 }, (_, n) => n + 1);
    for (const n of frames) {
      const payload = n % 5 === 0 ? { events: [eventOf(n), note] } : { event: eventOf(n) };
      socket.socket.send(JSON.stringify({ type: 'publish', requestId: n, payload }));
    }
    const answers = new Map<unknown, string>();
    for (const _ of frames) {
      const { type, requestId } = await socket.next();
      answers.set(requestId, type);
    }
    const isStored = (n: number): boolean => n % 3 === 0 || isFit(n);
    for (const n of frames) expect(answers.get(n)).toBe(isStored(n) ? 'published' : 'error');
    const stored = await gather(bus.read({ topic: '*' }));
    const numbers = stored
      .map(({ payload }) => (payload as { total?: number }).total ?? payload)
      .filter((payload) => typeof payload === 'number');
    expect(numbers).toEqual(frames.filter(isStored));
    socket.socket.terminate();
  });

  it('is stored once and in its order if the thread of its gateway dies while it is checked', async () => {
    const { bus } = await served();
    const handle = await bus.serve({ port: 0 });
    const { client } = connectTo(handle.url);
    const numbers = Array.from({ length: 400 }, (_, n) => n + 1);
    const acks = numbers.map((n) => client.publish(order({ total: n })));
    await acks[0];
    await gatewayHooks(handle).hurt('kill');
    await Promise.all(acks);
    const events = await gather(bus.read({ topic: '*' }));
    expect(events.map(({ payload }) => payload)).toEqual(numbers.map((total) => ({ total })));
  });

  it('is checked by the definitions of a worker without them too, where the worker has a gateway', async () => {
    const { bus, stored } = await served();
    const endpoint = attachBus(bus.attachment().data, { topics: [throwing] });
    closers.push(() => endpoint.close());
    const gateway = await createGateway(endpoint);
    closers.push(() => gateway.close());
    const server = createServer((request, response) => gateway.request(request, response));
    closers.push(() => server.close());
    server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { client } = connectTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await refused(() => client.publish(MISFIT), 'PAYLOAD_INVALID', 'total');
    await refused(() => client.publish({ ...FITS, topic: 'throwing' }), 'PAYLOAD_INVALID', 'threw');
    await client.publish(FITS);
    expect(await stored()).toEqual([FITS.payload]);
    await client.close();
  });

  it('is checked with the payload as JavaScript holds it, and stored with every digit', async () => {
    const { bus, post } = await served();
    const body = '{"topic":"orders.eu","type":"t","payload":{"total":9007199254740993}}';
    expect((await post(body)).status).toBe(200);
    const { url } = await bus.serve({ port: 0 });
    const text = await (await fetch(`${url}/v1/events?topic=orders.eu`)).text();
    expect(text).toContain('9007199254740993');
  });
});
