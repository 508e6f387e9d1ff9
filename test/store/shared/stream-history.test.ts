import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eachRecord, type PageRequest } from '../../../src/store/page.js';
import { StreamHistory } from '../../../src/store/shared/stream-history.js';
import { holds } from '../../bus/support/properties.js';
import { FakeStream } from './fake-stream.js';

/** Events whose times repeat and leave gaps: 10, 10, 20, 20 … */
function historyOf(count: number) {
  const stream = new FakeStream();
  for (let n = 0; n < count; n++) {
    stream.store({ id: `e${n + 1}`, topic: `t.${n % 3}`, timestamp: 10 + 10 * Math.floor(n / 2) });
  }
  return { stream, history: new StreamHistory(stream.history) };
}

/** All sequences of a request, page by page. */
async function all(history: StreamHistory, request: PageRequest): Promise<number[]> {
  const found: number[] = [];
  for (let rest = request; ; ) {
    const page = await history.page(0, rest);
    eachRecord(Buffer.from(page.records), ({ sequence }) => found.push(sequence));
    if (page.done) return found;
    rest = { ...rest, ...(request.reverse === true ? { until: page.next } : { after: page.next }) };
  }
}

describe('history on a stream', () => {
  test('property: shows the same as a look at each event', async () => {
    const requests = fc.record({
      count: fc.nat({ max: 120 }),
      gone: fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 90 }),
      through: fc.nat({ max: 60 }),
      isFiltering: fc.boolean(),
      request: fc.record(
        {
          after: fc.nat({ max: 130 }),
          until: fc.nat({ max: 130 }),
          sinceMs: fc.nat({ max: 700 }),
          untilMs: fc.nat({ max: 700 }),
          limit: fc.integer({ min: 1, max: 9 }),
          limitBytes: fc.integer({ min: 1, max: 500 }),
          reverse: fc.boolean(),
          topic: fc.constantFrom('t.1', 't.*', 'none'),
        },
        { requiredKeys: ['after', 'limit'] },
      ),
    });
    const property = fc.asyncProperty(requests, async (given) => {
      const { count, gone, through, request } = given;
      const { stream, history } = historyOf(count);
      stream.isFiltering = given.isFiltering;
      for (const sequence of gone) stream.remove(sequence);
      stream.prunedThrough = Math.min(through, count);
      const { topic, ...rest } = request;
      const wanted = stream.stream.entries
        .filter(({ sequence }) => sequence > stream.prunedThrough && !gone.includes(sequence))
        .filter(({ sequence }) => sequence > rest.after && sequence <= (rest.until ?? count))
        .filter(({ recordedAt }) => recordedAt >= (rest.sinceMs ?? 0))
        .filter(({ recordedAt }) => recordedAt < (rest.untilMs ?? 9999))
        .filter(({ sequence }) => {
          const own = `t.${(sequence - 1) % 3}`;
          return topic === undefined || topic === 't.*' || topic === own;
        })
        .map(({ sequence }) => sequence);
      const filter = topic === undefined ? {} : { filter: { topics: [topic] } };
      expect(await all(history, { ...rest, ...filter })).toEqual(
        rest.reverse === true ? wanted.reverse() : wanted,
      );
    });
    await holds(property, 200);
  });

  test('finds the same position by time as a look at each event', async () => {
    const { stream, history } = historyOf(40);
    for (let time = 0; time <= 220; time += 5) {
      const before = stream.stream.entries.filter(({ recordedAt }) => recordedAt < time);
      expect(await history.positionAt(0, time)).toBe(before.at(-1)?.sequence ?? 0);
    }
  });

  test('shows the events of a list, however far apart they lie', async () => {
    const { history } = historyOf(1200);
    const sequences = [3, 4, 900, 1200];
    const listed = { after: 2, until: 1200, sequences, limit: 9 };
    expect(await all(history, listed)).toEqual(sequences);
    expect(await all(history, { ...listed, reverse: true })).toEqual(sequences.toReversed());
  });

  test('says up to where events have gone, to those that ask for them', async () => {
    const { stream, history } = historyOf(10);
    stream.prunedThrough = 4;
    const through = async (after: number) =>
      (await history.page(0, { after, limit: 1 })).prunedThrough;
    expect(await Promise.all([0, 3, 4, 9].map(through))).toEqual([4, 4, 0, 0]);
    expect(await history.positionAt(0, 5)).toBe(0);
  });

  test.each([false, true])(
    'looks where the topics that it is asked for lie: reverse %s',
    async (reverse) => {
      const stream = new FakeStream();
      const others = Array.from({ length: 700 }, () => ({ topic: 'other' }));
      stream.store(...others, { topic: 'a' }, { topic: 'b' }, { topic: 'a' }, ...others);
      const looked: number[] = [];
      const history = new StreamHistory({
        ...stream.history,
        fetch: (_shard, after, until) => {
          looked.push(after, until);
          return stream.fetch(after, until, 999);
        },
        topics: async (_shard, names) =>
          stream.stream.state.topics.filter(({ name }) => names.includes(name)),
      });
      const wanted = async (...topics: string[]) =>
        all(history, { filter: { topics }, after: 0, limit: 9, reverse });
      const inOrder = (...sequences: number[]) => (reverse ? sequences.reverse() : sequences);
      expect(await wanted('a')).toEqual(inOrder(701, 703));
      expect(await wanted('a', 'b')).toEqual(inOrder(701, 702, 703));
      expect(looked.every((one) => one >= 700 && one <= 703)).toBe(true);
      expect(await wanted('none')).toEqual([]);
      expect(await wanted('x.*', 'b')).toEqual(inOrder(702));
    },
  );

  test.each(['t.0', 'none'])(
    'ends at the head for a topic whose last event lies far before it: %s',
    async (name) => {
      const { stream } = historyOf(3);
      for (let n = 0; n < 50; n++) stream.store({ id: `later${n}`, topic: 'others' });
      const history = new StreamHistory({
        ...stream.history,
        topics: async (_shard, names) =>
          stream.stream.state.topics.filter((topic) => names.includes(topic.name)),
      });
      const request = { filter: { topics: [name] }, limit: 9 };
      expect(await history.page(0, { ...request, after: 0 })).toMatchObject({
        done: true,
        next: 53,
      });
      expect(await history.page(0, { ...request, after: 20, until: 40 })).toMatchObject({
        done: true,
        next: 40,
      });
    },
  );

  test('says what has gone of the topics that it is asked for', async () => {
    const { stream, history: any } = historyOf(10);
    stream.prunedThrough = 4;
    const [one] = stream.stream.state.topics;
    const topics = async () => [{ ...one!, firstSequence: 7, prunedThrough: 3 }];
    const history = new StreamHistory({ ...stream.history, topics });
    const request = { filter: { topics: ['t.0'] }, after: 0, limit: 1 };
    expect(await history.page(0, request)).toMatchObject({ prunedThrough: 3, count: 1 });
    expect(await history.page(0, { ...request, after: 3 })).toMatchObject({ prunedThrough: 0 });
    expect(await any.page(0, request)).toMatchObject({ prunedThrough: 4 });
  });

  test('says so of events that go while it looks', async () => {
    const { stream } = historyOf(10);
    const bounds = async () => ({ head: 10, prunedThrough: 0 });
    const history = new StreamHistory({ ...stream.history, bounds });
    stream.prunedThrough = 4;
    expect(await history.page(0, { after: 1, limit: 1 })).toMatchObject({
      prunedThrough: 4,
      next: 5,
    });
    expect(await history.page(0, { after: 4, limit: 1 })).toMatchObject({
      prunedThrough: 0,
      next: 5,
    });
  });

  test('finds times that run backwards by as much as its stream allows', async () => {
    const stream = new FakeStream();
    for (const time of [10, 20, 30, 25, 40, 50, 45, 60]) stream.store({ timestamp: time });
    // The fake keeps times in order, as most brokers do.
    for (const [at, recordedAt] of [
      [3, 25],
      [6, 45],
    ] as const) {
      stream.stream.entries[at] = { ...stream.stream.entries[at]!, recordedAt };
    }
    const history = new StreamHistory({ ...stream.history, timeStepMs: 10 });
    const found = (sinceMs: number, untilMs: number) =>
      all(history, { after: 0, limit: 9, sinceMs, untilMs });
    expect(await found(28, 100)).toEqual([3, 5, 6, 7, 8]);
    expect(await found(0, 28)).toEqual([1, 2, 4]);
    expect(await found(46, 55)).toEqual([6]);
    const positions = [];
    for (const time of [5, 26, 31, 46, 51, 70]) positions.push(await history.positionAt(0, time));
    // The last is before the first event at that time or later, whatever lies behind it.
    expect(positions).toEqual([0, 2, 4, 5, 7, 8]);
  });

  test('names a damaged event', async () => {
    const { stream, history } = historyOf(3);
    stream.damage(2);
    const page = history.page(0, { after: 1, limit: 1 });
    await expect(page).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      details: { shard: 0, sequence: 2 },
    });
  });
});
