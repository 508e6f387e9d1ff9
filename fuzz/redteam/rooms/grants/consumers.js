import assert from 'node:assert/strict';
import { assertRefused, assertUntold } from '../../stage/stage.js';

/** Asks again while a fast machine makes more changes a second than a principal may. */
async function inTime(/** @type {() => Promise<any>} */ ask) {
  for (;;) {
    const answer = await ask();
    const { code, details } = answer.body ?? answer;
    if (code !== 'RATE_LIMITED') return answer;
    await new Promise((resolve) => setTimeout(resolve, details.retryAfterMs));
  }
}

/** What belongs to alice's consumers: their events, their leases, their names. */

const SECRET = 'job-of-alice';

async function working(stage) {
  const name = `alice.${stage.fresh('work')}`;
  const topic = `alice.${stage.fresh('jobs')}`;
  const path = `/v1/consumers/${name}`;
  const made = await stage.ask('alice', {
    method: 'PUT',
    path,
    body: { filter: topic, from: 'earliest' },
  });
  assert.equal(made.status, 201, made.text);
  await stage.publish('alice', [
    { topic, payload: SECRET },
    { topic, payload: SECRET },
  ]);
  const { body } = await stage.ask('alice', {
    method: 'POST',
    path: `${path}/pull`,
    body: { waitMs: 10_000 },
  });
  return { name, topic, path, lease: body[0].lease };
}

