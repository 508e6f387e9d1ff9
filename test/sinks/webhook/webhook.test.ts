import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';
import type { BusError } from '../../../src/protocol/errors.js';
import type { Event } from '../../../src/protocol/event.js';
import type { Sink } from '../../../src/sinks/sink.js';
import type { WebhookInfo } from '../../../src/sinks/webhook/webhook.js';
import type { WebhookOptions } from '../../../src/sinks/webhook/webhook-options.js';
import { openTestBus } from '../../bus/support/open.js';
import { Gate, until, within } from '../../bus/support/wait.js';
import { webhook } from '../built.js';
import { accept, answer, type Receiver, startReceiver } from './support/receiver.js';

/** Against real servers on loopback, which is therefore allowed; `guarded.test.ts` shows what is not. */

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const allow = ['loopback'];

const sinks: Sink[] = [];
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
});

interface Game {
  readonly bus: Bus;
  readonly told: BusError[];
  start(options?: Partial<WebhookOptions>): Sink<WebhookInfo>;
  publish(...payloads: unknown[]): Promise<void>;
  info(): ReturnType<Awaited<ReturnType<Bus['consumer']>>['info']>;
}

/** A bus with one shard, whose consumer `hooks` hands on what comes on `orders.*`. */
async function game(
  receiver: Receiver | undefined,
  definition: Partial<ConsumerOptions> = {},
): Promise<Game> {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const consumer = await bus.consumer('hooks', {
    filter: 'orders.*',
    from: 'earliest',
    backoffMs: [5],
    deadLetter: 'dead.hooks',
    ...definition,
  });
  const told: BusError[] = [];
  return {
    bus,
    told,
    start: (options = {}) => {
      const endpoint = receiver && { url: receiver.url, secret: SECRET };
      const onError = (error: BusError): void => void told.push(error);
      const sink = webhook({ consumer, allow, onError, ...endpoint, ...options });
      sinks.push(sink);
      return sink;
    },
    publish: async (...payloads) => {
      for (const payload of payloads) {
        await bus.publish({ topic: 'orders.new', type: 'order_created', payload });
      }
    },
    info: () => consumer.info(),
  };
}

const deadOf = async (bus: Bus): Promise<Event<{ reason?: string }>[]> =>
  bus.query<{ reason?: string }>({ topic: 'dead.hooks' });

