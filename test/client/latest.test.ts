import { describe, expect, test } from 'vitest';
import { gather } from '../bus/support/collector.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from './support/millrace-client.js';

/** The newest event of each topic, over the doors of a server. */
async function served(topics: number) {
  const bus = await openTestBus({ shards: 2 });
  const { url } = await bus.serve({ port: 0 });
  const inputs = Array.from({ length: 3 * topics }, (_, n) => ({
    topic: `t.${n % topics}`,
    type: 'note',
    payload: n,
  }));
  await bus.publishMany(inputs);
  return { bus, url };
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
});
