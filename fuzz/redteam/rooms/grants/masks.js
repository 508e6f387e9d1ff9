import assert from 'node:assert/strict';
import { assertRefused, assertUntold, until } from '../../stage/stage.js';

/** Reading what is masked: maud may read payments, but not their card numbers. */

const CARD = '4929000000006666';

async function pay(stage) {
  const topic = `pay.${stage.fresh('p')}`;
  const id = stage.fresh('pay');
  await stage.publish('alice', {
    topic,
    id,
    payload: { amount: 1, card: CARD },
    correlationId: 'c',
  });
  return { topic, id };
}

export const attacks = [
  {
    name: 'a masked value, by every way of reading',
    wants: 'the number of a card that is masked',
    async play(stage) {
      const { topic, id } = await pay(stage);
      for (const path of [
        `/v1/events?topic=${topic}`,
        `/v1/events?topic=${topic}&reverse`,
        `/v1/latest?topic=${topic}`,
        `/v1/events/${id}`,
        `/v1/events/${id}?topic=${topic}`,
      ]) {
        for (const accept of [
          'application/json',
          'application/x-ndjson',
          'application/cloudevents+json',
          'application/cloudevents-batch+json',
        ]) {
          const { text, status } = await stage.ask('maud', {
            path: accept.endsWith('events+json')
              ? `${path}${path.includes('?') ? '&' : '?'}limit=1`
              : path,
            headers: { accept },
          });
          assertUntold(text, CARD, `${path} as ${accept}`);
          if (status === 200) assert.match(text, /\[redacted\]/);
        }
      }
      const socket = await stage.socket('maud');
      await socket.ask('query', { topic });
      await socket.ask('get', { topic, id });
      for (const from of [
        'earliest',
        'latest',
        { last: 1 },
        { since: '2020-01-01T00:00:00.000Z' },
      ]) {
        const name = JSON.stringify(from);
        await socket.one('subscribe', { subscription: name, filter: topic, from });
        await socket.next(
          ({ type, payload }) => type === 'events' && payload.subscription === name,
        );
      }
      assertUntold(socket.frames, CARD);
      for (const format of ['json', 'cloudevents']) {
        const { text } = await stage.ask('maud', {
          path: `/v1/events/stream?from=earliest&topic=${topic}&format=${format}`,
          headers: { accept: 'text/event-stream' },
          most: 300,
        });
        assertUntold(text, CARD);
      }
    },
  },
  {
    name: "the dead letters of one's own consumer",
    wants:
      'a masked value, in the letter of an event that was given up, on a topic without the mask',
    async play(stage) {
      const { topic } = await pay(stage);
      const socket = await stage.socket('maud');
      const name = 'maud.launder';
      const letters = 'maud.letters';
      const options = { filter: 'pay.*', from: 'earliest', deadLetter: letters };
      const made = await socket.one('consumer', { name, options });
      if (made.type !== 'error') {
        const { deliveries } = await socket.one('pull', { consumer: name, max: 100 });
        assertUntold(deliveries, CARD);
        await socket.one('settle', {
          settlements: deliveries.map(({ lease }) => ({ lease, kind: 'term' })),
        });
        await until('the letters have come', async () => {
          const { body } = await stage.ask('operator', { path: `/v1/events?topic=${letters}` });
          return body.length >= deliveries.length;
        });
        const { text } = await stage.ask('maud', { path: `/v1/events?topic=${letters}` });
        assertUntold(text, CARD, 'a dead letter');
      }
      // By a change of a consumer that has none, too.
      const { deadLetter: _, ...without } = options;
      const plain = 'maud.plain';
      assert.equal(
        (await socket.one('consumer', { name: plain, options: without })).type,
        'result',
      );
      assertRefused(
        await socket.one('consumer', { name: plain, options: { ...options, update: true } }),
        'FORBIDDEN',
      );
      void topic;
    },
  },
  {
    name: "the lists of one's own consumer",
    wants: 'a masked value, in the open events, the dead events, the held keys or a delivery',
    async play(stage) {
      const { topic } = await pay(stage);
      const socket = await stage.socket('maud');
      const name = `maud.${stage.fresh('lists')}`;
      await socket.one('consumer', {
        name,
        options: { filter: topic, from: 'earliest', order: 'topic' },
      });
      const pulled = await socket.one('pull', { consumer: name });
      await socket.one('consumerOpen', { name });
      await socket.one('consumerHeldKeys', { name });
      const told = [
        pulled,
        ...(await Promise.all(
          ['consumerOpen', 'consumerHeldKeys'].map((type) => socket.one(type, { name })),
        )),
      ];
      await socket.one('settle', {
        settlements: pulled.deliveries.map(({ lease }) => ({ lease, kind: 'term', reason: 'x' })),
      });
      told.push(await socket.one('consumerDead', { name }), await socket.one('consumers'));
      for (const path of ['open', 'dead', 'held-keys']) {
        told.push((await stage.ask('maud', { path: `/v1/consumers/${name}/${path}` })).text);
      }
      await socket.one('redrive', { name });
      told.push(
        (await stage.ask('maud', { method: 'POST', path: `/v1/consumers/${name}/pull`, body: {} }))
          .text,
      );
      await socket.one('join', { consumer: name, member: 'm', concurrency: 1 });
      assertUntold([told, socket.frames], CARD);
    },
  },
];