export const attacks = [
  {
    name: "another principal's consumer",
    wants: 'events, figures or the end of a consumer that mallory may not take from',
    async play(stage) {
      const { name, path } = await working(stage);
      const ghost = `alice.${stage.fresh('ghost')}`;
      const socket = await stage.socket('mallory');
      /** @type {(of: string) => any[][]} */
      const frames = (of) => [
        ['consumer', { name: of }],
        ['consumer', { name: of, options: { filter: 'mallory.*' } }],
        ['consumer', { name: of, options: { filter: 'mallory.*', update: true } }],
        ['consumerOpen', { name: of }],
        ['consumerHeldKeys', { name: of }],
        ['consumerDead', { name: of }],
        ['seekPreview', { name: of, from: 'earliest' }],
        ...['pause', 'resume', 'delete'].map((kind) => [
          'alterConsumer',
          { name: of, change: { kind } },
        ]),
        ['alterConsumer', { name: of, change: { kind: 'seek', from: 'now' } }],
        ['alterConsumer', { name: of, change: { kind: 'skip', shard: 0, sequence: 1 } }],
        ['redrive', { name: of }],
        ['join', { consumer: of, member: 'm', concurrency: 1 }],
        ['pull', { consumer: of }],
      ];
      const others = frames(ghost);
      for (const [index, [type, payload]] of frames(name).entries()) {
        const patient = async (asked) => {
          for (;;) {
            const answer = await socket.one(type, asked);
            if (answer.code !== 'RATE_LIMITED') return answer;
            await new Promise((resolve) => setTimeout(resolve, answer.details.retryAfterMs));
          }
        };
        const told = await patient(payload);
        assertRefused(told, 'FORBIDDEN', type);
        // One that is not there is refused in the same words.
        const toldOfGhost = await patient(others[index][1]);
        const plain = (answer) =>
          JSON.stringify(answer).replaceAll(name, 'NAME').replaceAll(ghost, 'NAME');
        assert.equal(plain(told), plain(toldOfGhost), type);
      }
      for (const [method, end, body] of [
        ['GET', ''],
        ['DELETE', ''],
        ['PUT', '', { filter: 'mallory.*' }],
        ['GET', '/open'],
        ['GET', '/dead'],
        ['GET', '/held-keys'],
        ['POST', '/pull', {}],
        ['POST', '/pause', {}],
        ['POST', '/resume', {}],
        ['POST', '/seek', { from: 'now' }],
        ['POST', '/seek-preview', { from: 'now' }],
        ['POST', '/skip', { shard: 0, sequence: 1 }],
        ['POST', '/redrive', {}],
        ['POST', '/ack', { lease: 'x.0.1.1' }],
        ['POST', '/nak', { lease: 'x.0.1.1' }],
        ['POST', '/term', { lease: 'x.0.1.1' }],
        ['POST', '/working', { lease: 'x.0.1.1' }],
      ]) {
        const answer = await stage.ask('mallory', {
          method,
          path: `${path}${end}`,
          ...(body && { body }),
        });
        if (answer.status !== 429) assertRefused(answer, 'FORBIDDEN', `${method} ${end}`);
        assertUntold(answer.text, SECRET);
      }
      const listed = [
        await socket.ask('consumers'),
        await socket.ask('consumers', { names: [name, ghost] }),
        (await stage.ask('mallory', { path: '/v1/consumers' })).text,
      ];
      assertUntold(listed, [name, SECRET]);
      const { body } = await stage.ask('alice', { path });
      assert.deepEqual([body.inFlight, body.paused], [1, false]);
    },
  },
  {
    name: 'the text of a lease of others',
    wants: "to settle alice's job, or to learn from the lease's text whose it is",
    async play(stage) {
      const { name, lease, path } = await working(stage);
      const [id] = lease.split('.');
      const socket = await stage.socket('mallory');
      const nobody = await stage.socket('nobody');
      const unknown = `01ARZ3NDEKTSV4RRFFQ69G5FAV.${lease.split('.').slice(1).join('.')}`;
      for (const client of [socket, nobody]) {
        for (const kind of ['ack', 'nak', 'handBack', 'term', 'working']) {
          const { results } = await client.one('settle', {
            settlements: [
              { lease, kind },
              { lease: unknown, kind },
            ],
          });
          assertUntold(results, name, 'a refused settlement');
          const plain = (result) =>
            JSON.stringify(result).replaceAll(id, 'ID').replaceAll(unknown.split('.')[0], 'ID');
          assert.equal(
            plain(results[0]),
            plain(results[1]),
            'a lease that is there is told apart from one that is not',
          );
        }
      }
      const event = { topic: 'mallory.done', type: 't', payload: 1 };
      const answer = await socket.one('ackAndPublish', { lease, events: [event] });
      assert.equal(answer.type, 'error');
      assertUntold(answer, name);
      // Under the name of a consumer that is hers.
      const own = `mallory.${stage.fresh('own')}`;
      const made = await inTime(() =>
        stage.ask('mallory', {
          method: 'PUT',
          path: `/v1/consumers/${own}`,
          body: { filter: 'mallory.*' },
        }),
      );
      assert.ok(made.status < 300, made.text);
      for (const verb of ['ack', 'nak', 'term', 'working']) {
        const refused = await stage.ask('mallory', {
          method: 'POST',
          path: `/v1/consumers/${own}/${verb}`,
          body: { lease },
        });
        assertRefused(refused, 'LEASE_LOST', verb);
        assertUntold(refused.text, name);
      }
      const { body } = await stage.ask('mallory', { path: '/v1/events?topic=mallory.done' });
      assert.deepEqual(body, []);
      // It is alice's still.
      const acked = await stage.ask('alice', {
        method: 'POST',
        path: `${path}/ack`,
        body: { lease },
      });
      assert.equal(acked.status, 200, acked.text);
    },
  },
  {
    name: 'forged texts of leases',
    wants: 'a settlement that nobody leased, or a server that stumbles',
    async play(stage) {
      const name = `mallory.${stage.fresh('forge')}`;
      const topic = `mallory.${stage.fresh('f')}`;
      const socket = await stage.socket('mallory');
      const made = await inTime(() =>
        socket.one('consumer', {
          name,
          options: { filter: topic, from: 'earliest', maxAttempts: 2 },
        }),
      );
      assert.equal(made.type, 'result', JSON.stringify(made));
      await stage.publish('mallory', [{ topic }, { topic }]);
      const { deliveries } = await socket.one('pull', { consumer: name, waitMs: 10_000 });
      const [id, shard, sequence, number] = deliveries[0].lease.split('.');
      const big = [2 ** 31, 2 ** 32, 2 ** 53 - 1, '9999999999999999'].map(String);
      const texts = [
        ...big.flatMap((n) => [
          `${id}.${shard}.${n}.${number}`,
          `${id}.${shard}.${sequence}.${n}`,
          `${id}.${n}.${sequence}.${number}`,
        ]),
        `${id}.${Number(shard) + 1}.${sequence}.${number}`,
        `${id}.99999.${sequence}.${number}`,
        `${id}.${shard}.${Number(sequence) + 1}.${number}`,
        `${id}.${shard}.${sequence}.${Number(number) + 1}`,
        `__proto__.0.1.1`,
        `constructor.0.1.1`,
        `${id}.-1.1.1`,
        `${id}.0.0.0`,
        `${id}.0.1e3.1`,
        `${id.toLowerCase()}.${shard}.${sequence}.${number}`,
        `${id}\u0000.0.1.1`,
        ` ${deliveries[0].lease}`,
        `${deliveries[0].lease} `,
        `${deliveries[0].lease}\n`,
        '....',
        '',
      ];
      for (const lease of texts) {
        const answer = await socket.one('settle', { settlements: [{ lease, kind: 'ack' }] });
        const outcome = answer.type === 'settled' ? answer.results[0] : answer;
        assert.ok(
          ['LEASE_LOST', 'MESSAGE_INVALID'].includes(outcome.code),
          `${JSON.stringify(lease)}: ${JSON.stringify(outcome)}`,
        );
      }
      const { results } = await socket.one('settle', {
        settlements: [{ lease: deliveries[0].lease, kind: 'ack' }],
      });
      assert.deepEqual(results, [{}]);
    },
  },
];
