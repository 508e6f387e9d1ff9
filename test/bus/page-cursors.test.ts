import { describe, expect, test } from 'vitest';
import { gather } from './support/collector.js';
import { openTestBus } from './support/open.js';
import { expectCursorsOfEach, idsOf, readInPages } from './support/pages.js';

describe('an event from a query', () => {
  test('has a cursor after which the next page begins, over several shards', async () => {
    const bus = await openTestBus({ shards: 3 });
    for (let n = 0; n < 40; n++) {
      await bus.publish({ topic: `page.${n % 9}`, type: 'step', payload: n });
    }
    const all = await gather(bus.read({ topic: 'page.*' }));
    expect(new Set(all.map(({ shard }) => shard)).size).toBe(3);
    for (const limit of [1, 7, 40]) {
      expect(idsOf(await readInPages(bus, 'page.*', limit))).toEqual(idsOf(all));
    }
    await expectCursorsOfEach(bus, 'page.*');
  });

  test('has no cursor with the newest first, and none in copies and JSON', async () => {
    const bus = await openTestBus({ shards: 3 });
    for (let n = 0; n < 40; n++) {
      await bus.publish({ topic: `page.${n % 9}`, type: 'step', payload: n });
    }
    const [newest] = await bus.query({ topic: 'page.*', reverse: true });
    expect(newest!.cursor).toBeUndefined();
    const [first] = await bus.query({ topic: 'page.*' });
    expect(first!.cursor).toEqual(expect.any(String));
    expect({ ...first }).not.toHaveProperty('cursor');
    expect(JSON.parse(JSON.stringify(first))).not.toHaveProperty('cursor');
  });
});
