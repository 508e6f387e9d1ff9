import { describe, expect, test } from 'vitest';
import type { EndpointEnd } from '../../../src/endpoint/links/endpoint-end.js';
import { HistorySource } from '../../../src/endpoint/read/history-source.js';
import { encodeCursor } from '../../../src/protocol/cursor.js';
import type { PageRequest } from '../../../src/store/page.js';

const EPOCH = 'this-one';
const TOLD = 6;
/** The end of the log, beyond the published head, as between a commit and its flush. */
const COMMITTED = 10;

/** A shard whose log holds more than its published head, read over the shard or over readers. */
function source(from: 'shard' | 'readers') {
  const requests: PageRequest[] = [];
  const answer = (name: string, { request }: { request?: PageRequest }): unknown => {
    if (request !== undefined) requests.push(request);
    const page = { records: new ArrayBuffer(0), count: 0, next: 0, done: true };
    return name === 'page' ? page : COMMITTED;
  };
  const call = async (name: string, request: object | (() => object)): Promise<unknown> =>
    answer(name, typeof request === 'function' ? request() : request);
  const shard = { shard: 0, control: { head: TOLD }, call } as Partial<EndpointEnd> as EndpointEnd;
  const asked: string[] = [];
  const main = {
    call: async (_: string, { cursor }: { cursor: string }) => {
      asked.push(cursor);
      return { positions: [1], gaps: [] };
    },
  } as ConstructorParameters<typeof HistorySource>[2];
  const readers = { call } as ConstructorParameters<typeof HistorySource>[1];
  return {
    requests,
    asked,
    history: new HistorySource([shard], from === 'readers' ? readers : undefined, main, EPOCH),
  };
}

describe.each(['shard', 'readers'] as const)('history from the %s', (from) => {
  test('ends at the head that its shard has published, whatever was asked for', async () => {
    const { history, requests } = source(from);
    await history.page(0, { after: 4, limit: 100 });
    await history.page(0, { after: 4, until: 9, limit: 100 });
    await history.page(0, { after: 0, until: 2, limit: 100 });
    expect(requests.map(({ until }) => until)).toEqual([TOLD, TOLD, 2]);
  });

  test('comes from a log that reaches the head, or is refused', async () => {
    const { history, requests } = source(from);
    await history.page(0, { after: 0, until: 2, limit: 100 });
    expect(requests[0]).toMatchObject({ headLeast: TOLD });
  });

  test('gives a time no position beyond the head that its shard has published', async () => {
    expect(await source(from).history.positionAt(0, 1)).toBe(TOLD);
  });
});

describe('a cursor', () => {
  test('of this history up to the published heads is resolved without a call to main', async () => {
    const { history, asked } = source('readers');
    const cursor = encodeCursor({ epoch: EPOCH, positions: [TOLD] });
    expect(await history.resolveCursor(cursor)).toEqual({ positions: [TOLD], gaps: [] });
    expect(asked).toEqual([]);
  });

  test.each([
    ['of another history', { epoch: 'an-earlier-one', positions: [1] }],
    ['beyond what was told', { epoch: EPOCH, positions: [TOLD + 1] }],
    ['of another number of shards', { epoch: EPOCH, positions: [1, 1] }],
  ])('%s is resolved by the store', async (_, position) => {
    const { history, asked } = source('readers');
    const cursor = encodeCursor(position);
    expect(await history.resolveCursor(cursor)).toEqual({ positions: [1], gaps: [] });
    expect(asked).toEqual([cursor]);
  });

  test('that cannot be decoded is refused', async () => {
    const { history } = source('readers');
    await expect(history.resolveCursor('x')).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  });
});
