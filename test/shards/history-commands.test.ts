/** The calls by which others count, remove and read a shard's events, in a shard without a thread. */
import { describe, expect, test, vi } from 'vitest';
import { ArchiveWords } from '../../src/link/archive-words.js';
import type { TallyRequest } from '../../src/link/calls.js';
import { ShardCounter } from '../../src/link/shard-control.js';
import { parseFilter } from '../../src/protocol/filter.js';
import { record } from '../store/records.js';
import { makeShard, memoryLog, TestLink } from './support.js';

function asking(topics: readonly string[] = [], rest: Parameters<typeof makeShard>[2] = {}) {
  const log = memoryLog(topics);
  const made = makeShard(log, true, rest);
  const link = new TestLink();
  made.join(link);
  const ask: typeof link.call = (name, request) => link.call(name, request, { id: 3 });
  const answer = (): unknown => {
    made.turn();
    return link.replies().find(({ id }) => id === 3)?.body;
  };
  return { ...made, log, link, ask, answer };
}

const tally = (version: number, after: number | null): TallyRequest => {
  return { version, filters: [parseFilter('a')], after };
};

describe('a tally', () => {
  test('is answered with the thread that counts, and up to where it has', () => {
    const { link, turn, ask, answer } = asking(['a', 'b']);
    ask('tally', tally(1, null));
    expect(answer()).toEqual({ thread: 1, position: 2, tallies: [{ events: 0 }] });
    for (const topic of ['a', 'b', 'a']) link.publish({ topic });
    turn();
    ask('tally', tally(1, 2));
    expect(answer()).toEqual({
      ...{ thread: 1, position: 5 },
      tallies: [{ events: 2, lastTopic: 'a', lastSequence: 5 }],
    });
  });

  test('goes on behind what another thread has counted', () => {
    const { ask, answer } = asking(['a', 'a', 'b', 'a']);
    ask('tally', tally(7, 1));
    expect(answer()).toMatchObject({ position: 4, tallies: [{ events: 2, lastSequence: 4 }] });
  });
});

const all = { pattern: '*', excessEvents: 0, excessBytes: 0, after: 0 };

describe('a removal that somebody asks for', () => {
  test('removes events, and is told how many', () => {
    const { log, shard, ask, answer } = asking(['a', 'b', 'a']);
    const pruned = vi.spyOn(shard, 'pruned');
    ask('pruneStep', { ...all, pattern: 'b', beforeMs: 2 });
    expect(answer()).toMatchObject({ events: 1 });
    expect([log.prunedEvents, pruned.mock.calls.length]).toEqual([1, 1]);
    ask('pruneStep', { ...all, pattern: 'c', beforeMs: 2 });
    expect(answer()).toMatchObject({ events: 0 });
    expect(pruned).toHaveBeenCalledTimes(1);
    ask('totals', { pattern: 'a' });
    expect(answer()).toMatchObject({ events: 2 });
  });

  test('takes nothing that the archive has not, and says what it waits for', () => {
    const words = ArchiveWords.create();
    const { log, control, ask, answer } = asking(['a', 'a', 'a'], { archive: words.buffer });
    words.through = 1;
    ask('pruneStep', { ...all, beforeMs: 2 });
    expect(answer()).toMatchObject({ events: 1 });
    expect([log.prunedEvents, words.wanted]).toEqual([1, 2]);
    expect(control.counters[ShardCounter.archiveLeftThrough]).toBe(1);
    words.through = 3;
    ask('pruneStep', { ...all, beforeMs: 2 });
    answer();
    expect([log.prunedEvents, words.wanted]).toEqual([3, 0]);
  });

  test.each([
    ['pruneStep', all],
    ['totals', { pattern: '*' }],
  ] as const)('is refused where the log removes none (%s)', (name, request) => {
    const { log, link, ask, turn } = asking();
    Object.defineProperty(log, 'pruning', { value: undefined });
    ask(name, request);
    turn();
    expect(link.replies()).toMatchObject([{ isAnswer: false, body: { code: 'OPTION_INVALID' } }]);
  });
});

describe('history', () => {
  test('has a position for a time', () => {
    const { log, ask, answer } = asking(['a', 'b']);
    log.append(record(), 0, 5);
    log.commit(true, []);
    const positions = [1, 2, 5, 6].map((timeMs) => {
      ask('positionAt', { shard: 0, timeMs });
      return answer();
    });
    expect(positions).toEqual([0, 2, 2, 3]);
  });

  test('comes in pages', () => {
    const { log, ask, turn } = asking(['a', 'b', 'a']);
    const page = vi.spyOn(log.pages, 'page');
    const request = { after: 1, limit: 1 };
    ask('page', { shard: 0, request });
    turn();
    expect(page.mock.calls).toEqual([[expect.objectContaining(request)]]);
    expect(page.mock.results).toMatchObject([{ type: 'return' }]);
  });

  test.each([
    ['page', { shard: 0, request: { after: 0, limit: 1 } }],
    ['positionAt', { shard: 0, timeMs: 1 }],
  ] as const)('is refused where the log has none (%s)', (name, request) => {
    const { log, link, ask, turn } = asking();
    Object.defineProperty(log, 'pages', { value: undefined });
    ask(name, request);
    turn();
    expect(link.replies()).toMatchObject([{ isAnswer: false, body: { code: 'OPTION_INVALID' } }]);
  });
});
