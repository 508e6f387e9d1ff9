import assert from 'node:assert/strict';
import { assertRefused, assertUntold } from '../../stage/stage.js';

/** Reading what is alice's through patterns, by every way of reading that there is. */

const PATTERNS = [
  '*',
  '+',
  '+.*',
  '*.+',
  '+.+',
  '*.*',
  'alice.*',
  'alice.+',
  'alice',
  'a*',
  'alice*',
  '*.secret',
  '+.secret',
  'public.*.*',
  '$sys.*',
  '$sys.+',
  '$sys',
  '$*',
  '$+.*',
  '*.$sys',
  'mallory.*.*',
  'MALLORY.*',
  'Alice.*',
  'ALICE.secret',
  'alice.secret',
  'alice．secret',
  'ａlice.*',
  'alice\u200b.*',
  'alice\u0301.*',
  'alice.se\u0000cret',
  'alice%2esecret',
  'mallory.*,alice.*',
  'mallory.* alice.*',
  'mallory..alice.*',
  '.alice.secret',
  'alice.secret.',
  '**',
  '++',
  '*.',
  'mallory.\u2024.alice',
  '__proto__',
  'constructor.*',
  'toString',
  '+.+.+.+.+.+.+.+.+.+.+.+.+.+.+.*',
];
const REFUSALS = [
  'FORBIDDEN',
  'PATTERN_INVALID',
  'QUERY_INVALID',
  'TOPIC_INVALID',
  'MESSAGE_INVALID',
  'FILTER_INVALID',
  'OPTION_INVALID',
];
const SECRET = 'the-secret-of-alice';

/** Whether her grants cover it, however odd it is. */
function isHers(pattern) {
  return /^(?:mallory|public)\./.test(pattern);
}

/** Few acts a second are judged, so that in the short form these take only some of the patterns. */
function isSkipped({ isLong }, type, at) {
  return !isLong && at % 8 > 0 && ['consumer', 'prune', 'setSchedule'].includes(type);
}

async function plant(stage) {
  const topic = 'alice.secret';
  const [ack] = await stage.publish('alice', {
    topic,
    id: stage.fresh('sec'),
    payload: SECRET,
    correlationId: 'run-of-alice',
  });
  return ack;
}

/** Each is given a pattern that the attacker may not read, and returns what she was told. */
const WAYS = {
  query: (stage, pattern) =>
    stage.ask('mallory', { path: `/v1/events?topic=${encodeURIComponent(pattern)}` }),
  latest: (stage, pattern) =>
    stage.ask('mallory', { path: `/v1/latest?topic=${encodeURIComponent(pattern)}` }),
  topics: (stage, pattern) =>
    stage.ask('mallory', { path: `/v1/topics?pattern=${encodeURIComponent(pattern)}` }),
  stream: (stage, pattern) =>
    stage.ask('mallory', {
      path: `/v1/events/stream?from=earliest&topic=${encodeURIComponent(pattern)}`,
      headers: { accept: 'application/x-ndjson' },
      most: 1,
    }),
  waiting: (stage, pattern) =>
    stage.ask('mallory', { path: `/v1/scheduled?topic=${encodeURIComponent(pattern)}` }),
};

const FRAMES = {
  subscribe: (pattern) => [
    'subscribe',
    { subscription: pattern.slice(0, 99) || 'x', filter: pattern, from: 'earliest' },
  ],
  query: (pattern) => ['query', { topic: pattern }],
  latest: (pattern) => ['query', { topic: pattern, latest: true }],
  topics: (pattern) => ['topics', { pattern }],
  respond: (pattern) => ['respond', { responder: 'r', pattern }],
  consumer: (pattern) => [
    'consumer',
    { name: 'mallory.reader', options: { filter: pattern, from: 'earliest' } },
  ],
  subscribers: (pattern) => ['subscribers', { topic: pattern }],
  prune: (pattern) => ['prune', { pattern, maxEvents: 1 }],
};

