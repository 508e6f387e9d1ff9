import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { EventRecordView } from '../../../src/record/event-record.js';
import { copyEvents } from '../../../src/store/copy/copy.js';
import type { CopySource } from '../../../src/store/copy/copy-source.js';
import type { FilledEvent, StoreFilling } from '../../../src/store/filling.js';
import { record } from '../records.js';

const view = new EventRecordView();

interface Fact {
  readonly topic: string;
  readonly id: string;
  readonly recordedAt: number;
}

function eventOf({ topic, id, recordedAt }: Fact): FilledEvent {
  return { recordedAt, bytes: record({ topic, id, timestamp: recordedAt }) };
}

function factOf({ bytes, recordedAt }: FilledEvent): Fact {
  view.wrap(bytes, 0);
  return { topic: view.topic, id: view.id, recordedAt };
}

/** A history in memory, given in pieces of some size. */
function sourceOf(logs: readonly (readonly FilledEvent[])[], pieceEvents: number): CopySource {
  return {
    shards: logs.length,
    shardBy: undefined,
    history: 'h1',
    total: logs.flat().length,
    async *events(shard) {
      const log = logs[shard]!;
      for (let at = 0; at < log.length; at += pieceEvents) yield log.slice(at, at + pieceEvents);
    },
    async close() {},
  };
}

/** A store in memory, which stores some of the first events of one append and then fails, if `failsAfter` says so. */
class Kept {
  readonly logs: FilledEvent[][];
  #left = Number.POSITIVE_INFINITY;
  isEnded = false;

  constructor(shards: number) {
    this.logs = Array.from({ length: shards }, () => []);
  }

