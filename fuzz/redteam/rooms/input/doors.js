import assert from 'node:assert/strict';
import { closeCodeOf, frame, RawSocket } from '../../stage/frames.js';
import { assertUntold, until } from '../../stage/stage.js';

/** The same hostile values at every door that takes JSON. */

const MIB = 1024 * 1024;
const PROTO =
  '{"__proto__":{"polluted":1,"admin":["*"],"persist":false},"constructor":{"prototype":{"polluted":1}}}';

/** Each door over HTTP, with a body that has a place for any value. @returns {[string, string, (value: string) => string][]} */
const DOORS = (name) => {
  const event = (value) => `{"topic":"mallory.doors","type":"t","payload":${value}}`;
  return [
    ['POST', '/v1/events', event],
    ['POST', '/v1/events', (value) => `[${event(value)}]`],
    ['POST', '/v1/events', (value) => `{"topic":"mallory.doors","type":"t","attributes":${value}}`],
    ['POST', '/v1/events', (value) => value],
    ['POST', '/v1/request?timeoutMs=50', event],
    ['PUT', `/v1/schedules/${name}`, (value) => `{"everyMs":60000,"event":${event(value)}}`],
    ['PUT', `/v1/schedules/${name}`, (value) => value],
    ['PUT', `/v1/consumers/mallory.${name}`, (value) => `{"filter":${value}}`],
    ['PUT', `/v1/consumers/mallory.${name}`, (value) => value],
    ['POST', '/v1/consumers/mallory.doors/pull', (value) => value],
    ['POST', '/v1/consumers/mallory.doors/ack', (value) => `{"leases":[${value}]}`],
    ['POST', '/v1/consumers/mallory.doors/nak', (value) => `{"leases":["x"],"reason":${value}}`],
    ['POST', '/v1/consumers/mallory.doors/seek', (value) => `{"from":${value}}`],
    ['POST', '/v1/consumers/mallory.doors/redrive', (value) => value],
    ['PUT', `/v1/alerts/${name}`, (value) => value],
  ];
};
/** What a request gets that nobody answers: a busy server may need all its time to see that nobody is there. */
const UNANSWERED = new Set(['NO_RESPONDERS', 'REQUEST_TIMEOUT']);
const EVENT_TYPES = ['application/json', 'application/cloudevents+json', 'application/x-ndjson'];

async function ask(stage, method, path, body, type = 'application/json') {
  const answer = await stage.ask('mallory', {
    method,
    path,
    body,
    headers: { 'content-type': type },
  });
  const what = `${method} ${path} ${type}: ${answer.status} ${answer.text.slice(0, 200)}`;
  assert.ok(answer.status < 500 || UNANSWERED.has(answer.body?.code), what);
  assert.notEqual(answer.body?.code, 'INTERNAL', what);
  return answer;
}

async function tellAll(stage, value) {
  const answers = [];
  for (const [method, path, bodyOf] of DOORS(stage.fresh('door'))) {
    const types = path === '/v1/events' ? EVENT_TYPES : EVENT_TYPES.slice(0, 1);
    for (const type of types) answers.push(await ask(stage, method, path, bodyOf(value), type));
  }
  return answers;
}

export const attacks = [
  {
    name: 'names of prototypes, at every door of HTTP',
    wants: 'a property that all objects of the server have from then on',
    async play(stage) {
      await tellAll(stage, PROTO);
      await tellAll(stage, `[${PROTO}]`);
      const { body: access } = await stage.ask('nobody', { path: '/v1/access' });
      assert.deepEqual([access.access?.admin ?? access.admin, access.polluted], [[], undefined]);
      // Events are stored as ever.
      const topic = `alice.${stage.fresh('kept')}`;
      await stage.publish('alice', { topic, payload: {} });
      const { text } = await stage.ask('alice', { path: `/v1/events?topic=${topic}` });
      assertUntold(text, 'polluted');
      assert.equal(JSON.parse(text).length, 1);
    },
  },
  {
    name: 'payloads that are too large, at every door',
    wants: 'memory, or an event that no reader can take',
    async play(stage) {
      const before = stage.server.residentBytes();
      const large = JSON.stringify('x'.repeat(2 * MIB));
      for (const { status } of await tellAll(stage, large)) assert.ok(status >= 400, `${status}`);
      const token = stage.tokens.mallory;
      const type = 'publish';
      const event = { topic: 'mallory.doors', type: 't', payload: 'x'.repeat(2 * MIB) };
      const parts = [
        frame(JSON.stringify({ type, payload: { event } })),
        frame('', { length: 2n ** 62n }),
      ];
      for (const bytes of parts) {
        const socket = await RawSocket.open(stage.port, { token });
        await socket.write(bytes);
        await until('it is closed', () => closeCodeOf(socket.text) !== undefined);
        assert.equal(closeCodeOf(socket.text), 1009);
        socket.end();
      }
      const { body } = await stage.ask('operator', {
        path: '/v1/events?topic=mallory.doors&limit=1000',
      });
      assert.ok(body.every(({ payload }) => JSON.stringify(payload ?? null).length < MIB));
      const mib = (stage.server.residentBytes() - before) / MIB;
      assert.ok(mib < 300, `${mib} MiB`);
      return { mib: Math.round(mib) };
    },
  },
];
