/** Where the record of an event is found, and the key that it has. */
import { describe, expect, it, vi } from 'vitest';
import { BusError } from '../../../../src/protocol/errors.js';
import {
  CONSUMER_BACKLOG_BYTES_MAX,
  CONSUMER_RECORD_BYTES_MAX,
} from '../../../../src/protocol/limits/consumers.js';
import { EventRecordView } from '../../../../src/record/event-record.js';
import { EventFinder } from '../../../../src/shards/consumers/reading/event-finder.js';
import { keyOf } from '../../../../src/shards/consumers/reading/event-key.js';
import type { FoundEvent } from '../../../../src/shards/consumers/reading/found-event.js';
import { PrunedScan } from '../../../../src/shards/consumers/reading/pruned-scan.js';
import type { PublishBatch } from '../../../../src/shards/publish-batch.js';
import type { ShardLog } from '../../../../src/store/shard-log.js';
import { record } from '../../../store/records.js';
import { memoryLog } from '../../support.js';

const bytesOf = (id: string): Buffer => record({ id, topic: 'jobs.a' });

function idOf(found: FoundEvent | undefined): string | undefined {
  if (found === undefined) return undefined;
  const view = new EventRecordView().wrap(found.bytes, found.offset);
  expect(found.length).toBe(view.length);
  return view.id;
}

/** A log with the events 1 to 3, and rows of dead events. */
function finderOf(dead: ReadonlyMap<number, Uint8Array | undefined> = new Map()) {
  const log = memoryLog([]);
  for (const id of ['log-1', 'log-2', 'log-3']) log.append(bytesOf(id), 0, 1);
  log.commit(true, []);
  const deadAt = vi.fn((_: string, sequence: number) => ({ record: dead.get(sequence) }));
  const deadState = (consumer: string, sequence: number) =>
    consumer === 'c1' && dead.has(sequence) ? 3 : undefined;
  const damages: BusError[] = [];
  const finder = new EventFinder(log, { deadAt, deadState }, (error) => damages.push(error));
  return { log, finder, deadAt, damages };
}

/** A batch whose second event is not stored. */
function batchOf(): PublishBatch {
  const padded = Buffer.concat([Buffer.alloc(8), bytesOf('batch-5')]);
  return {
    length: 3,
    sequences: [1, 0, 2],
    bytes: [bytesOf('batch-4'), bytesOf('none'), padded],
    offsets: [0, 0, 8],
  } as unknown as PublishBatch;
}

