import assert from 'node:assert/strict';
import { assertUntold } from '../../stage/stage.js';

/** Values that nobody sends who means well, in every field that takes one. */

const NUMBERS = [
  0,
  -0,
  -1,
  0.5,
  1e-320,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  1e308,
  '1e999',
  '-1e999',
  '9007199254740993',
  'null',
  'true',
  '"1"',
  '[]',
  '{}',
];

/** Frames with one place for a number, written as `#`. */
const PLACES = [
  ['subscribe', '{"subscription":"n","filter":"mallory.*","from":{"last":#}}'],
  ['subscribe', '{"subscription":"n","filter":"mallory.*","maxBuffer":#}'],
  ['subscribe', '{"subscription":"n","filter":"mallory.*","window":{"events":#}}'],
  ['subscribe', '{"subscription":"n","filter":"mallory.*","window":{"events":1,"bytes":#}}'],
  ['consumed', '{"subscription":"n","events":#}'],
  ['query', '{"topic":"mallory.*","limit":#}'],
  ['query', '{"topic":"mallory.*","since":#}'],
  ['publish', '{"event":{"topic":"mallory.n","type":"t","payload":1},"delayMs":#}'],
  ['publish', '{"event":{"topic":"mallory.n","type":"t","payload":1},"ttlMs":#}'],
  ['publish', '{"event":{"topic":"mallory.n","type":"t","payload":1},"expect":{"sequence":#}}'],
  ['publish', '{"event":{"topic":"mallory.n","type":"t","payload":1,"timestamp":#}}'],
  ['scheduled', '{"limit":#}'],
  ['consumer', '{"name":"mallory.n","options":{"filter":"mallory.*","leaseMs":#}}'],
  ['consumer', '{"name":"mallory.n","options":{"filter":"mallory.*","maxAttempts":#}}'],
  ['consumer', '{"name":"mallory.n","options":{"filter":"mallory.*","maxInFlight":#}}'],
  ['consumer', '{"name":"mallory.n","options":{"filter":"mallory.*","backoffMs":[#]}}'],
  ['join', '{"consumer":"mallory.numbers","member":"m","concurrency":#}'],
  ['pull', '{"consumer":"mallory.numbers","max":#}'],
  ['pull', '{"consumer":"mallory.numbers","max":1,"waitMs":#}'],
  ['consumerOpen', '{"name":"mallory.numbers","limit":#}'],
  ['consumerDead', '{"name":"mallory.numbers","limit":#}'],
  ['alterConsumer', '{"name":"mallory.numbers","change":{"kind":"skip","shard":#,"sequence":1}}'],
  ['alterConsumer', '{"name":"mallory.numbers","change":{"kind":"skip","shard":0,"sequence":#}}'],
  ['seekPreview', '{"name":"mallory.numbers","from":{"last":#}}'],
  ['nextTimes', '{"name":"mallory.none","count":#}'],
  [
    'setSchedule',
    '{"name":"mallory.n","schedule":{"everyMs":#,"event":{"topic":"mallory.n","type":"t","payload":1}}}',
  ],
  ['request', '{"event":{"topic":"mallory.n","type":"t","payload":1},"timeoutMs":#}'],
  ['answer', '{"question":#,"payload":1}'],
  ['figures', '{"after":#}'],
];
/** Frames of these are not answered. */
const SILENT = new Set(['consumed', 'answer']);
/** Acts of which few are allowed a second. */
const RATED = new Set(['consumer', 'alterConsumer', 'setSchedule', 'nextTimes']);

const PROTO =
  '{"__proto__":{"admin":["*"],"isAdmin":true,"polluted":1},"constructor":{"prototype":{"polluted":1}}}';

