import assert from 'node:assert/strict';

/** Filling what a whole bus has only so many of, so that nobody else gets a place. */

const many = (length, make) => Array.from({ length }, (_, n) => make(n));

/** Sends requests of one kind over several connections, and counts their answers by their codes; `waiting` have none. */
async function fill(stage, { connections, each, type, payload, expected }) {
  const sockets = await Promise.all(many(connections, () => stage.socket('mallory')));
  for (const [at, socket] of sockets.entries()) {
    for (let n = 0; n < each; n++)
      socket.send({ type, requestId: `f${n}`, payload: payload(n, at) });
    // An answer to this has all answers before it that need no wait.
    await socket.one('ping');
  }
  const count = () =>
    sockets
      .flatMap(({ frames }) => frames)
      .filter(
        ({ payload: told }) =>
          told.code === 'LIMIT_EXCEEDED' && told.details.limitOf === 'principal',
      ).length;
  for (let tries = 0; count() < expected && tries < 500; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { refused: count(), sockets };
}

async function assertAliceAsks(stage) {
  const [asker, answerer] = await Promise.all([stage.socket('alice'), stage.socket('alice')]);
  const responding = await answerer.one('respond', { responder: 'r', pattern: 'alice.ask' });
  assert.equal(responding.type, 'responding', JSON.stringify(responding));
  const answered = asker.one('request', {
    event: { topic: 'alice.ask', type: 't', payload: 1 },
    timeoutMs: 20_000,
  });
  const { payload } = await answerer.next(({ type }) => type === 'question');
  answerer.send({ type: 'answer', payload: { question: payload.question, payload: 2 } });
  assert.equal((await answered).type, 'answered');
}

export const attacks = [
  {
    name: 'requests that never end',
    wants: 'all places of requests that wait, so that nobody else can ask',
    async play(stage) {
      // A connection has at most 1000 questions in hand.
      for (let n = 0; n < 3; n++) {
        const hole = await stage.socket('mallory');
        await hole.one('respond', { responder: 'hole', pattern: 'mallory.hole' });
      }
      const event = { topic: 'mallory.hole', type: 't', payload: 1 };
      const { refused } = await fill(stage, {
        connections: 3,
        each: 900,
        type: 'request',
        expected: 700,
        payload: () => ({ event, timeoutMs: 86_400_000 }),
      });
      assert.equal(refused, 700);
      await assertAliceAsks(stage);
    },
  },
  {
    name: 'requests with large payloads that never end',
    wants: 'all memory of requests that wait',
    async play(stage) {
      const hole = await stage.socket('mallory');
      await hole.one('respond', { responder: 'hole', pattern: 'mallory.hole' });
      const event = { topic: 'mallory.hole', type: 't', payload: 'x'.repeat(1_000_000) };
      const { refused } = await fill(stage, {
        connections: 1,
        each: 20,
        type: 'request',
        expected: 4,
        payload: () => ({ event, timeoutMs: 86_400_000 }),
      });
      assert.equal(refused, 4);
      await assertAliceAsks(stage);
    },
  },
  {
    name: 'responders by the thousand',
    wants: 'all places of responders, so that nobody else can answer',
    async play(stage) {
      const { refused } = await fill(stage, {
        connections: 16,
        each: 128,
        type: 'respond',
        expected: 48,
        payload: (n, at) => ({ responder: `r${n}`, pattern: `mallory.r${at}.${n}` }),
      });
      assert.equal(refused, 48);
      await assertAliceAsks(stage);
    },
  },
  {
    name: 'members by the thousand',
    wants: "all places of members, so that nobody else's consumer has one",
    isLong: true,
    async play(stage) {
      const name = `mallory.${stage.fresh('crowd')}`;
      const socket = await stage.socket('mallory');
      assert.equal(
        (await socket.one('consumer', { name, options: { filter: 'mallory.none' } })).type,
        'result',
      );
      const { refused } = await fill(stage, {
        connections: 64,
        each: 32,
        type: 'join',
        expected: 48,
        payload: (n) => ({ consumer: name, member: `m${n}`, concurrency: 1 }),
      });
      assert.equal(refused, 48);
      const own = `alice.${stage.fresh('own')}`;
      const alice = await stage.socket('alice');
      await alice.one('consumer', { name: own, options: { filter: 'alice.none' } });
      assert.equal(
        (await alice.one('join', { consumer: own, member: 'm', concurrency: 1 })).type,
        'joined',
      );
    },
  },
];
