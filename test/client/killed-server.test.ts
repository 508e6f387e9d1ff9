import { describe, expect, test } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer, type TestServer, temporaryDirectory } from '../cli/support/command.js';
import { connectTo } from './support/millrace-client.js';

/** A client whose server dies as processes do, and comes back on the same port and directory. */

const TOPICS = 5;

async function restart(server: TestServer): Promise<TestServer> {
  await server.stop('SIGKILL');
  return startServer(server.dir, ['--port', String(server.port)]);
}

describe('a client whose server is killed and restarted', () => {
  test('publishes each event once, and gets each once and in order', async () => {
    let server = await startServer(temporaryDirectory(), ['--shards', '2']);
    const publisher = connectTo(server.url).client;
    const subscriber = connectTo(server.url).client;
    const seen: string[] = [];
    const byTopic = new Map<string, number[]>();
    const subscription = subscriber.subscribe<number>('load.*', ({ topic, payload, id }) => {
      seen.push(id);
      const payloads = byTopic.get(topic) ?? [];
      byTopic.set(topic, payloads);
      payloads.push(payload);
    });
    await subscription.ready;
    let published = 0;
    let isDone = false;
    const publishing = (async () => {
      while (!isDone) {
        const acks = Array.from({ length: 20 }, () => {
          const payload = published++;
          const topic = `load.${payload % TOPICS}`;
          return publisher.publish(
            { topic, type: 'agent_log', payload },
            { durability: 'written' },
          );
        });
        for (const ack of await Promise.all(acks)) expect(ack.duplicate).toBe(false);
      }
    })();
    for (let kills = 0; kills < 3; kills++) {
      const before = published;
      await until('events flow', () => published > before + 200);
      server = await restart(server);
    }
    isDone = true;
    await publishing;
    await until('all have arrived', () => seen.length >= published);
    await subscriber.drain();
    expect(new Set(seen).size).toBe(published);
    expect(seen).toHaveLength(published);
    for (const payloads of byTopic.values()) {
      expect(payloads).toEqual([...payloads].sort((a, b) => a - b));
    }
    expect(publisher.reconnects).toBeGreaterThanOrEqual(3);
    expect(subscriber.reconnects).toBeGreaterThanOrEqual(3);
  });

  test('finishes a read that was under way, and repeats unanswered requests', async () => {
    let server = await startServer(temporaryDirectory(), ['--shards', '2']);
    const { client } = connectTo(server.url);
    const inputs = Array.from({ length: 2000 }, (_, payload) => ({
      topic: `a.${payload % 7}`,
      type: 'agent_log',
      payload,
    }));
    await client.publishMany(inputs);
    const ids = new Set<string>();
    let restarted: Promise<void> | undefined;
    for await (const { id } of client.read({ topic: '*' })) {
      ids.add(id);
      if (ids.size !== 600) continue;
      restarted = restart(server).then((next) => {
        server = next;
      });
    }
    await restarted;
    expect(ids.size).toBe(2000);
    await server.stop('SIGKILL');
    const stats = client.stats();
    await startServer(server.dir, ['--port', String(server.port)]);
    expect((await stats).epoch).toBe(client.epoch);
  });

  test('keeps events published while there is no server, bounded, and sends them in order', async () => {
    const server = await startServer();
    const { client } = connectTo(server.url, { maxOutboxEvents: 50 });
    await client.connected();
    await server.stop('SIGKILL');
    await until('it is noticed', () => client.state === 'reconnecting');
    const acks: Promise<unknown>[] = [];
    for (let payload = 0; payload < 50; payload++) {
      acks.push(client.publish({ topic: 'a', type: 'agent_log', payload }));
    }
    await expect(client.publish({ topic: 'a', type: 'agent_log', payload: 50 })).rejects.toThrow(
      /50 events/,
    );
    const late = client.publish({ topic: 'a', type: 'agent_log', payload: -1 }, { timeoutMs: 1 });
    await expect(late).rejects.toMatchObject({ code: 'BACKPRESSURE' });
    await startServer(server.dir, ['--port', String(server.port)]);
    await Promise.all(acks);
    const stored = await client.query({ topic: 'a' });
    expect(stored.map(({ payload }) => payload)).toEqual(Array.from({ length: 50 }, (_, n) => n));
  });

  test('learns that the server stops, and goes on when it is back', async () => {
    const server = await startServer();
    const { client, states } = connectTo(server.url);
    const seen: unknown[] = [];
    await client.subscribe('a', ({ payload }) => void seen.push(payload)).ready;
    expect(await server.stop('SIGTERM')).toBe(0);
    await until('it is noticed', () => client.state === 'reconnecting');
    expect(states.at(-1)?.error).toMatchObject({ code: 'CONNECTION_FAILED' });
    await startServer(server.dir, ['--port', String(server.port)]);
    await client.publish({ topic: 'a', type: 'agent_log', payload: 'back' });
    await until('it is back', () => seen.length === 1);
  });
});
