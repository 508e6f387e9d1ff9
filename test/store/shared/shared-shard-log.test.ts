import { describe, expect, test } from 'vitest';
import { BusError } from '../../../src/protocol/errors.js';
import type { RetentionRule } from '../../../src/store/pruning.js';
import { NOT_AT_HAND, type ShardLog } from '../../../src/store/shard-log.js';
import type { LogStream, TrimLimits } from '../../../src/store/shared/log-stream.js';
import { openSharedLog } from '../../../src/store/shared/shared-shard-log.js';
import { watch } from '../../bus/support/wait.js';
import { record } from '../records.js';
import { FakeStream } from './fake-stream.js';

async function openOn(stream: LogStream, headLeast = 0, retention: RetentionRule[] = []) {
  const settings = { dedupeWindowMs: 1, dedupeIdsMax: 1, retention };
  const isFirst = headLeast === 0;
  const log = await openSharedLog(stream, { shard: 0, isFirst, headLeast, settings });
  const heard = { advances: 0, fetches: 0 };
  log.follow?.({ onAdvance: () => heard.advances++, onFetch: () => heard.fetches++ });
  return { log, heard };
}

function sequencesOf(log: ShardLog, after: number): number[] | typeof NOT_AT_HAND {
  const sequences: number[] = [];
  const read = log.read({ after, limit: 100 }, ({ sequence }) => {
    sequences.push(sequence);
    return undefined;
  });
  return read === NOT_AT_HAND ? read : sequences;
}

