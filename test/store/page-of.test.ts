import { describe, expect, it } from 'vitest';
import { EventRecordView } from '../../src/record/event-record.js';
import { decodePage, PAGE_PREFIX_BYTES, type PageRequest } from '../../src/store/page.js';
import { type FoundRecord, pageOf } from '../../src/store/page-of.js';
import { record } from './records.js';

const HEAD = 9;
const TOPICS = ['a.x', 'b.x', 'a.y', 'b.y'];

/** Events of these sequences, recorded at ten times their sequence. */
function records(...sequences: number[]): FoundRecord[] {
  return sequences.map((sequence) => {
    const id = `id-${sequence}`;
    const bytes = record({ id, topic: TOPICS[sequence % 4]!, type: `type_${sequence % 2}` });
    return { sequence, recordedAt: 10 * sequence, bytes };
  });
}

function read(found: FoundRecord[], request: Partial<PageRequest>, isAll?: boolean) {
  const page = pageOf(found, { after: 0, limit: 100, ...request }, HEAD, isAll);
  const seen: number[] = [];
  const view = new EventRecordView();
  decodePage(page, ({ sequence, recordedAt, bytes, offset, length }) => {
    expect(recordedAt).toBe(10 * sequence);
    expect(view.wrap(bytes, offset).id).toBe(`id-${sequence}`);
    expect(view.topic).toBe(TOPICS[sequence % 4]);
    expect(length).toBe(view.length);
    seen.push(sequence);
  });
  expect(page.count).toBe(seen.length);
  expect([page.head, page.prunedThrough]).toEqual([HEAD, 0]);
  return { seen, next: page.next, done: page.done };
}

describe('a page of a store without an index', () => {
  it('has all events of its range, and goes on behind the last of them', () => {
    expect(read(records(3, 5, 8), { after: 2 })).toEqual({ seen: [3, 5, 8], next: 8, done: true });
    expect(read([], { after: 4 })).toEqual({ seen: [], next: 4, done: true });
    expect(read([], { after: -1 })).toEqual({ seen: [], next: 0, done: true });
  });

  it('goes on before the oldest if it is read newest first', () => {
    const reverse = true;
    expect(read(records(8, 5), { reverse })).toEqual({ seen: [8, 5], next: 4, done: true });
    expect(read([], { reverse })).toEqual({ seen: [], next: HEAD, done: true });
    expect(read([], { reverse, until: 7 })).toEqual({ seen: [], next: 7, done: true });
    expect(read([], { reverse, until: 70 })).toEqual({ seen: [], next: HEAD, done: true });
  });

  it('is not done where it has as many events as it may, or the store has more', () => {
    expect(read(records(1, 2, 3), { limit: 2 })).toEqual({ seen: [1, 2], next: 2, done: false });
    expect(read(records(1, 2), { limit: 2 })).toEqual({ seen: [1, 2], next: 2, done: true });
    expect(read(records(1, 2), {}, false)).toEqual({ seen: [1, 2], next: 2, done: false });
  });

  it('ends with the event that reaches its size', () => {
    const [first] = records(1);
    const { length } = first!.bytes;
    const sizes = [1, length, length + 1].map((limitBytes) =>
      read(records(1, 2, 3), { limitBytes }),
    );
    expect(sizes.map(({ seen }) => seen)).toEqual([[1], [1], [1, 2]]);
    expect(sizes.map(({ done }) => done)).toEqual([false, false, false]);
  });

  it.each<[what: string, request: Partial<PageRequest>, seen: number[]]>([
    ['an id', { id: 'id-3' }, [3]],
    ['sequences', { sequences: [2, 3, 77] }, [2, 3]],
    ['no sequences', { sequences: [] }, []],
    ['a time from which on', { sinceMs: 30 }, [3, 4]],
    ['a time before which', { untilMs: 30 }, [1, 2]],
    ['a pattern', { filter: { topics: ['a.*'] } }, [2, 4]],
    ['one of several patterns', { filter: { topics: ['c', 'b.*'] } }, [1, 3]],
    ['a type', { filter: { topics: ['*'], types: ['type_1'] } }, [1, 3]],
    [
      'a pattern and a type that do not meet',
      { filter: { topics: ['a.*'], types: ['type_1'] } },
      [],
    ],
  ])('takes only what the request wants by %s, and has looked at all', (_, request, seen) => {
    expect(read(records(1, 2, 3, 4), request)).toEqual({ seen, next: 4, done: true });
  });

  it('counts the events that it takes, not those that it looks at', () => {
    const request = { filter: { topics: ['a.*'] }, limit: 1 };
    expect(read(records(1, 2, 3, 4), request)).toEqual({ seen: [2], next: 2, done: false });
  });

  it('has each event behind its sequence and its time, also of bytes within others', () => {
    const [whole] = records(5);
    const wide = Buffer.concat([Buffer.alloc(8), whole!.bytes, Buffer.alloc(8)]);
    const bytes = wide.subarray(8, 8 + whole!.bytes.length);
    expect(read([{ ...whole!, bytes }], { id: 'id-5' }).seen).toEqual([5]);
    const page = pageOf(records(5, 6), { after: 0, limit: 9 }, HEAD);
    const lengths = records(5, 6).map((one) => PAGE_PREFIX_BYTES + one.bytes.length);
    expect(page.records.byteLength).toBe(lengths[0]! + lengths[1]!);
  });
});