describe('a webhook', () => {
  it('is verified by the library of Standard Webhooks, and acknowledged by a 2xx', async () => {
    const receiver = await startReceiver();
    const { bus, start, publish, info } = await game(receiver);
    await publish({ total: 3, text: 'grün' }, 2);
    const sink = start({ headers: { Authorization: 'Bearer x' } });
    await until('both are acknowledged', async () => (await info()).acked === 2);
    const events = await bus.query({ topic: 'orders.new' });
    for (const [index, { headers, body }] of receiver.received.entries()) {
      const payload = new Webhook(SECRET).verify(body, headers);
      expect(payload).toEqual(JSON.parse(JSON.stringify(events[index])));
      expect(headers).toMatchObject({
        'webhook-id': events[index]!.id,
        'content-type': 'application/json',
        authorization: 'Bearer x',
      });
    }
    expect(sink.info()).toMatchObject({ kind: 'webhook', state: 'running', done: 2, failed: 0 });
  });

  it('uses its connections again', async () => {
    const receiver = await startReceiver();
    const { start, publish, info } = await game(receiver);
    await publish(...Array(20).keys());
    start({ concurrency: 1 });
    await until('all are acknowledged', async () => (await info()).acked === 20);
    expect(receiver.connections).toBe(1);
  });

  it('goes on over a new connection where the other side has closed an idle one', async () => {
    const receiver = await startReceiver((one, response, index) => {
      // The second request finds its connection closed, as one finds it that came just too late.
      if (index === 1) response.socket!.resetAndDestroy();
      else accept(one, response, index);
    });
    const { start, publish, info, told } = await game(receiver, { maxAttempts: 1 });
    await publish(1, 2, 3);
    start({ concurrency: 1 });
    await until('all are acknowledged', async () => (await info()).acked === 3);
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect([ids.length, ids[1]]).toEqual([4, ids[2]]);
    expect(receiver.connections).toBe(2);
    expect(told).toEqual([]);
  });

  it('comes again after a failure, with the same id, a new time and a right signature', async () => {
    const receiver = await startReceiver((one, response, index) =>
      (index < 2 ? answer(500 + index, 'later\n') : accept)(one, response, index),
    );
    const { start, publish, info, told } = await game(receiver);
    await publish('a');
    const sink = start();
    await until('it is acknowledged', async () => (await info()).acked === 1);
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(1);
    for (const { body, headers } of receiver.received) new Webhook(SECRET).verify(body, headers);
    expect(told.map(({ message }) => message)).toEqual([
      'webhook webhook: HTTP 500 Internal Server Error: later',
      'webhook webhook: HTTP 501 Not Implemented: later',
    ]);
    expect(sink.info()).toMatchObject({ done: 1, failed: 2 });
  });

  it('is dead after its attempts, with the status and the beginning of the answer', async () => {
    const receiver = await startReceiver(answer(503, `busy ${'x'.repeat(5000)}`));
    const { bus, start, publish, info } = await game(receiver, { maxAttempts: 2 });
    await publish('a');
    start();
    await until('its letter is there', async () => (await deadOf(bus)).length === 1);
    expect(receiver.received).toHaveLength(2);
    const dead = (await (await bus.consumer('hooks')).dead()).events;
    expect(dead[0]!.reason).toMatch(/^HTTP 503 Service Unavailable: busy x{507}$/);
    expect((await info()).dead).toBe(1);
  });

  it('follows no redirect', async () => {
    const other = await startReceiver();
    const receiver = await startReceiver(answer(307, '', { location: other.url }));
    const { start, publish, told } = await game(receiver, { maxAttempts: 1 });
    await publish('a');
    start();
    await until('the failure is told', () => told.length === 1);
    expect(told[0]!.message).toBe(
      `webhook webhook: HTTP 307 Temporary Redirect to ${other.url}; redirects are not followed`,
    );
    expect(other.received).toEqual([]);
  });

  it('is dead at once where client errors are final', async () => {
    const receiver = await startReceiver(answer(422, 'no'));
    const { start, publish, info } = await game(receiver);
    await publish('a');
    start({ clientErrors: 'dead' });
    await until('it is dead', async () => (await info()).dead === 1);
    expect(receiver.received).toHaveLength(1);
  });

  it('waits as long as the endpoint asks, with all events, at no cost of their attempts', async () => {
    const times: number[] = [];
    const receiver = await startReceiver((one, response, index) => {
      times.push(performance.now());
      return (index === 0 ? answer(429, '', { 'retry-after': '1' }) : accept)(one, response, index);
    });
    const { start, publish, info } = await game(receiver, { maxAttempts: 2 });
    await publish('a', 'b', 'c');
    start({ concurrency: 1 });
    await until('all are acknowledged', async () => (await info()).acked === 3);
    expect(times).toHaveLength(4);
    // The others too, which nobody has refused yet. The timers of Node are 1 ms early at times.
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(998);
  });

  it("waits for the consumer's own backoff where the endpoint asks for less", async () => {
    const times: number[] = [];
    const receiver = await startReceiver((one, response, index) => {
      times.push(performance.now());
      return (index === 0 ? answer(503, '', { 'retry-after': '1' }) : accept)(one, response, index);
    });
    const { start, publish, info } = await game(receiver, { backoffMs: [1600] });
    await publish('a');
    start();
    await until('it is acknowledged', async () => (await info()).acked === 1);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(1598);
  });

  it('stops for good where the endpoint is gone, and keeps its events', async () => {
    const receiver = await startReceiver(answer(410));
    const { start, publish, info } = await game(receiver, { maxAttempts: 1 });
    await publish('a', 'b');
    const sink = start({ concurrency: 1 });
    await expect(within('its end', sink.closed)).rejects.toMatchObject({
      code: 'ENDPOINT_GONE',
      details: { url: receiver.url },
    });
    expect(receiver.received).toHaveLength(1);
    expect(await info()).toMatchObject({ acked: 0, dead: 0, pending: 2 });
    expect(sink.info()).toMatchObject({ state: 'failed', gone: [receiver.url] });
  });

  it('goes to the endpoint of each event, and lets those of one that is gone die', async () => {
    const [left, right] = [await startReceiver(), await startReceiver(answer(410))];
    const { start, publish, info } = await game(undefined);
    await publish('left', 'right', 'nowhere', 'right', 'left');
    const urls = new Map<unknown, string>([
      ['left', left.url],
      ['right', right.url],
    ]);
    const sink = start({
      concurrency: 1,
      endpoint: async ({ payload }) => {
        const url = urls.get(payload);
        return url === undefined ? undefined : { url, secret: [OTHER, SECRET] };
      },
    });
    await until('all are settled', async () => {
      const { acked, dead } = await info();
      return acked === 3 && dead === 2;
    });
    expect([left, right].map(({ received }) => received.length)).toEqual([2, 1]);
    for (const secret of [SECRET, OTHER]) {
      new Webhook(secret).verify(left.received[0]!.body, left.received[0]!.headers);
    }
    expect(sink.info()).toMatchObject({ state: 'running', gone: [right.url] });
  });

  it('comes again where the endpoint cannot be named', async () => {
    const { bus, start, publish, told } = await game(undefined, { maxAttempts: 2 });
    await publish('a');
    let calls = 0;
    start({
      endpoint: () => {
        if (calls++ === 0) throw new Error('the table is locked');
        return { url: 'ftp://example.com', secret: 'short' };
      },
    });
    await until('its letter is there', async () => (await deadOf(bus)).length === 1);
    expect(told[0]!.message).toMatch(/the table is locked/);
    expect(told[1]).toMatchObject({ code: 'OPTION_INVALID' });
    expect(told[1]!.message).toMatch(/url: has to begin with https: or http:.*secret: has to be/);
  });

  it('is a CloudEvent if asked, under an id of the app', async () => {
    const receiver = await startReceiver();
    const { bus, start, publish, info } = await game(receiver);
    await publish({ n: 1 });
    start({ body: 'cloudevent', idOf: ({ shard, sequence }) => `${shard}_${sequence}` });
    await until('it is acknowledged', async () => (await info()).acked === 1);
    const [event] = await bus.query({ topic: 'orders.new' });
    const [{ headers, body }] = receiver.received as [(typeof receiver.received)[0]];
    expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(headers['webhook-id']).toBe('0_1');
    expect(new Webhook(SECRET).verify(body, headers)).toMatchObject({
      specversion: '1.0',
      id: event!.id,
      subject: 'orders.new',
      data: { n: 1 },
    });
  });

  it('keeps the order of a key, through failures', async () => {
    const receiver = await startReceiver((one, response, index) =>
      (index === 1 ? answer(500) : accept)(one, response, index),
    );
    const { start, publish, info } = await game(receiver, { order: 'topic' });
    await publish(1, 2, 3, 4);
    start({ concurrency: 4 });
    await until('all are acknowledged', async () => (await info()).acked === 4);
    const payloads = receiver.received.map(({ body }) => JSON.parse(body).payload);
    expect(payloads).toEqual([1, 2, 2, 3, 4]);
  });

  it('runs as many requests at once as asked', async () => {
    const gate = new Gate();
    const receiver = await startReceiver(async (one, response, index) => {
      await gate.opened;
      return accept(one, response, index);
    });
    const { start, publish, info } = await game(receiver);
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    await publish(...Array(20).keys());
    const sink = start({ concurrency: 16 });
    await until('sixteen are at the receiver', () => receiver.received.length === 16);
    expect(sink.info().requests).toBe(16);
    gate.open();
    await until('all are acknowledged', async () => (await info()).acked === 20);
    // Such as one about listeners that are never removed.
    expect(warnings).toEqual([]);
  });

  it('ends a request in time, also one whose answer never ends', async () => {
    const receiver = await startReceiver((_, response, index) => {
      if (index === 0) return;
      response.writeHead(index === 1 ? 500 : 200).write('and ');
    });
    const { start, publish, info, told } = await game(receiver);
    await publish('a');
    start({ timeoutMs: 100 });
    // The status of a 2xx says it all, so the event is done although the body hangs.
    await until('it is acknowledged', async () => (await info()).acked === 1);
    expect(told.map(({ message }) => message)).toEqual([
      'webhook webhook: no answer within 100 ms',
      'webhook webhook: HTTP 500 Internal Server Error: and',
    ]);
  });

  it('reads no more of an answer than its bound', async () => {
    const chunk = 'y'.repeat(16_384);
    let written = 0;
    const receiver = await startReceiver(async (_, response) => {
      response.writeHead(500);
      response.on('error', () => {});
      while (!response.destroyed && written < 2 ** 28) {
        written += chunk.length;
        if (!response.write(chunk)) {
          await new Promise((resolve) => {
            response.once('drain', resolve).once('close', resolve);
          });
        }
      }
    });
    const { start, publish, told } = await game(receiver, { maxAttempts: 1 });
    await publish('a');
    start();
    await until('the failure is told', () => told.length === 1);
    expect(told[0]!.message).toHaveLength(
      'webhook webhook: HTTP 500 Internal Server Error: '.length + 512,
    );
    // What the sockets of both sides hold is beyond the bound; all of it would be 256 MiB.
    expect(written).toBeLessThan(2 ** 26);
  });

  it('lets requests end when it stops, and hands back what it has not begun', async () => {
    const gate = new Gate();
    const receiver = await startReceiver(async (one, response, index) => {
      await gate.opened;
      return accept(one, response, index);
    });
    const { start, publish, info } = await game(receiver, { maxAttempts: 1 });
    await publish(1, 2);
    const sink = start({ concurrency: 1 });
    await until('one is at the receiver', () => receiver.received.length === 1);
    const stopped = sink.stop();
    gate.open();
    await within('the stop', stopped);
    expect(await info()).toMatchObject({ acked: 1, dead: 0, pending: 1 });
    const second = start();
    await until('both are acknowledged', async () => (await info()).acked === 2);
    expect(second.info().done).toBe(1);
  });

  it('cuts a request that hangs when it stops, at no cost of an attempt', async () => {
    const receiver = await startReceiver(() => {});
    const { start, publish, info } = await game(receiver, { maxAttempts: 1 });
    await publish(1);
    const sink = start();
    await until('it is at the receiver', () => receiver.received.length === 1);
    await within('the stop', sink.stop());
    expect(await info()).toMatchObject({ acked: 0, dead: 0, pending: 1 });
  });

  it('ends with an error where its consumer is deleted', async () => {
    const receiver = await startReceiver();
    const { bus, start } = await game(receiver);
    const sink = start();
    await sink.ready;
    await (await bus.consumer('hooks')).delete();
    await expect(within('its end', sink.closed)).rejects.toMatchObject({
      code: 'CONSUMER_UNKNOWN',
    });
  });

  it('refuses a time for requests that the lease does not cover', async () => {
    const { start } = await game(await startReceiver(), { leaseMs: 1000 });
    await expect(within('its end', start({ timeoutMs: 1000 }).closed)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  it('refuses options that cannot be right, and shows no secret', async () => {
    const { bus } = await game(undefined);
    const consumer = await bus.consumer('hooks');
    const url = 'https://example.com/';
    const good = { consumer, url, secret: SECRET };
    const wrong: [Partial<WebhookOptions> | Record<string, unknown>, RegExp][] = [
      [{ consumer: undefined }, /consumer: is missing/],
      [{ consumer: {} }, /consumer: has to be a consumer/],
      [{ url: undefined }, /one of url and endpoint/],
      [{ endpoint: () => undefined }, /one of url and endpoint/],
      [{ secret: undefined }, /secret: is missing/],
      [{ url: undefined, endpoint: () => undefined }, /its answer has the secret/],
      [{ url: 'file:///etc/passwd' }, /has to begin with https/],
      [{ url: 'example.com' }, /has to be a URL/],
      [{ url: 'https://me:hunter2@example.com/' }, /do not belong into a URL/],
      [{ secret: 'hunter2' }, /has to be "whsec_"/],
      [{ headers: { Host: 'x' } }, /Host is set by the request/],
      [{ headers: { 'Webhook-Id': 'x' } }, /Webhook-Id is set/],
      [{ headers: { 'x y': 'x' } }, /is no name of a header/],
      [{ headers: { 'x-key': 'hunter2\r\nx: y' } }, /x-key has no valid value/],
      [{ concurrency: 0 }, /concurrency/],
      [{ timeoutMs: 1 }, /timeoutMs/],
      [{ allow: ['everything'] }, /is no address/],
      [{ clientErrors: 'ignore' }, /clientErrors/],
      [{ sercet: 'x' }, /sercet: is unknown/],
    ];
    for (const [change, message] of wrong) {
      const make = (): unknown => webhook({ ...good, ...change } as WebhookOptions);
      expect(make, JSON.stringify(change)).toThrow(message);
      expect(make).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
      expect(make).not.toThrow(/hunter2/);
    }
  });
});
