import assert from 'node:assert/strict';
import { until } from '../../stage/stage.js';

/** Topics that nobody needs, and subscribers of topics that there are not. */

const MIB = 1024 * 1024;
const many = (length, make) => Array.from({ length }, (_, n) => make(n));

/** Subscribes to thousands of patterns that match nothing, over several connections, and leaves. */
async function subscribe(stage, connections) {
  const sockets = await Promise.all(many(connections, () => stage.socket('mallory')));
  await Promise.all(
    sockets.map(async (socket, at) => {
      const answers = many(64, (n) =>
        socket.one('subscribe', {
          subscription: `s${n}`,
          filter: many(64, (one) => `mallory.ghost${at}.n${n}.+.p${one}`),
        }),
      );
      for (const { type, code } of await Promise.all(answers))
        assert.equal(type, 'subscribed', code);
    }),
  );
  return sockets;
}

async function subscriptions(stage) {
  const { body } = await stage.ask('operator', { path: '/v1/stats' });
  return body.subscriptions ?? body.shards.reduce((sum, shard) => sum + shard.subscriptions, 0);
}

export const attacks = [
  {
    name: 'subscribers of thousands of topics that there are not',
    wants: 'time of each publish, and memory that stays',
    async play(stage) {
      const idle = await subscriptions(stage);
      const sockets = await subscribe(stage, stage.isLong ? 16 : 4);
      const topic = `alice.${stage.fresh('amid')}`;
      const began = performance.now();
      for (let n = 0; n < 20; n++) await stage.publish('alice', { topic, payload: n });
      const ms = Math.round((performance.now() - began) / 20);
      await Promise.all(sockets.map((socket) => socket.close()));
      await until('they are gone', async () => (await subscriptions(stage)) <= idle, 30_000);
      return { patterns: sockets.length * 4096, msForPublish: ms };
    },
  },
  {
    name: 'thousands of topics, made and left',
    wants: 'memory for each of them',
    async play(stage) {
      const before = stage.server.residentBytes();
      const rounds = stage.isLong ? 50 : 5;
      for (let round = 0; round < rounds; round++) {
        const name = stage.fresh('topic');
        const events = many(1000, (n) => ({ topic: `mallory.${name}.t${n}` }));
        await stage.publish('mallory', events);
      }
      const mib = (stage.server.residentBytes() - before) / MIB;
      assert.ok(mib < 200 + rounds * 2, `${mib} MiB`);
      // The list that alice gets has none of them.
      const { body } = await stage.ask('alice', { path: '/v1/topics' });
      assert.ok(body.every((topic) => !(topic.topic ?? topic.name).startsWith('mallory.')));
      return { topics: rounds * 1000, mib: Math.round(mib) };
    },
  },
];
