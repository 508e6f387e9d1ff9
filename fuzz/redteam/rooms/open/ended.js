import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertUntold, until } from '../../stage/stage.js';
import { HeldRequest, OpenAnswer } from '../../stage/streams.js';

/** Staying on what was opened with a token that has ended since. */

const GRANTS = {
  publish: ['mallory.*', 'public.*'],
  subscribe: ['mallory.*', 'public.*'],
  consume: ['mallory.*'],
  admin: ['*'],
};
const SECONDS = [3, 6, 12, 24, 48];

/** Who ends a token: an operator who revokes it, or its own time. */
const ENDS = {
  'that is revoked': {
    token: (stage) => {
      const jti = stage.fresh('jti');
      return { token: stage.jwt('mallory', GRANTS, { jti }), jti };
    },
    end: async (stage, { jti }) => {
      appendFileSync(join(stage.server.folder, 'revoked'), `${jti}\n`);
    },
  },
  'that expires': {
    token: (stage, tries) => {
      const exp = Math.ceil(Date.now() / 1000) + SECONDS[tries];
      return { token: stage.jwt('mallory', GRANTS, { jti: stage.fresh('jti'), exp }), exp };
    },
    end: async () => {},
  },
};

const isRefused = (stage, token) =>
  stage.ask(undefined, { path: '/v1/access', token }).then(({ status }) => status === 401);

/** Resolves when the server takes the token no longer. */
const ended = (stage, token) =>
  until('the token is refused', () => isRefused(stage, token), 60_000);

/** Opens with a token that may end meanwhile on a slow machine; then again, with one that lives longer. */
async function openWith(stage, kind, open) {
  for (let tries = 0; ; tries++) {
    const given = ENDS[kind].token(stage, tries);
    try {
      const opened = await open(given.token);
      if (!(await isRefused(stage, given.token))) return { ...given, opened };
    } catch (error) {
      if (tries === SECONDS.length - 1) throw error;
    }
    assert.ok(tries < SECONDS.length - 1, 'the token lives too shortly');
  }
}

/** Every kind of stream on a topic that mallory may read. */
async function openStreams(stage, token, topic) {
  const path = `/v1/events/stream?topic=${topic}`;
  const lines = { accept: 'application/x-ndjson' };
  const answers = {
    'an event stream': OpenAnswer.open(stage.port, { path, token }),
    'a stream of lines': OpenAnswer.open(stage.port, { path, token, headers: lines }),
    'a stream that is not read yet': OpenAnswer.open(stage.port, { path, token, reads: false }),
  };
  for (const [name, answer] of Object.entries(answers)) {
    assert.equal(await answer.begun, 200, name);
  }
  const socket = await stage.socket('mallory', { token });
  const subscribed = await socket.one('subscribe', { subscription: 's', filter: topic });
  assert.equal(subscribed.type, 'subscribed');
  const name = `mallory.${stage.fresh('left')}`;
  const options = { filter: topic, leaseMs: 600_000 };
  assert.equal((await socket.one('consumer', { name, options })).type, 'result');
  const { type } = await socket.one('join', { consumer: name, member: 'm', concurrency: 10 });
  assert.equal(type, 'joined');
  const waiting = OpenAnswer.open(stage.port, {
    method: 'POST',
    path: `/v1/consumers/${name}/pull`,
    token,
    headers: { 'content-type': 'application/json' },
  });
  waiting.sent.end(JSON.stringify({ max: 10, waitMs: 30_000 }));
  return { answers, socket, waiting, name };
}

async function assertNothingAfter(stage, kind) {
  const topic = `public.${stage.fresh('left')}`;
  const { opened, ...given } = await openWith(stage, kind, (token) =>
    openStreams(stage, token, topic),
  );
  const { answers, socket, waiting, name } = opened;
  await ENDS[kind].end(stage, given);
  await ended(stage, given.token);
  const [{ code }] = await Promise.all([
    socket.closed,
    answers['an event stream'].ended,
    answers['a stream of lines'].ended,
  ]);
  assert.equal(code, 1008);
  const secret = stage.fresh('secret');
  await stage.publish('alice', { topic, payload: secret });
  await waiting.ended;
  const slow = answers['a stream that is not read yet'];
  slow.read();
  await slow.ended;
  for (const [what, { text }] of Object.entries(answers)) {
    assertUntold(text, secret, what);
    assert.match(text, /UNAUTHENTICATED/, what);
  }
  assertUntold(waiting.text, secret, 'a pull');
  assertUntold(socket.frames, secret, 'a WebSocket');
  // Nothing is leased to whoever has left.
  const operator = await stage.socket('operator');
  const answer = await operator.one('pull', { consumer: name, max: 10, waitMs: 20_000 });
  assert.deepEqual(
    answer.deliveries?.map(({ event }) => event.payload),
    [secret],
    JSON.stringify(answer),
  );
}

