import { describe, expect, test } from 'vitest';
import { gather } from '../bus/support/collector.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { SseClient } from '../gateway/http/support/sse-client.js';
import { connectTo } from './support/millrace-client.js';

/** The newest event of each topic, over the doors of a server. */
async function served(topics: number) {
  const bus = await openTestBus({ shards: 2 });
  const gateway = await bus.serve({ port: 0 });
  const { url } = gateway;
  const inputs = Array.from({ length: 3 * topics }, (_, n) => ({
    topic: `t.${n % topics}`,
    type: 'note',
    payload: n,
  }));
  await bus.publishMany(inputs);
  return { bus, url, close: () => gateway.close() };
}

describe('the newest event of each topic', () => {
  test('over a connection comes in pages', async () => {
    const { bus, url } = await served(1300);
    const { client } = connectTo(url);
    const found = await gather(client.latest('t.*'));
    expect(found).toEqual(await gather(bus.latest('t.*')));
    expect(found).toHaveLength(1300);
    expect(await gather(client.latest('t.7'))).toMatchObject([{ topic: 't.7', payload: 2607 }]);
    const [last] = found.slice(-1);
    expect(await gather(client.latest('*', { after: last!.cursor! }))).toEqual([]);
    expect(await gather(client.latest('*', { reverse: true, limit: 3 }))).toHaveLength(3);
  });

  test('over HTTP has a limit, and a cursor that goes on', async () => {
    const { url } = await served(5);
    const http = url.replace('ws', 'http').replace('/events', '');
    const first = await fetch(`${http}/v1/latest?topic=t.*&limit=3`);
    expect(first.status).toBe(200);
    const events = (await first.json()) as { payload: number }[];
    const cursor = first.headers.get('millrace-cursor')!;
    const rest = await fetch(`${http}/v1/latest?topic=t.*&after=${cursor}`);
    const more = (await rest.json()) as { payload: number }[];
    const payloads = [...events, ...more].map(({ payload }) => payload);
    expect(payloads.sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14]);
    const lines = await fetch(`${http}/v1/latest?topic=t.*`, {
      headers: { accept: 'application/x-ndjson' },
    });
    expect((await lines.text()).trim().split('\n')).toHaveLength(5);
    expect((await fetch(`${http}/v1/latest`)).status).toBe(400);
    expect((await fetch(`${http}/v1/latest?topic=t.*&latest=1`)).status).toBe(400);
  });

  test('begins a subscription over a connection, which then goes on live and through a new server', async () => {
    const { bus, url, close } = await served(40);
    const { port } = new URL(url);
    const { client } = connectTo(url);
    const seen: unknown[] = [];
    const subscription = client.subscribe('t.*', ({ payload }) => void seen.push(payload), {
      from: 'latest',
    });
    await until('the newest events have come', () => seen.length === 40);
    expect([...seen].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 40 }, (_, n) => 80 + n),
    );
    await bus.publish({ topic: 't.3', type: 'note', payload: 1000 });
    await until('the live one has come', () => seen.length === 41);
    await close();
    await bus.publish({ topic: 't.4', type: 'note', payload: 1001 });
    const again = await bus.serve({ port: Number(port) });
    await until('what was missed has come', () => seen.length === 42);
    expect(seen.slice(40)).toEqual([1000, 1001]);
    await subscription.unsubscribe();
    await again.close();
  });

  test('begins a stream over HTTP', async () => {
    const { url } = await served(5);
    const http = url.replace('ws', 'http').replace('/events', '');
    const stream = await SseClient.open(`${http}/v1/events/stream?topic=t.*&from=latest`);
    const payloads: number[] = [];
    while (payloads.length < 5) {
      const { data, event } = await stream.next();
      if (data !== undefined && event !== 'caughtUp') payloads.push(JSON.parse(data).payload);
    }
    stream.close();
    expect(payloads.sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14]);
  });
});
