import { describe, expect, test } from 'vitest';
import { gather } from '../bus/support/collector.js';
import { openTestBus } from '../bus/support/open.js';
import { expectCursorsOfEach, idsOf, readInPages } from '../bus/support/pages.js';
import { connectTo } from './support/millrace-client.js';

async function serve(shards: number) {
  const bus = await openTestBus({ shards });
  const gateway = await bus.serve({ port: 0 });
  return { bus, url: gateway.url };
}

describe('an event that a query of a client gave', () => {
  test('has a cursor, after which the next page follows, over several shards', async () => {
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

  test('has none where the newest come first, and none that a copy or JSON shows', async () => {
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