/**
 * What is asked for with a body that the server has to wait for.
 *
 * @returns {[method: string, path: string, body: object][]}
 */
const HELD = (name) => [
  ['POST', '/v1/events', { topic: `mallory.${name}`, type: 't', payload: 1 }],
  ['PUT', `/v1/consumers/mallory.${name}`, { filter: 'mallory.*' }],
  ['POST', `/v1/consumers/mallory.kept/seek`, { from: 'earliest' }],
  ['POST', `/v1/consumers/mallory.kept/pause`, { ' ': 0 }],
  ['POST', `/v1/consumers/mallory.kept/redrive`, { limit: 1 }],
  ['POST', `/v1/consumers/mallory.kept/seek-preview`, { from: 'earliest' }],
  ['POST', `/v1/consumers/mallory.kept/pull`, { max: 1 }],
  ['POST', `/v1/consumers/mallory.kept/ack`, { leases: ['01ARZ3NDEKTSV4RRFFQ69G5FAV.0.1.1'] }],
  ['PUT', `/v1/alerts/${name}`, { metric: 'lag', above: 1 }],
  [
    'PUT',
    `/v1/schedules/${name}`,
    { everyMs: 60_000, event: { topic: `mallory.${name}`, type: 't', payload: 1 } },
  ],
  ['POST', '/v1/request?timeoutMs=1000', { topic: `mallory.${name}`, type: 't', payload: 1 }],
];

async function assertNoBodyAfter(stage, kind) {
  const name = stage.fresh('held');
  const kept = { name: 'mallory.kept', options: { filter: 'mallory.*' } };
  await (await stage.socket('operator')).one('consumer', kept);
  const { opened, ...given } = await openWith(stage, kind, async (token) => {
    const requests = HELD(name).map(([method, path, body]) => {
      const held = new HeldRequest(stage.port, { method, path, token, body });
      return { what: `${method} ${path}`, held };
    });
    // They are at the server when it has answered a later one.
    for (let n = 0; n < 3; n++) await stage.ask(undefined, { path: '/v1/access', token });
    return requests;
  });
  await ENDS[kind].end(stage, given);
  await ended(stage, given.token);
  for (const { what, held } of opened) {
    const answer = await held.finish();
    assert.match(answer, /^HTTP\/1\.1 401 /, `${what}: ${answer.slice(0, 500)}`);
  }
  const operator = await stage.socket('operator');
  for (const [type, payload] of [
    ['consumers', { names: [`mallory.${name}`] }],
    ['schedules', {}],
    ['alerts', {}],
    ['query', { topic: `mallory.${name}` }],
  ]) {
    assertUntold(await operator.ask(type, payload), name, `after it, ${type}`);
  }
}

/** A history of this size is not in any buffer between the server and a client that does not read. */
const HISTORY = 24;
const MIB = 1024 * 1024;

async function assertNoHistoryAfter(stage, kind) {
  const topic = `public.${stage.fresh('long')}`;
  for (let n = 0; n < HISTORY; n++) {
    await stage.publish('alice', { topic, payload: `${n}.`.padEnd(MIB - 1000, 'x') });
  }
  const { opened, ...given } = await openWith(stage, kind, async (token) => {
    const path = `/v1/events?topic=${topic}&limit=${HISTORY}`;
    const answer = OpenAnswer.open(stage.port, { path, token, reads: false });
    assert.equal(await answer.begun, 200);
    return answer;
  });
  await ENDS[kind].end(stage, given);
  await ended(stage, given.token);
  opened.read();
  await opened.ended;
  assert.ok(!opened.text.includes(`"${HISTORY - 1}.x`), 'the whole history was read');
}

const KINDS = Object.keys(ENDS);

export const attacks = [
  ...KINDS.map((kind) => ({
    name: `streams, members and pulls with a token ${kind}`,
    wants: 'events that are published after that',
    play: (stage) => assertNothingAfter(stage, kind),
  })),
  ...KINDS.map((kind) => ({
    name: `bodies that are sent to the end with a token ${kind}`,
    isLong: kind === 'that expires',
    wants: 'an act after that',
    play: (stage) => assertNoBodyAfter(stage, kind),
  })),
  ...KINDS.map((kind) => ({
    name: `an answer that is read to the end with a token ${kind}`,
    isLong: kind === 'that expires',
    wants: 'history after that',
    play: (stage) => assertNoHistoryAfter(stage, kind),
  })),
];
