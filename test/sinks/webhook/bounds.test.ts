import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';
import type { BusError } from '../../../src/protocol/errors.js';
import type { Sink } from '../../../src/sinks/sink.js';
import type { WebhookOptions } from '../../../src/sinks/webhook/webhook-options.js';
import { openTestBus } from '../../bus/support/open.js';
import { until, within } from '../../bus/support/wait.js';
import { webhook } from '../built.js';
import { answer, startReceiver } from './support/receiver.js';

/** A webhook holds no more than it may: no leases ahead, no end that waits for an app's function, no text of a terminal. */

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const sinks: Sink[] = [];
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
});

async function game(options: Partial<WebhookOptions>, definition: Partial<ConsumerOptions> = {}) {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const consumer = await bus.consumer('hooks', {
    filter: 'orders.*',
    from: 'earliest',
    backoffMs: [5],
    deadLetter: 'dead.hooks',
    ...definition,
  });
  const told: BusError[] = [];
  const onError = (error: BusError): void => void told.push(error);
  const start = () => {
    const sink = webhook({ consumer, allow: ['loopback'], onError, ...options });
    sinks.push(sink);
    return sink;
  };
  const publish = (count: number) =>
    bus.publishMany(
      Array.from({ length: count }, (_, payload) => ({ topic: 'orders.x', type: 'a', payload })),
    );
  return { bus, consumer, told, start, publish };
}

describe('a webhook', () => {
  it('leases nothing ahead, however quick the endpoint is, so that a lease outlasts its request', async () => {
    let mostLeased = 0;
    const receiver = await startReceiver(async (_, response) => {
      mostLeased = Math.max(mostLeased, (await consumer.info()).inFlight);
      response.writeHead(204).end();
    });
    const { consumer, start, publish } = await game({ url: receiver.url, secret: SECRET });
    await publish(400);
    start();
    await until('all are acknowledged', async () => (await consumer.info()).acked === 400);
    expect(mostLeased).toBeLessThanOrEqual(8);
    expect(mostLeased).toBeGreaterThan(0);
  });

  it('ends a request as its lease ends, and the event goes out once more', async () => {
    const receiver = await startReceiver((_, response, index) => {
      if (index > 0) response.writeHead(204).end();
    });
    const { consumer, start, publish } = await game(
      { url: receiver.url, secret: SECRET, timeoutMs: 50_000, concurrency: 1 },
      { leaseMs: 60_000 },
    );
    await publish(1);
    start();
    await until('it is at the receiver', () => receiver.received.length === 1);
    // The lease is lost. The only place among the requests is free only if this one is cut.
    await consumer.seek('earliest');
    await until('it is acknowledged', async () => (await consumer.info()).acked === 1);
    expect(receiver.received).toHaveLength(2);
  });

  it('gives the function that names an endpoint no longer than a request', async () => {
    const receiver = await startReceiver();
    let asked = 0;
    const { consumer, start, publish, told } = await game({
      endpoint: () =>
        asked++ === 0 ? new Promise(() => {}) : { url: receiver.url, secret: SECRET },
      timeoutMs: 50,
    });
    await publish(1);
    start();
    await until('it is acknowledged', async () => (await consumer.info()).acked === 1);
    expect(told.map(({ message }) => message)).toEqual([
      'webhook webhook: no endpoint was named within 50 ms',
    ]);
  });

  it('stops although the function that names an endpoint never answers', async () => {
    const { consumer, start, publish } = await game({ endpoint: () => new Promise(() => {}) });
    await publish(1);
    const sink = start();
    await until('it is leased', async () => (await consumer.info()).inFlight === 1);
    await within('the stop', sink.stop());
    expect(await consumer.info()).toMatchObject({ acked: 0, dead: 0, pending: 1 });
  });

  it('shows where a redirect leads without what a terminal would obey', async () => {
    const receiver = await startReceiver(answer(302, '', { location: 'http://x/\u009b31m' }));
    const { bus, start, publish } = await game(
      { url: receiver.url, secret: SECRET },
      { maxAttempts: 1 },
    );
    await publish(1);
    start();
    const letters = () => bus.query({ topic: 'dead.hooks' });
    await until('it is dead', async () => (await letters()).length === 1);
    const [letter] = await letters();
    expect(letter!.attributes!.deadReason).toBe(
      'HTTP 302 Found to http://x/ 31m; redirects are not followed',
    );
  });

  it('sends nothing under an id that is none, such as one with a line break', async () => {
    const receiver = await startReceiver();
    const { consumer, start, publish, told } = await game(
      { url: receiver.url, secret: SECRET, idOf: () => 'x\r\nx-admin: yes' },
      { maxAttempts: 1 },
    );
    await publish(1);
    start();
    await until('it is dead', async () => (await consumer.info()).dead === 1);
    expect(told).toMatchObject([{ code: 'OPTION_INVALID' }]);
    expect(receiver.received).toEqual([]);
  });

  it('refuses a url with a port of another protocol', async () => {
    const { start } = await game({ url: 'http://93.184.215.14:25/', secret: SECRET });
    expect(start).toThrow(expect.objectContaining({ code: 'ADDRESS_REFUSED' }));
  });

  it('uses no proxy of the environment', async () => {
    const proxy = await startReceiver();
    const receiver = await startReceiver();
    const { port } = new URL(proxy.url);
    const program = fileURLToPath(new URL('support/poster.js', import.meta.url));
    const env = { ...process.env, NODE_USE_ENV_PROXY: '1', HTTP_PROXY: `http://127.0.0.1:${port}` };
    await promisify(execFile)(process.execPath, [program, receiver.url], { env });
    expect(receiver.received[0]?.body).toContain('order_created');
    expect(proxy.received.filter(({ body }) => body !== 'fetch')).toEqual([]);
    // The environment says what it should, where Node reads it: `fetch` alone has gone there.
    const isReadByNode = Number(process.versions.node.split('.')[0]) >= 24;
    expect(proxy.connections).toBe(isReadByNode ? 1 : 0);
  });
});
