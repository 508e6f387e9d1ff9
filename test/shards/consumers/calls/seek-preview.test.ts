/** What a seek would change, counted page by page, against a plain count of the whole log. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { SETTLE_ACK } from '../../../../src/link/consumer-records.js';
import type { ConsumerSeekPreviewAnswer } from '../../../../src/link/consumer-shapes.js';
import { SEEK_PREVIEW_EVENTS_PER_ANSWER } from '../../../../src/protocol/limits/consumers.js';
import { seekPreview } from '../../../../src/shards/consumers/calls/seek-preview.js';
import { ask, type Rig, working } from '../rig.js';

const TOPICS = ['jobs.urgent', 'jobs.n', 'other'];
const TYPES = ['job', 'note'];

const game = fc.record({
  events: fc.array(
    fc.record({ topic: fc.constantFrom(...TOPICS), type: fc.constantFrom(...TYPES) }),
    { minLength: 1, maxLength: 12 },
  ),
  /** Of every event that is leased, whether it is done. */
  isDone: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  maxAhead: fc.integer({ min: 1, max: 4 }),
  position: fc.integer({ min: 0, max: 13 }),
  limit: fc.integer({ min: 0, max: 5 }),
});

function preview(rig: Rig, position: number, after: number, limit: number) {
  const { desk } = rig.shard;
  return seekPreview(desk!, desk!.consumer('c1'), { consumer: 'c1', position, after, limit });
}

function pagesOf(rig: Rig, position: number, limit: number): ConsumerSeekPreviewAnswer[] {
  const pages: ConsumerSeekPreviewAnswer[] = [];
  for (let after: number | null = 0; after !== null; after = pages.at(-1)!.next) {
    const answer = preview(rig, position, after, limit);
    // It comes nearer to the end with each page.
    if (answer.next !== null) expect(answer.next).toBeGreaterThan(after);
    pages.push(answer);
  }
  return pages;
}

describe('the preview of a seek', () => {
  it('counts each event that would be open again, or passed over, once', () => {
    fc.assert(
      fc.property(game, ({ events, isDone, maxAhead, position, limit }) => {
        const filter = { topics: ['jobs.*'], types: ['job'] };
        const rig = working({ filter, maxAhead, priority: ['jobs.urgent'] });
        for (const { topic, type } of events) rig.link.publish({ topic, type, payload: {} });
        rig.turn();
        rig.one.settle(
          SETTLE_ACK,
          rig.one.leases().filter(({ sequence }) => isDone[sequence - 1]),
        );
        rig.turn();
        const consumer = rig.shard.desk!.consumer('c1');
        let [again, passed] = [0, 0];
        for (const [at, { topic, type }] of events.entries()) {
          if (topic === 'other' || type !== 'job') continue;
          const isToDo = consumer.isToDo(at + 1, topic);
          if (isToDo && at + 1 <= position) passed++;
          if (!isToDo && at + 1 > position) again++;
        }
        const pages = pagesOf(rig, position, limit);
        const sum = (name: 'again' | 'passed') => pages.reduce((all, one) => all + one[name], 0);
        expect({ again: sum('again'), passed: sum('passed') }).toEqual({ again, passed });
        rig.log.close();
      }),
      { numRuns: 25 },
    );
  });

  /** Ten events, of which the first three are done. */
  function withThreeDone(): Rig {
    const rig = working({}, 10);
    for (let n = 1; n <= 10; n++) rig.link.publish({ topic: 'jobs.a', payload: { n } });
    rig.turn();
    rig.one.settle(SETTLE_ACK, rig.one.leases().slice(0, 3));
    rig.turn();
    return rig;
  }

  it('goes on behind each page, and says how much is left', () => {
    const rig = withThreeDone();
    expect(preview(rig, 0, 0, 4)).toEqual({ again: 3, passed: 0, next: 4, unseen: 6 });
    expect(preview(rig, 0, 4, 4)).toEqual({ again: 0, passed: 0, next: 8, unseen: 2 });
    expect(preview(rig, 0, 8, 4)).toEqual({ again: 0, passed: 0, next: null, unseen: 0 });
    expect(preview(rig, 0, 8, 2)).toEqual({ again: 0, passed: 0, next: null, unseen: 0 });
    expect(preview(rig, 0, 0, 0)).toEqual({ again: 1, passed: 0, next: 1, unseen: 9 });
    const [page] = [ask(rig, 'consumerSeekPreview', { ...asked, position: 5, limit: 100 })];
    expect(page).toEqual({ again: 0, passed: 2, next: null, unseen: 0 });
  });

  const asked = { consumer: 'c1', after: 0 };

  it('looks only at what lies between the places, and never at more than an answer may', () => {
    const rig = withThreeDone();
    const read = vi.spyOn(rig.log, 'read');
    const rangeOf = (position: number, after: number, limit: number) => {
      read.mockClear();
      preview(rig, position, after, limit);
      const [{ after: from, until, limit: most }] = read.mock.lastCall!;
      return [from, until, most];
    };
    expect(rangeOf(1, 0, 9)).toEqual([1, 10, 9]);
    expect(rangeOf(7, 0, 9)).toEqual([3, 10, 9]);
    expect(rangeOf(7, 5, 9)).toEqual([5, 10, 9]);
    expect(rangeOf(99, 0, 9)).toEqual([3, 10, 9]);
    expect(rangeOf(0, 0, 10_000)).toEqual([0, 10, SEEK_PREVIEW_EVENTS_PER_ANSWER]);
  });

  it('looks as far as the new position where the consumer has not come to it', () => {
    const rig = working({ maxAhead: 2 }, 0);
    for (let n = 1; n <= 6; n++) rig.link.publish({ topic: 'jobs.a', payload: { n } });
    rig.turn();
    expect(rig.shard.desk!.consumer('c1').position).toBe(2);
    expect(preview(rig, 5, 0, 9)).toEqual({ again: 0, passed: 5, next: null, unseen: 0 });
    expect(preview(rig, 1, 0, 9)).toEqual({ again: 0, passed: 1, next: null, unseen: 0 });
    expect(preview(rig, 5, 0, 3)).toEqual({ again: 0, passed: 3, next: 3, unseen: 2 });
  });

  it('is over where the rest of the log was pruned', () => {
    const rig = withThreeDone();
    rig.log.pruning.prune({ pattern: '*', excessEvents: 10, excessBytes: 0, after: 0 });
    expect(preview(rig, 0, 0, 4)).toEqual({ again: 0, passed: 0, next: null, unseen: 0 });
  });
});