  filling(failsAfter = Number.POSITIVE_INFINITY): StoreFilling {
    this.#left = failsAfter;
    const { logs } = this;
    return {
      shards: logs.length,
      shardBy: undefined,
      heads: logs.map(({ length }) => length),
      read: async (shard, after, until) => logs[shard]!.slice(after, Math.min(until, after + 3)),
      append: async (shard, head, events) => {
        if (logs[shard]!.length !== head) throw new Error('another head');
        for (const event of events) {
          if (this.#left-- <= 0) throw new Error('killed');
          logs[shard]!.push(event);
        }
      },
      settle: async () => logs.map(({ length }) => length),
      end: async () => {
        this.isEnded = true;
      },
      close: async () => {},
    };
  }
}

const facts = fc.array(
  fc.record({
    topic: fc.constantFrom('a', 'b', 'c.d', 'e', 'f.g.h'),
    // Ids come again, as they may once the window is over.
    id: fc.constantFrom('one', 'two', 'three'),
    step: fc.nat(2),
  }),
  { maxLength: 60 },
);

function logsOf(drawn: readonly { topic: string; id: string; step: number }[], shards: number) {
  const logs: FilledEvent[][] = Array.from({ length: shards }, () => []);
  let recordedAt = 1000;
  for (const { topic, id, step } of drawn) {
    recordedAt += step;
    logs[shardOf(topic, shards)]!.push(eventOf({ topic, id, recordedAt }));
  }
  return logs;
}

function byTopic(logs: readonly (readonly FilledEvent[])[]): Map<string, Fact[]> {
  const topics = new Map<string, Fact[]>();
  for (const fact of logs.flat().map(factOf)) {
    topics.set(fact.topic, [...(topics.get(fact.topic) ?? []), fact]);
  }
  return topics;
}

describe('a copy between stores', () => {
  it('has every event in its order, however often it was interrupted and wherever', async () => {
    await fc.assert(
      fc.asyncProperty(
        facts,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.nat(20), { maxLength: 4 }),
        async (drawn, shards, targets, pieceEvents, failures) => {
          const logs = logsOf(drawn, shards);
          const kept = new Kept(targets);
          const copy = (failsAfter?: number) =>
            copyEvents({ from: sourceOf(logs, pieceEvents), to: kept.filling(failsAfter) });
          for (const failsAfter of failures) {
            const before = kept.logs.flat().length;
            await copy(failsAfter).then(
              ({ found }) => expect(found).toBe(before),
              (error) => expect(error.message).toBe('killed'),
            );
          }
          const { events, heads } = await copy();
          expect(events).toBe(drawn.length);
          expect(heads).toEqual(kept.logs.map(({ length }) => length));
          expect(kept.isEnded).toBe(true);
          expect(byTopic(kept.logs)).toEqual(byTopic(logs));
          for (const [shard, log] of kept.logs.entries()) {
            const times = log.map(({ recordedAt }) => recordedAt);
            expect(times).toEqual(times.toSorted((one, other) => one - other));
            for (const { topic } of log.map(factOf)) expect(shardOf(topic, targets)).toBe(shard);
          }
        },
      ),
    );
  });

  it('is refused where the destination has something else, and changes nothing there', async () => {
    await fc.assert(
      fc.asyncProperty(facts, fc.nat(), async (drawn, at) => {
        fc.pre(drawn.length > 0);
        const logs = logsOf(drawn, 2);
        const kept = new Kept(2);
        await copyEvents({ from: sourceOf(logs, 4), to: kept.filling() });
        kept.isEnded = false;
        const log = kept.logs.find(({ length }) => length > 0)!;
        const place = at % log.length;
        const { topic, id, recordedAt } = factOf(log[place]!);
        const others = [
          { topic, id: `${id}x`, recordedAt },
          { topic, id, recordedAt: recordedAt + 1 },
        ];
        log[place] = eventOf(others[at % 2]!);
        const before = kept.logs.map((one) => [...one]);
        await expect(
          copyEvents({ from: sourceOf(logs, 4), to: kept.filling() }),
        ).rejects.toMatchObject({ code: 'OPTION_INVALID', message: /not the beginning/ });
        expect([kept.logs, kept.isEnded]).toEqual([before, false]);
      }),
    );
  });

  it('is refused where the destination has more than the source', async () => {
    const event = eventOf({ topic: 'a', id: 'one', recordedAt: 1 });
    const kept = new Kept(1);
    kept.logs[0]!.push(event, event);
    await expect(
      copyEvents({ from: sourceOf([[event]], 4), to: kept.filling() }),
    ).rejects.toMatchObject({ code: 'OPTION_INVALID', message: /source has no event/ });
  });

  it('fails at the end where the destination has not kept what was copied', async () => {
    const events = ['one', 'two'].map((id) => eventOf({ topic: 'a', id, recordedAt: 1 }));
    const damages: ((log: FilledEvent[]) => void)[] = [
      (log) => log.pop(),
      (log) => log.reverse(),
      (log) => {
        log[1] = { ...log[1]!, recordedAt: 2 };
      },
      (log) => log.push(events[0]!),
    ];
    for (const damage of damages) {
      const kept = new Kept(1);
      const filling = kept.filling();
      const heads = [2];
      const settle = async () => {
        damage(kept.logs[0]!);
        return heads;
      };
      const read: StoreFilling['read'] = async (shard, after) => kept.logs[shard]!.slice(after);
      const copied = copyEvents({ from: sourceOf([events], 4), to: { ...filling, read, settle } });
      await expect(copied).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
      expect(kept.isEnded).toBe(false);
    }
  });

  it('fails where somebody else writes to the destination', async () => {
    const event = eventOf({ topic: 'a', id: 'one', recordedAt: 1 });
    const kept = new Kept(1);
    const to = { ...kept.filling(), settle: async () => [2] };
    await expect(copyEvents({ from: sourceOf([[event]], 4), to })).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: /somebody else writes/,
    });
  });

  it('counts events of the future as recorded now where it is told to, and never backwards', async () => {
    const times = [5, 900, 20, 1000];
    const log = times.map((recordedAt) => eventOf({ topic: 'a', id: 'one', recordedAt }));
    const kept = new Kept(1);
    await copyEvents({ from: sourceOf([log], 1), to: kept.filling(), recordedUntil: 100 });
    expect(kept.logs[0]!.map(({ recordedAt }) => recordedAt)).toEqual([5, 100, 100, 100]);
  });
});
