import { describe, expect, it } from 'vitest';
import { ITSELF } from '../../src/endpoint/asker.js';
import type { BusEndpoint } from '../../src/endpoint/bus-endpoint.js';
import { INTERNALS } from '../../src/endpoint/internals.js';
import { assertMayRead } from '../../src/gateway/permissions.js';
import { topicPages } from '../../src/gateway/topic-list.js';
import type { TopicInfo } from '../../src/protocol/bus-api.js';
import { PATTERNS_PER_FILTER_MAX } from '../../src/protocol/limits/events.js';
import { TOPICS_SORTED_MAX } from '../../src/protocol/limits/gateway.js';
import { parseClientFrame } from '../../src/protocol/wire.js';
import { principal } from './http/support/open-http.js';

/** Lists and filters of principals that may read little: their cost is bounded before any work begins. */

const info = (name: string): TopicInfo => ({
  name,
  shard: 0,
  events: 1,
  firstSequence: 1,
  lastSequence: 1,
  firstAt: '',
  lastAt: '',
});

/** A bus with many topics; `asked` lists the patterns that it was asked for. */
function manyTopics(pages: number, perPage: number) {
  const asked: (readonly string[])[] = [];
  let given = 0;
  async function* pagesOf(patterns: readonly string[]): AsyncGenerator<readonly TopicInfo[]> {
    asked.push(patterns);
    for (let page = pages; page > 0; page--) {
      given++;
      yield Array.from({ length: perPage }, (_, n) => info(`t.${page * perPage - n}`));
    }
  }
  const endpoint = { [INTERNALS]: { topicPages: pagesOf } } as Partial<BusEndpoint> as BusEndpoint;
  return { endpoint, asked, pagesGiven: () => given };
}

describe('a list of topics', () => {
  it('asks no shard for a principal that may read nothing', async () => {
    const { endpoint, asked } = manyTopics(3, 3);
    const nobody = principal({ readable: [] });
    for await (const page of topicPages(endpoint, nobody, undefined, ITSELF))
      expect(page).toEqual([]);
    expect(asked).toEqual([]);
  });

  it('asks only for topics that the principal may read', async () => {
    const { endpoint, asked } = manyTopics(1, 1);
    const reader = principal({ readable: ['a.*', 'b.c'] });
    for await (const _ of topicPages(endpoint, reader, undefined, ITSELF));
    for await (const _ of topicPages(endpoint, reader, 'a.x.*', ITSELF));
    expect(asked).toEqual([['a.*', 'b.c'], ['a.x.*']]);
  });

  it('is sorted while it is short, and never held as a whole when it is long', async () => {
    const short = manyTopics(3, 4);
    const names: string[] = [];
    for await (const page of topicPages(short.endpoint, principal(), undefined, ITSELF))
      names.push(...page.map(({ name }) => name));
    expect(names).toEqual([...names].sort());
    const perPage = 1000;
    const long = manyTopics(200, perPage);
    let taken = 0;
    for await (const page of topicPages(long.endpoint, principal(), undefined, ITSELF)) {
      taken += page.length;
      if (taken > TOPICS_SORTED_MAX + perPage) break;
    }
    expect(long.pagesGiven()).toBeLessThanOrEqual(TOPICS_SORTED_MAX / perPage + 2);
  });
});

it('a filter of too many patterns is refused before any of them is compared with grants', () => {
  let compared = 0;
  const reader = principal({
    beyondSubscribe: () => {
      compared++;
      return undefined;
    },
  });
  const topics = Array.from({ length: PATTERNS_PER_FILTER_MAX + 1 }, () => 'a');
  for (const filter of [topics, { topics }]) {
    expect(() => assertMayRead(reader, filter)).toThrow('patterns are more than');
    const frame = { type: 'subscribe', payload: { subscription: 's', filter } };
    expect(parseClientFrame(JSON.stringify(frame))).toMatchObject({
      error: { code: 'MESSAGE_INVALID', message: expect.stringContaining('1024') },
    });
  }
  expect(compared).toBe(0);
});
