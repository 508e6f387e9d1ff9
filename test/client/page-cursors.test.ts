import { describe, expect, test } from 'vitest';
import { READ_PAGE_EVENTS } from '../../src/protocol/limits/endpoint.js';
import { gather } from '../bus/support/collector.js';
import { openTestBus } from '../bus/support/open.js';
import { expectCursorsOfEach, idsOf, readInPages } from '../bus/support/pages.js';
import { publish, rolledBack } from '../bus/support/rolled-back.js';
import { connectTo } from './support/millrace-client.js';

async function serve(shards: number) {
  const bus = await openTestBus({ shards });
  const gateway = await bus.serve({ port: 0 });
  return { bus, url: gateway.url };
}

describe("an event from a client's query", () => {
  test('has a cursor after which the next page begins, over several shards', async () => {
    const { bus, url } = await serve(3);
    const { client } = connectTo(url);
    for (let n = 0; n < 40; n++) {
      await bus.publish({ topic: `page.${n % 9}`, type: 'step', payload: n });
    }
    const all = await gather(bus.read({ topic: 'page.*' }));
    expect(new Set(all.map(({ shard }) => shard)).size).toBe(3);
    for (const limit of [1, 7, 40]) {
      expect(idsOf(await readInPages(client, 'page.*', limit))).toEqual(idsOf(all));
    }
    await expectCursorsOfEach(client, 'page.*');
  });

  test('has no cursor with the newest first, and none in copies and JSON', async () => {
    const { bus, url } = await serve(3);
    const { client } = connectTo(url);
    for (let n = 0; n < 40; n++) {
      await bus.publish({ topic: `page.${n % 9}`, type: 'step', payload: n });
    }
    const [newest] = await client.query({ topic: 'page.*', reverse: true });
    expect(newest!.cursor).toBeUndefined();
    const [first] = await client.query({ topic: 'page.*' });
    expect(first!.cursor).toEqual(expect.any(String));
    expect({ ...first }).not.toHaveProperty('cursor');
    expect(JSON.parse(JSON.stringify(first))).not.toHaveProperty('cursor');
  });
});

describe('after a cursor of an earlier history', () => {
  test('a client reads every page once, and its events have cursors', async () => {
    const { bus, further } = await rolledBack();
    await publish(bus, 'new', READ_PAGE_EVENTS * 2);
    const gateway = await bus.serve({ port: 0 });
    const { client } = connectTo(gateway.url);
    const expected = Array.from({ length: READ_PAGE_EVENTS * 2 }, (_, n) => `new ${n}`);
    const read: unknown[] = [];
    for await (const { payload } of client.read({ topic: 'log', after: further })) {
      read.push(payload);
      if (read.length > expected.length) break;
    }
    expect(read).toEqual(expected);
    const page = await client.query({ topic: 'log', after: further, limit: 7 });
    const next = await client.query({ topic: 'log', after: page[2]!.cursor!, limit: 2 });
    expect(idsOf(next)).toEqual(idsOf(page.slice(3, 5)));
  });

  test('the answer to an HTTP query has the cursor to go on from', async () => {
    const { bus, further } = await rolledBack();
    await publish(bus, 'new', 5);
    const gateway = await bus.serve({ port: 0 });
    const ask = (after: string, limit: number): Promise<Response> =>
      fetch(`${gateway.url}/v1/events?topic=log&after=${after}&limit=${limit}`);
    const first = await ask(further, 2);
    const rest = await ask(first.headers.get('millrace-cursor')!, 10);
    const payloads = ((await rest.json()) as { payload: string }[]).map(({ payload }) => payload);
    expect(payloads).toEqual(['new 2', 'new 3', 'new 4']);
  });
});
