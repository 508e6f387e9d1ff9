import { SignJWT } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { GatewayHandle } from '../../src/main/gateway-options.js';
import { openTestBus } from '../bus/support/open.js';
import { run } from '../cli/support/command.js';
import { SocketClient } from './support/socket-client.js';

/** Payloads whose JSON would change if a door parsed and wrote it again, through every door. */

const PAYLOADS = [
  '9007199254740993',
  '-9007199254740993.5',
  '1e400',
  '-0',
  '1.0',
  '1E2',
  '0.1000000000000000055511151231257827',
  '{"b":1,"1":2,"b":3}',
  '"\\u00e9\\ud800 é"',
  '{"deep":[{"n":12345678901234567890,"__proto__":{"x":-0}}], "s":"a\\"}, {"}',
];

let bus: Bus;
let gateway: GatewayHandle;

beforeEach(async () => {
  bus = await openTestBus({ shards: 1 });
  gateway = await bus.serve({ port: 0 });
});

async function post(type: string, body: string, headers = {}, query = ''): Promise<void> {
  const response = await fetch(`${gateway.url}/v1/events${query}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body,
  });
  expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
}

async function text(path: string, accept = 'application/json'): Promise<string> {
  const response = await fetch(`${gateway.url}${path}`, { headers: { accept } });
  expect(response.status).toBe(200);
  return response.text();
}

const eventOf = (topic: string, payload: string): string =>
  `{"topic":"${topic}","type":"note", "payload" :\n  ${payload} }`;
const cloudEventOf = (topic: string, payload: string, id: number): string =>
  `{"specversion":"1.0","id":"e${id}","source":"/s","type":"note","subject":"${topic}","data":${payload}}`;

/** The ways to publish all payloads to a topic. */
const WAYS_IN: Record<string, (topic: string) => Promise<void>> = {
  'JSON, one by one': async (topic) => {
    for (const payload of PAYLOADS) await post('application/json', eventOf(topic, payload));
  },
  'a JSON array': (topic) =>
    post('application/json', `[${PAYLOADS.map((one) => eventOf(topic, one)).join(', ')}]`),
  NDJSON: (topic) => {
    const lines = PAYLOADS.map((one) => `${eventOf(topic, one).replaceAll('\n', '')}\n`);
    return post('application/x-ndjson', lines.join(''));
  },
  'CloudEvents, structured': async (topic) => {
    for (const [id, one] of PAYLOADS.entries()) {
      await post('application/cloudevents+json', cloudEventOf(topic, one, id));
    }
  },
  'CloudEvents, a batch': (topic) => {
    const events = PAYLOADS.map((one, id) => cloudEventOf(topic, one, id));
    return post('application/cloudevents-batch+json', `[${events.join(',')}]`);
  },
  'CloudEvents, binary': async (topic) => {
    for (const [id, one] of PAYLOADS.entries()) {
      const context = { specversion: '1.0', id: `e${id}`, source: '/s', type: 'note' };
      const names = Object.entries(context).map(([name, value]) => [`ce-${name}`, value]);
      const headers = Object.fromEntries(names);
      await post('application/json', `\n ${one}\n`, headers, `?topic=${topic}`);
    }
  },
  'a WebSocket': async (topic) => {
    const client = await SocketClient.open(gateway.port);
    const [first, ...rest] = PAYLOADS.map((one) => eventOf(topic, one));
    client.socket.send(`{"payload":{"event":${first}},"type":"publish","requestId":1}`);
    await client.next('published');
    client.socket.send(
      `{"type":"publish","payload":{"durability":"written","events":[${rest.join(',')}]}}`,
    );
    await client.next('published');
    client.socket.terminate();
  },
  'the command line': async (topic) => {
    const server = ['--server', gateway.url];
    const input = `${PAYLOADS.join('\n')}\n`;
    const done = await run(['pub', topic, '-', ...server], { input });
    expect(done.code).toBe(0);
  },
};

/** The ways to read the payloads of a topic, as text. */
const WAYS_OUT: Record<string, (topic: string) => Promise<string>> = {
  JSON: (topic) => text(`/v1/events?topic=${topic}`),
  NDJSON: (topic) => text(`/v1/events?topic=${topic}`, 'application/x-ndjson'),
  CloudEvents: (topic) => text(`/v1/events?topic=${topic}`, 'application/cloudevents-batch+json'),
  'a query over the WebSocket': async (topic) => {
    const client = await SocketClient.open(gateway.port);
    const frame = new Promise<string>((resolve) => {
      client.socket.on('message', (data) => resolve(String(data)));
    });
    client.send({ type: 'query', payload: { topic } });
    return frame.finally(() => client.socket.terminate());
  },
  'a subscription over the WebSocket': async (topic) => {
    const client = await SocketClient.open(gateway.port);
    let all = '';
    client.socket.on('message', (data) => {
      all += String(data);
    });
    client.send({
      type: 'subscribe',
      payload: { subscription: 's', filter: topic, from: 'earliest' },
    });
    while ((await client.next()).type !== 'caughtUp');
    client.socket.terminate();
    return all;
  },
  'a stream of server-sent events': async (topic) => {
    const path = `/v1/events/stream?topic=${topic}&from=earliest`;
    const { body } = await fetch(`${gateway.url}${path}`);
    let all = '';
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      all += chunk;
      if (all.includes('event: caughtUp')) break;
    }
    return all;
  },
  'the command line': async (topic) => {
    const args = ['query', topic, '--json', '--server', gateway.url];
    return (await run(args)).stdout;
  },
};

describe('a payload', () => {
  it.each(Object.keys(WAYS_IN).map((name, at) => [name, `in.${at}`]))(
    'keeps the JSON of its sender if it comes as %s',
    async (name, topic) => {
      await WAYS_IN[name]!(topic);
      const stored = await bus.query({ topic });
      expect(stored.map(({ payload }) => payload)).toEqual(PAYLOADS.map((one) => JSON.parse(one)));
      for (const read of Object.values(WAYS_OUT)) {
        const answer = await read(topic);
        for (const payload of PAYLOADS) {
          const isThere = ['payload', 'data'].some((name) =>
            answer.includes(`"${name}":${payload}}`),
          );
          expect(isThere, `${payload} in ${answer}`).toBe(true);
        }
      }
    },
  );

  it('is refused if its text is too large or too deep', async () => {
    const deep = `${'['.repeat(65)}${']'.repeat(65)}`;
    const client = await SocketClient.open(gateway.port);
    client.socket.send(`{"type":"publish","payload":{"event":${eventOf('a', deep)}}}`);
    expect((await client.next('error')).payload.code).toBe('PAYLOAD_INVALID');
    client.socket.terminate();
    const large = `"${'\\u00e9'.repeat(200_000)}"`;
    const response = await fetch(`${gateway.url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: eventOf('a', large),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  });

  it('shows none of its masked fields to a principal, not even from repeated keys', async () => {
    const secret = 'a secret of at least thirty-two bytes';
    const masked = [{ pattern: 'm.*', redact: ['$.card', '$.a.pin'] }];
    const token = await new SignJWT({ millrace: { subscribe: masked } })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('test')
      .setAudience('millrace')
      .setSubject('alice')
      .setExpirationTime('1m')
      .sign(new TextEncoder().encode(secret));
    await post('application/json', eventOf('m.a', '{"card":"4111-1111","open":1.0}'));
    // A parser keeps only the last of two equal keys, which lacks the masked field; the text has both.
    await post('application/json', eventOf('m.b', '{"a":{"pin":"4111-2222"},"a":{"b":1.0}}'));
    const auth = { jwt: { secret, issuer: 'test', audience: 'millrace' } };
    const guarded = await bus.serve({ port: 0, auth });
    for (const accept of ['application/json', 'application/cloudevents-batch+json']) {
      const headers = { authorization: `Bearer ${token}`, accept };
      const response = await fetch(`${guarded.url}/v1/events?topic=m.*`, { headers });
      const answer = await response.text();
      expect(answer).toContain('"card":"[redacted]"');
      expect(answer).not.toContain('4111');
    }
    const client = new SocketClient(guarded.port, {
      headers: { authorization: `Bearer ${token}` },
    });
    await client.next('welcome');
    const { payload } = await client.ask('query', { topic: 'm.*' });
    const seen = payload.events.map((event: { payload: unknown }) => event.payload);
    expect(seen).toEqual([{ card: '[redacted]', open: 1 }, { a: { b: 1 } }]);
    expect(JSON.stringify(payload)).not.toContain('4111');
    client.socket.terminate();
    await guarded.close();
  });
});