describe('a log on a stream', () => {
  test('has committed a batch once the stream has told it of the batch', async () => {
    const stream = new FakeStream();
    const { log } = await openOn(stream);
    log.append(record(), 0, 1);
    const commit = watch(Promise.resolve(log.commit(true, [])));
    await new Promise(setImmediate);
    expect(commit.settled).toBe(false);
    stream.tell(1);
    await new Promise(setImmediate);
    expect(commit.settled).toBe(true);
    expect(log.head).toBe(1);
  });

  test('hands on the terms of events, and the refusals of those that the broker did not store', async () => {
    const stream = new FakeStream();
    const { log } = await openOn(stream);
    const terms = { expected: 3, group: undefined };
    const refusal = { found: 2, error: { code: 'CONFLICT', message: 'not so' } } as const;
    stream.refused = new Map([[1, refusal]]);
    log.append(record(), 0, 1);
    log.append(record(), 0, 1, terms);
    const commit = log.commit(true, []);
    await new Promise(setImmediate);
    stream.tell(1);
    const batch = await commit;
    expect(log.judges).toBe(stream.judges);
    expect(stream.appended.map((event) => event.terms)).toEqual([undefined, terms]);
    expect([0, 1].map((index) => batch.refusalOf?.(index))).toEqual([undefined, refusal]);
  });

  test('rejects the commits that wait when the stream fails, and reads nothing more', async () => {
    const stream = new FakeStream();
    const { log, heard } = await openOn(stream);
    log.append(record(), 0, 1);
    const commit = Promise.resolve(log.commit(true, []));
    await new Promise(setImmediate);
    stream.follower.onFailure(new BusError('STORE_FAILED', 'the stream was deleted'));
    await expect(commit).rejects.toThrow('the stream was deleted');
    expect(() => log.maintain()).toThrow('the stream was deleted');
    expect(() => sequencesOf(log, 0)).toThrow('the stream was deleted');
    expect(heard.advances).toBe(1);
  });

  test('shows the events before a damaged one, and then names it', async () => {
    const stream = new FakeStream();
    const { log } = await openOn(stream);
    stream.store({}, {}, {}, {});
    stream.damage(3);
    stream.tell(1);
    expect(log.head).toBe(4);
    expect(sequencesOf(log, 0)).toEqual([1, 2]);
    expect(() => sequencesOf(log, 2)).toThrow(
      'event 3 of shard 0 is not what was stored: its checksum fails',
    );
    expect(sequencesOf(log, 3)).toEqual([4]);
  });

  test('finds damage in what it fetches, too', async () => {
    const stream = new FakeStream();
    stream.store({}, {});
    stream.damage(1);
    const { log, heard } = await openOn(stream);
    expect(sequencesOf(log, 0)).toBe(NOT_AT_HAND);
    await new Promise(setImmediate);
    expect(heard.fetches).toBe(1);
    expect(() => sequencesOf(log, 0)).toThrow('event 1 of shard 0');
    expect(sequencesOf(log, 1)).toEqual([2]);
  });

  test('passes over events that the broker has removed', async () => {
    const stream = new FakeStream();
    stream.store({}, {}, {}, {}, {}, {});
    for (const sequence of [2, 3, 6]) stream.remove(sequence);
    const { log } = await openOn(stream);
    const shown: unknown[] = [];
    for (let after = 0; after < 6; ) {
      const read = sequencesOf(log, after);
      if (read === NOT_AT_HAND) await new Promise(setImmediate);
      else {
        shown.push(...read);
        after = read.at(-1) ?? 6;
      }
    }
    expect(shown).toEqual([1, 4, 5]);
  });

  test('passes over a long stretch of removed events, look by look', async () => {
    const stream = new FakeStream();
    stream.store(...Array.from({ length: 602 }, () => ({})));
    for (let sequence = 1; sequence <= 600; sequence++) stream.remove(sequence);
    const { log } = await openOn(stream);
    for (let look = 0; look < 2; look++) {
      expect(sequencesOf(log, 0)).toBe(NOT_AT_HAND);
      await new Promise(setImmediate);
    }
    expect(sequencesOf(log, 0)).toEqual([601, 602]);
  });

  test('knows from what it fetches that events have gone, before it is told', async () => {
    const stream = new FakeStream();
    stream.store({ topic: 'a' }, { topic: 'b' }, { topic: 'a' });
    const { log } = await openOn(stream);
    stream.prunedThrough = 2;
    expect(sequencesOf(log, 0)).toBe(NOT_AT_HAND);
    await new Promise(setImmediate);
    expect([log.prunedThrough, log.prunedEvents, log.forgottenThrough]).toEqual([2, 2, 0]);
    expect(log.topic('b')).toMatchObject({ events: 0, prunedThrough: 2 });
    expect(sequencesOf(log, 0)).toEqual([3]);
  });

  test('goes on behind events that were removed before it had them, and asks for their topics', async () => {
    const stream = new FakeStream();
    const { log, heard } = await openOn(stream);
    stream.store({ topic: 'a' }, { topic: 'b' });
    stream.tell(1);
    stream.store({ topic: 'a' }, { topic: 'a' });
    stream.prunedThrough = 3;
    stream.follower.onPruned(3);
    expect([log.head, log.prunedThrough, log.prunedEvents]).toEqual([3, 3, 3]);
    stream.tell(4);
    expect(log.head).toBe(4);
    // The event that has gone unheard may have been one of this topic.
    expect(log.topic('b')).toMatchObject({ events: 0, prunedThrough: 3 });
    expect(log.forgottenThrough).toBe(3);
    expect(heard.advances).toBe(3);
    // Event 2 is at hand, and has gone all the same.
    expect(sequencesOf(log, 1)).toEqual([4]);
  });

  test('takes the broker’s word for topics that lost some of their events', async () => {
    const stream = new FakeStream();
    stream.store({ topic: 'a' }, { topic: 'a' });
    const { log } = await openOn(stream);
    stream.follower.onPruned(1);
    await new Promise(setImmediate);
    expect(stream.asked).toEqual(['a']);
    expect(log.topic('a')?.events).toBe(77);
  });

  test('fails if it misses an event that nobody has removed', async () => {
    const stream = new FakeStream();
    const { log } = await openOn(stream);
    stream.store({}, {});
    stream.tell(2);
    expect(() => log.maintain()).toThrow('event 2 after event 0');
  });

  test('passes over single events that the broker has removed before it told of those behind them', async () => {
    const stream = new FakeStream();
    const { log } = await openOn(stream);
    stream.store({}, {}, {}, {});
    stream.remove(2);
    stream.follower.onEntries(stream.stream.entries.slice(0, 1), 0);
    stream.follower.onEntries(stream.stream.entries.slice(2), 1);
    expect([log.head, log.prunedThrough]).toEqual([4, 0]);
    expect(sequencesOf(log, 2)).toEqual([3, 4]);
    stream.store({}, {});
    stream.follower.onEntries(stream.stream.entries.slice(5), 5);
    expect(() => log.maintain()).toThrow('event 6 after event 4');
  });

  test('knows that events have gone of which it never heard, whatever their topics were', async () => {
    const stream = new FakeStream();
    const { log } = await openOn(stream);
    stream.store({ topic: 'a' }, {}, {}, {});
    stream.follower.onEntries(stream.stream.entries.slice(0, 1));
    stream.follower.onPruned(1);
    expect([log.forgottenThrough, log.topic('a')?.prunedThrough]).toEqual([0, 1]);
    stream.follower.onPruned(3);
    expect([log.forgottenThrough, log.topic('a')?.prunedThrough]).toEqual([3, 3]);
  });

  test('takes the broker’s word for topics whose events were replaced', async () => {
    const stream = new FakeStream();
    const { log } = await openOn(stream);
    stream.store({ topic: 'a' }, { topic: 'a' });
    stream.tell(1);
    stream.follower.onReplaced(['a']);
    await new Promise(setImmediate);
    expect(stream.asked).toEqual(['a']);
    expect(log.topic('a')?.events).toBe(77);
  });

  test('counts the events that came while it was asking the broker about their topic', async () => {
    const stream = new FakeStream();
    stream.store({ topic: 'a' }, { topic: 'a' });
    const { log } = await openOn(stream);
    const answer = { ...stream.stream.state.topics[0]!, events: 1, firstSequence: 2 };
    stream.topics = async () => [answer];
    stream.follower.onReplaced(['a']);
    stream.store({ topic: 'a', timestamp: 9 });
    stream.tell(3);
    await new Promise(setImmediate);
    expect(log.topic('a')).toMatchObject({ events: 2, firstSequence: 2, lastSequence: 3 });
  });

  test('knows that single events were removed, of any topic, and that others are left', async () => {
    const stream = new FakeStream();
    stream.store({ topic: 'a' }, { topic: 'b' }, { topic: 'a' });
    const { log } = await openOn(stream);
    const before = log.prunedEvents;
    stream.remove(2);
    stream.topics = async (names) => {
      stream.asked.push(...names);
      return stream.stream.state.topics.filter(({ name }) => name === 'a');
    };
    stream.follower.onLost(2);
    await new Promise(setImmediate);
    expect(log.prunedEvents).toBeGreaterThan(before);
    expect([log.prunedThrough, log.forgottenThrough]).toEqual([0, 2]);
    expect(stream.asked).toEqual(['a', 'b']);
    expect(log.topic('a')).toMatchObject({ events: 2, prunedThrough: 2 });
    expect(log.topic('b')).toMatchObject({ events: 0, prunedThrough: 2 });
  });

  test('hears what came before the answer to its opening', async () => {
    const stream = new FakeStream();
    stream.store({}, {});
    const { join } = stream;
    stream.join = async (...of) => {
      const state = await join.apply(stream, of);
      stream.store({});
      stream.tell(3);
      return state;
    };
    const { log } = await openOn(stream);
    expect(log.head).toBe(3);
  });

  test('says that history went backwards where the broker has another epoch', async () => {
    const stream = new FakeStream();
    stream.otherHistory = 'it was deleted';
    const { log } = await openOn(stream, 9);
    expect(log).toMatchObject({ wentBackwardsFrom: 9, otherHistory: 'it was deleted' });
    const { log: same } = await openOn(new FakeStream());
    expect([same.wentBackwardsFrom, same.otherHistory]).toEqual([undefined, undefined]);
  });

  test('closes its stream where it cannot be opened', async () => {
    const stream = new FakeStream();
    stream.join = () => Promise.reject(new BusError('OPTION_INVALID', 'no such stream'));
    await expect(openOn(stream)).rejects.toThrow('no such stream');
    expect(stream.isClosed).toBe(true);
  });

  test('has the broker remove what its rules name, step by step', async () => {
    const asked: TrimLimits[] = [];
    const stream = Object.assign(new FakeStream(), {
      trim: async (limits: TrimLimits) => asked.push(limits) < 3,
    });
    const rules = [{ maxEvents: 9 }, { pattern: '*', maxEvents: 5, maxAgeMs: 1000 }];
    const { log } = await openOn(stream, 0, rules);
    expect([log.pruning!.pruneStep(1), log.pruning!.pruneStep(1)]).toEqual([false, false]);
    await new Promise(setImmediate);
    expect(asked).toEqual(Array(3).fill({ maxEvents: 5, maxAgeMs: 1000 }));
    const onRequest = { pattern: '*', excessEvents: 1, excessBytes: 0, after: 0 };
    expect(() => log.pruning!.prune(onRequest)).toThrow('not on request');
    expect(() => log.pruning!.totals('*')).toThrow('not on request');
    log.pruning!.pruneStep(1);
    await new Promise(setImmediate);
    expect(asked).toHaveLength(4);
  });

  test('fails where the broker cannot remove anything', async () => {
    const stream = Object.assign(new FakeStream(), {
      trim: () => Promise.reject(new BusError('STORE_FAILED', 'no right to trim')),
    });
    const { log } = await openOn(stream, 0, [{ maxEvents: 9 }]);
    log.pruning!.pruneStep(1);
    await new Promise(setImmediate);
    expect(() => log.maintain()).toThrow('no right to trim');
  });

  test.each([
    ['pattern', { pattern: 't.*', maxEvents: 1 }],
    ['keepPerTopic', { keepPerTopic: 1 }],
    ['untilConsumedBy', { untilConsumedBy: ['one'] }],
  ])('refuses a rule with %s, which it cannot follow', async (option, rule) => {
    const stream = Object.assign(new FakeStream(), { trim: async () => false });
    await expect(openOn(stream, 0, [rule])).rejects.toThrow(`retention.${option}`);
    expect(stream.isClosed).toBe(true);
    expect((await openOn(stream)).log.pruning).toBeUndefined();
    expect((await openOn(new FakeStream(), 0, [rule])).log.pruning).toBeUndefined();
  });
});