export const attacks = [
  {
    name: 'a wildcard that reaches beyond the grants, over HTTP',
    wants: "alice's events, by a pattern that is wider than it looks",
    async play(stage) {
      await plant(stage);
      for (const [way, tell] of Object.entries(WAYS)) {
        const answers = await Promise.all(PATTERNS.map((pattern) => tell(stage, pattern)));
        for (const [at, answer] of answers.entries()) {
          const pattern = PATTERNS[at];
          assertUntold(answer.text, [SECRET, 'run-of-alice'], `${way} of ${pattern}`);
          if (answer.status === 200) assert.ok(isHers(pattern), `${way} of ${pattern} was taken`);
          else assertRefused(answer, REFUSALS, `${way} of ${pattern}`);
        }
      }
    },
  },
  {
    name: 'a wildcard that reaches beyond the grants, in frames',
    wants: "alice's events, by a filter, a consumer or a responder",
    async play(stage) {
      await plant(stage);
      const socket = await stage.socket('mallory');
      for (const frame of Object.values(FRAMES)) {
        for (const [at, pattern] of PATTERNS.entries()) {
          const [type, payload] = frame(pattern);
          if (isSkipped(stage, type, at)) continue;
          let answer = await socket.one(type, payload);
          while (answer.code === 'RATE_LIMITED') {
            await new Promise((resolve) => setTimeout(resolve, answer.details.retryAfterMs));
            answer = await socket.one(type, payload);
          }
          assertUntold(
            [answer, ...socket.frames],
            [SECRET, 'run-of-alice'],
            `${type} of ${pattern}`,
          );
          const isNever = type === 'prune' || type === 'subscribers';
          if (isNever || !isHers(pattern)) assertRefused(answer, REFUSALS, `${type} of ${pattern}`);
        }
      }
      // Several patterns, of which one is not hers.
      for (const filter of [['mallory.*', 'alice.*'], { topics: ['public.*', '*'] }]) {
        assertRefused(
          await socket.one('subscribe', { subscription: 'both', filter, from: 'earliest' }),
          'FORBIDDEN',
        );
      }
    },
  },
  {
    name: 'a filter that is changed after it was permitted',
    wants: "alice's events, by an update of a subscription that is hers",
    async play(stage) {
      await plant(stage);
      const socket = await stage.socket('mallory');
      assert.equal(
        (
          await socket.one('subscribe', {
            subscription: 's',
            filter: 'mallory.*',
            from: 'earliest',
          })
        ).type,
        'subscribed',
      );
      for (const filter of [
        '*',
        'alice.*',
        ['mallory.*', 'alice.secret'],
        { topics: ['alice.*'] },
      ]) {
        assertRefused(await socket.one('update', { subscription: 's', filter }), 'FORBIDDEN');
      }
      await stage.publish('alice', { topic: 'alice.secret', payload: SECRET });
      await stage.publish('mallory', { topic: 'mallory.mark' });
      await socket.next(
        ({ type, payload }) =>
          type === 'events' && payload.events.some(({ topic }) => topic === 'mallory.mark'),
      );
      assertUntold(socket.frames, SECRET);
    },
  },
  {
    name: 'a topic that is not in the grants, to write to',
    wants: 'an event on a topic of alice or of the bus itself',
    async play(stage) {
      const socket = await stage.socket('mallory');
      const topics = [
        'alice.secret',
        '$sys.health',
        'Mallory.x',
        'mallory',
        'mallory.*',
        'mallory.+',
        'mallory..x',
        'mallory.\u0000',
        'mallory.\u202ex y',
        'alice.\u200bsecret',
        'mallory\u2024x',
        ...PATTERNS,
      ];
      for (const [at, topic] of topics.entries()) {
        if (/^(?:mallory|public)(?:\.[^*+.\s\p{Cc}]+)+$/u.test(topic)) continue;
        const event = { topic, type: 't', payload: 1 };
        for (const [type, payload] of [
          ['publish', { event }],
          ['publish', { events: [{ ...event, topic: 'mallory.fine' }, event] }],
          ['publish', { event, delayMs: 1000 }],
          ['publish', { event, persist: false }],
          ['publish', { event, expect: 'none' }],
          ['request', { event, timeoutMs: 100 }],
          ['setSchedule', { name: 'mine', schedule: { everyMs: 60_000, event } }],
        ]) {
          if (isSkipped(stage, type, at)) continue;
          let answer = await socket.one(type, payload);
          if (answer.code === 'RATE_LIMITED') {
            await new Promise((resolve) => setTimeout(resolve, answer.details.retryAfterMs));
            answer = await socket.one(type, payload);
          }
          assertRefused(
            answer,
            ['FORBIDDEN', 'TOPIC_INVALID', 'MESSAGE_INVALID', 'EVENT_INVALID', 'OPTION_INVALID'],
            `${type} to ${JSON.stringify(topic)}`,
          );
        }
      }
      const { body } = await stage.ask('operator', { path: '/v1/events?topic=mallory.fine' });
      assert.deepEqual(body, [], 'an event of a refused batch is there');
    },
  },
  {
    name: "the name of somebody else, as an event's source",
    wants: 'an event that looks as if alice had published it',
    async play(stage) {
      const socket = await stage.socket('mallory');
      const event = { topic: 'public.news', type: 't', payload: 1, source: 'alice' };
      await socket.one('publish', { event });
      await socket.one('publish', { events: [event, event] });
      await stage.publish('mallory', event);
      const cloud = {
        specversion: '1.0',
        id: stage.fresh(),
        source: 'alice',
        type: 't',
        subject: 'public.news',
        data: 1,
      };
      await stage.ask('mallory', {
        method: 'POST',
        path: '/v1/events',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: JSON.stringify(cloud),
      });
      await stage.ask('mallory', {
        method: 'POST',
        path: '/v1/events',
        body: '1',
        headers: {
          'content-type': 'application/json',
          'ce-specversion': '1.0',
          'ce-id': stage.fresh(),
          'ce-source': 'alice',
          'ce-type': 't',
          'ce-subject': 'public.news',
        },
      });
      await stage.ask('mallory', {
        method: 'POST',
        path: '/v1/events',
        headers: { 'content-type': 'application/x-ndjson' },
        body: `${JSON.stringify(event)}\n`,
      });
      const { body } = await stage.ask('operator', { path: '/v1/events?topic=public.news' });
      assert.deepEqual(
        [body.length, new Set(body.map(({ source }) => source))],
        [7, new Set(['mallory'])],
      );
    },
  },
];