describe('the record of an event', () => {
  it('is found in the batch, before and after it is committed, until it is released', () => {
    const { finder } = finderOf();
    finder.begin(batchOf(), 4);
    const all = () => [3, 4, 5, 6].map((sequence) => idOf(finder.find(sequence, 'c1')));
    expect(all()).toEqual(['log-3', 'batch-4', 'batch-5', undefined]);
    // The next batch stands for itself.
    finder.begin({ ...batchOf(), length: 1 } as PublishBatch, 4);
    expect(all()).toEqual(['log-3', 'batch-4', undefined, undefined]);
    finder.end();
    expect(all()).toEqual(['log-3', undefined, undefined, undefined]);
  });

  it('is the copy that was kept, then the one of the log, then the one of a dead event', () => {
    const shared = Buffer.concat([Buffer.alloc(16), bytesOf('dead-9'), Buffer.alloc(4)]);
    const row = new Uint8Array(shared.buffer, shared.byteOffset + 16, bytesOf('dead-9').length);
    const { finder, deadAt } = finderOf(
      new Map([
        [2, row],
        [9, row],
        [10, undefined],
      ]),
    );
    const kept = Buffer.concat([Buffer.alloc(8), bytesOf('kept-2')]);
    finder.keep(2, kept, 8, kept.length - 8);
    expect([finder.kept(1), idOf(finder.kept(2))]).toEqual([undefined, 'kept-2']);
    expect(idOf(finder.find(2, 'c1'))).toBe('kept-2');
    finder.used(2);
    expect(idOf(finder.find(2, 'c1'))).toBe('log-2');
    finder.keep(2, kept, 8, kept.length - 8);
    finder.forget();
    expect(idOf(finder.find(2, 'c1'))).toBe('log-2');
    expect(deadAt).not.toHaveBeenCalled();
    expect(idOf(finder.find(9, 'c1'))).toBe('dead-9');
    expect(finder.find(10, 'c1')).toBeUndefined();
    deadAt.mockClear();
    // Of another consumer it is not dead, which costs no read.
    expect(finder.find(9, 'c2')).toBeUndefined();
    expect(finder.find(11, 'c1')).toBeUndefined();
    expect(deadAt).not.toHaveBeenCalled();
  });

  it('is kept for later only while there is room', () => {
    const { finder } = finderOf();
    const large = Buffer.alloc(CONSUMER_BACKLOG_BYTES_MAX / 2);
    const keep = (sequence: number) => finder.keepIfRoom(sequence, large, 0, large.length);
    expect([keep(1), keep(2), keep(3)]).toEqual([true, true, false]);
    expect([1, 2, 3].map((sequence) => finder.kept(sequence) !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
    // One that is wanted soon takes the room of the oldest where it has to.
    const rest = CONSUMER_RECORD_BYTES_MAX - CONSUMER_BACKLOG_BYTES_MAX;
    finder.keep(3, Buffer.alloc(rest + 1), 0, rest + 1);
    expect([1, 2, 3].map((sequence) => finder.kept(sequence) !== undefined)).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('is lost where it is damaged, which is told, unless a dead event has kept it', () => {
    const { log, finder, damages, deadAt } = finderOf(new Map([[1, bytesOf('dead-1')]]));
    const corrupt = new BusError('STORE_CORRUPT', 'a record is damaged');
    vi.spyOn(log, 'read').mockImplementation(() => {
      throw corrupt;
    });
    expect(idOf(finder.find(1, 'c1'))).toBe('dead-1');
    expect(finder.find(2, 'c1')).toBeUndefined();
    expect(damages).toEqual([corrupt, corrupt]);
    deadAt.mockImplementation(() => {
      throw corrupt;
    });
    expect(finder.find(1, 'c1')).toBeUndefined();
    expect(damages).toHaveLength(4);
  });

  it.each([new Error('out of memory'), new BusError('STORE_FAILED', 'the disk is gone')])(
    'is not lost where the store fails: %s',
    (error) => {
      const { log, finder, damages } = finderOf();
      vi.spyOn(log, 'read').mockImplementation(() => {
        throw error;
      });
      expect(() => finder.find(1, 'c1')).toThrow(error);
      expect(damages).toEqual([]);
    },
  );
});

describe('the key of an event', () => {
  const viewOf = (event: Parameters<typeof record>[0]) =>
    new EventRecordView().wrap(record(event), 0);

  it('is what the order names', () => {
    const view = viewOf({
      topic: 'jobs.a',
      source: 'shop',
      correlationId: 'order-1',
      attributes: { customer: 'ada', empty: '' },
    });
    const keys = (
      [
        'none',
        'topic',
        'source',
        'correlationId',
        'attributes.customer',
        'attributes.empty',
        'attributes.toString',
        'attributes.other',
      ] as const
    ).map((order) => keyOf(order)(view));
    expect(keys).toEqual([undefined, 'jobs.a', 'shop', 'order-1', 'ada', '', undefined, undefined]);
    expect(keyOf('attributes.customer')(viewOf({}))).toBeUndefined();
    expect(keyOf('correlationId')(viewOf({}))).toBeUndefined();
  });
});

describe('a hole in the log', () => {
  interface Topic {
    readonly name: string;
    readonly prunedThrough: number;
  }

  /** A log that shows two topics in each step. */
  const logOf = (topics: readonly Topic[], forgottenThrough = 0): ShardLog =>
    ({
      prunedEvents: 9,
      forgottenThrough,
      hasTopic: (name: string) => topics.some((topic) => topic.name === name),
      scanTopics: (from: number, _limit: number, visit: (topic: Topic) => void) => {
        for (const topic of topics.slice(from, from + 2)) visit(topic);
        return from + 2 < topics.length ? from + 2 : 0;
      },
    }) as unknown as ShardLog;

  function through(topics: readonly Topic[], patterns: string[], after: number, until: number) {
    const scan = new PrunedScan(logOf(topics), patterns, after, until);
    const steps: (number | undefined)[] = [];
    do steps.push(scan.step());
    while (steps.at(-1) === undefined);
    return steps;
  }

  const TOPICS = [
    { name: 'jobs.a', prunedThrough: 7 },
    { name: 'other', prunedThrough: 90 },
    { name: 'jobs.b', prunedThrough: 12 },
    { name: 'jobs.c', prunedThrough: 5 },
    { name: 'jobs.d', prunedThrough: 0 },
  ];

  it('held events of a consumer as far as one of its topics was pruned', () => {
    expect(through(TOPICS, ['jobs.*'], 3, 20)).toEqual([undefined, undefined, 12]);
    expect(through(TOPICS, ['jobs.a', 'jobs.d'], 3, 20)).toEqual([undefined, undefined, 7]);
    expect(through(TOPICS, ['jobs.*'], 3, 10).at(-1)).toBe(10);
    expect(through(TOPICS, ['jobs.*'], 11, 20).at(-1)).toBe(12);
    expect(through(TOPICS, ['jobs.*'], 12, 20).at(-1)).toBe(0);
    expect(through(TOPICS.slice(0, 2), ['jobs.*'], 0, 20)).toEqual([7]);
    expect(through([], ['jobs.*'], 0, 20)).toEqual([0]);
  });

  it.each([
    [['jobs.*'], 15],
    [['jobs.a', 'jobs.x'], 15],
    [['jobs.a', 'jobs.*'], 15],
    [['jobs.a', 'jobs.b'], 12],
  ])(
    'held events of topics that the log has forgotten, unless all are known: %j',
    (patterns, until) => {
      const scan = new PrunedScan(logOf(TOPICS, 15), patterns, 3, 20);
      expect([scan.after, scan.until, scan.prunedEvents]).toEqual([3, 20, 9]);
      const steps = [scan.step(), scan.step(), scan.step()];
      expect(steps).toEqual([undefined, undefined, until]);
    },
  );
});
