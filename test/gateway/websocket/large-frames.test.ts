import { expect, test } from 'vitest';
import { openTestBus } from '../../bus/support/open.js';
import { within } from '../../bus/support/wait.js';
import { SocketClient } from '../support/socket-client.js';

test('a client with a long event and one with a long filter do not stall the gateway between them', async () => {
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const { port } = await bus.serve({ port: 0 });
  const [publisher, subscriber] = await Promise.all([
    SocketClient.open(port),
    SocketClient.open(port),
  ]);
  const topics = Array.from({ length: 1000 }, (_, n) => `some.quite.long.topic.of.a.filter.n${n}`);
  const event = { topic: 'large', type: 't', payload: 'x'.repeat(700_000) };
  for (let round = 0; round < 8; round++) {
    // Keeps the shard busy for a moment, so that both requests reach it in one turn of its loop.
    const busy = bus.publishMany(
      Array.from({ length: 2000 }, (_, n) => ({ topic: `busy.${n}`, type: 't', payload: n })),
    );
    const subscription = `s${round}`;
    const subscribed = subscriber.answerTo('subscribe', { subscription, filter: topics }, round);
    const published = publisher.answerTo('publish', { event }, round);
    expect((await within('the ack', published)).type).toBe('published');
    expect((await within('the subscription', subscribed)).type).toBe('subscribed');
    await busy;
  }
});