export const attacks = [
  {
    name: 'numbers at the edges, in every field that takes one',
    wants: 'a thread that throws, waits for ever, or takes memory for a number',
    async play(stage) {
      const socket = await stage.socket('mallory');
      await socket.one('consumer', { name: 'mallory.numbers', options: { filter: 'mallory.*' } });
      const codes = {};
      let asked = 0;
      for (const [type, text] of PLACES) {
        for (const [at, number] of NUMBERS.entries()) {
          // Few acts a second are judged, so each place of theirs gets every fifth number.
          if (RATED.has(type) && at % 5 !== asked % 5) continue;
          // A wait that is allowed need not be waited for.
          if (text.includes('waitMs') && Number(number) > 0 && Number(number) <= 30_000) continue;
          const requestId = `n${++asked}`;
          const written = Object.is(number, -0) ? '-0' : String(number);
          socket.send(
            `{"type":"${type}","requestId":"${requestId}","payload":${text.replace('#', written)}}`,
          );
          if (SILENT.has(type)) socket.send({ type: 'ping', requestId });
          const answer = await socket.next((frame) => frame.requestId === requestId);
          const code = answer.payload.code ?? answer.type;
          codes[code] = (codes[code] ?? 0) + 1;
          assert.notEqual(
            code,
            'INTERNAL',
            `${type} ${text} with ${written}: ${JSON.stringify(answer)}`,
          );
          if (answer.type === 'subscribed') await socket.one('unsubscribe', { subscription: 'n' });
          if (answer.type === 'joined') await socket.one('leave', { member: 'm' });
        }
      }
      assert.equal((await socket.one('ping')).type, 'pong');
      return codes;
    },
  },
  {
    name: 'names of prototypes, and keys that come twice',
    wants:
      'a property that all objects of the server have from then on, or a check that looks at another value than is used',
    async play(stage) {
      const socket = await stage.socket('mallory');
      const event = (more) => `{"topic":"mallory.proto","type":"t","payload":1${more}}`;
      const frames = [
        `{"type":"publish","requestId":1,"payload":{"event":${event(`,"attributes":${PROTO}`)}}}`,
        `{"type":"publish","requestId":1,"payload":{"event":${event(`,"__proto__":{"source":"alice"}`)}}}`,
        `{"type":"publish","requestId":1,"payload":{"event":${event('')},"__proto__":{"persist":false}}}`,
        `{"type":"publish","requestId":1,"__proto__":{"polluted":1},"payload":{"event":${event('')}}}`,
        `{"type":"publish","requestId":1,"payload":{"event":{"topic":"mallory.ok","topic":"alice.twice","type":"t","payload":1}}}`,
        `{"type":"publish","requestId":1,"payload":{"event":{"topic":"alice.twice","topic":"mallory.ok","type":"t","payload":1}}}`,
        `{"type":"query","requestId":1,"payload":{"topic":"mallory.ok","topic":"alice.*"}}`,
        `{"type":"query","requestId":1,"payload":{"topic":"mallory.*","attributes":${PROTO}}}`,
        `{"type":"query","requestId":1,"payload":{"topic":"mallory.*","attributes":{"__proto__":["x"]}}}`,
        `{"type":"subscribe","requestId":1,"payload":{"subscription":"__proto__","filter":{"topics":["mallory.*"],"__proto__":{"topics":["*"]}}}}`,
        `{"type":"subscribe","requestId":1,"payload":{"subscription":"constructor","filter":"mallory.*"}}`,
        `{"type":"__proto__","requestId":1,"payload":{}}`,
        `{"type":"constructor","requestId":1,"payload":{}}`,
        `{"type":"toString","requestId":1,"payload":{}}`,
        `{"type":["publish"],"requestId":1,"payload":{}}`,
        `{"type":"consumer","requestId":1,"payload":{"name":"mallory.p","options":${PROTO}}}`,
        `{"type":"setSchedule","requestId":1,"payload":{"name":"__proto__","schedule":{"everyMs":60000,"event":${event('')}}}}`,
        `{"type":"schedule","requestId":1,"payload":{"name":"__proto__"}}`,
        `{"type":"consumers","requestId":1,"payload":{"names":["__proto__","constructor"]}}`,
        `{"type":"get","requestId":1,"payload":{"topic":"mallory.*","id":"__proto__"}}`,
        `{"type":"unsubscribe","requestId":1,"payload":{"subscription":"__proto__"}}`,
        `{"type":"publish","requestId":1,"payload":{"event":{"topic":"mallory.proto","type":"__proto__","payload":${PROTO},"id":"__proto__","source":"__proto__","correlationId":"constructor"}}}`,
      ];
      for (const frame of frames) {
        socket.send(frame);
        const { payload } = await socket.next(
          ({ requestId, type }) => requestId === 1 && type !== 'events',
        );
        assert.notEqual(payload.code, 'INTERNAL', `${frame}: ${JSON.stringify(payload)}`);
      }
      for (const query of [
        '__proto__[polluted]=1&topic=mallory.*',
        'topic=mallory.*&attribute=__proto__=x',
        'topic=mallory.*&constructor=1',
        'topic=mallory.*&topic=alice.*',
        'topic[]=alice.*',
        '__proto__=x',
      ]) {
        const { status } = await stage.ask('mallory', { path: `/v1/events?${query}` });
        assert.ok(
          [400, 403].includes(status) || query.includes('attribute'),
          `${query}: ${status}`,
        );
      }
      const stored = await stage.ask('operator', { path: '/v1/events?topic=alice.twice' });
      assert.deepEqual(stored.body, []);
      const { access } = await socket.one('access');
      assert.deepEqual(access.admin, []);
      // A payload is what its publisher wrote, whatever its keys are called.
      const { text } = await stage.ask('mallory', {
        path: '/v1/events?topic=mallory.proto&type=__proto__',
      });
      assert.ok(text.includes(PROTO), text);
      const nobody = await stage.ask('nobody', { path: '/v1/access' });
      assertUntold(nobody.text, ['polluted', '"*"']);
    },
  },
  {
    name: 'JSON that is deep, long or broken',
    wants: 'a stack that overflows, or time that grows faster than the text',
    async play(stage) {
      const socket = await stage.socket('mallory');
      const depth = (count) => `${'['.repeat(count)}${']'.repeat(count)}`;
      const event = (payload) =>
        `{"type":"publish","requestId":"d","payload":{"event":{"topic":"mallory.deep","type":"t","payload":${payload}}}}`;
      const texts = [
        event(depth(64)),
        event(depth(65)),
        event(depth(100_000)),
        event(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`),
        event('['.repeat(500_000)),
        event(`"${'\\u0000'.repeat(100_000)}"`),
        event(`"${'\\ud800'.repeat(1000)}"`),
        event('1'.repeat(500_000)),
        event(`1e${'9'.repeat(100_000)}`),
        event(`"${'\\"'.repeat(250_000)}"`),
        event(`{${'"a":1,'.repeat(100_000)}"a":2}`),
        '{',
        '',
        'null',
        '[]',
        '1',
        '"x"',
        '{"type":"ping"',
        '{"type":"ping"}}',
        "{'type':'ping'}",
        '\ufeff{"type":"ping"}',
        '{"type":"ping",}',
        'NaN',
        `${' '.repeat(900_000)}{"type":"ping"}`,
      ];
      const slow = [];
      for (const text of texts) {
        const began = performance.now();
        socket.send(text);
        const { type, payload } = await socket.next();
        assert.ok(['error', 'published', 'pong'].includes(type), type);
        assert.notEqual(
          payload.code,
          'INTERNAL',
          `${text.slice(0, 60)}: ${JSON.stringify(payload)}`,
        );
        assert.ok(JSON.stringify(payload).length < 4096, 'an answer is as long as its question');
        slow.push(performance.now() - began);
      }
      return { slowestMs: Math.round(Math.max(...slow)) };
    },
  },
  {
    name: 'names that look like others, or cannot be shown',
    wants: 'one name that two parts of the server take for different ones',
    async play(stage) {
      const lone = '\ud800';
      const names = [
        'mallory.\u00e9',
        'mallory.e\u0301',
        'mallory.\u212b',
        'mallory.\u00c5',
        'mallory.\ufb01',
        'mallory.fi',
        'mallory.\u0130',
        'mallory.i\u0307',
        'mallory.\u200b',
        'mallory.\u2060x',
        'mallory.\u{e0041}',
        'mallory.\u{1f600}',
        `mallory.${lone}`,
        `mallory.x${lone}y`,
        'mallory.\ufffd',
        'mallory.\ufffe',
        'mallory.%2e',
        'mallory.%',
        'mallory.?',
        'mallory.&',
        'mallory.\\',
        'mallory./',
        'mallory.../x',
      ];
      const socket = await stage.socket('mallory');
      const taken = [];
      for (const topic of names) {
        const { type, acks, code } = await socket.one('publish', {
          event: { topic, type: 't', payload: topic },
        });
        if (type === 'published') taken.push({ topic, ...acks[0] });
        else assert.ok(['TOPIC_INVALID', 'MESSAGE_INVALID', 'EVENT_INVALID'].includes(code), code);
      }
      for (const { topic } of taken) {
        const { events, ...refused } = await socket.one('query', { topic });
        assert.ok(
          events,
          `${JSON.stringify(topic)} was published to, and: ${JSON.stringify(refused)}`,
        );
        assert.deepEqual(
          events.map((event) => [event.topic, event.payload]),
          [[topic, topic]],
          JSON.stringify(topic),
        );
        const { body } = await stage.ask('mallory', {
          path: `/v1/events?topic=${encodeURIComponent(topic)}`,
        });
        assert.deepEqual(
          body.map((event) => event.topic),
          [topic],
        );
      }
      return { taken: taken.length, refused: names.length - taken.length };
    },
  },
];
