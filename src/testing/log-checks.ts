import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { COMMIT_BATCH_EVENTS } from '../protocol/limits/shards.js';
import type { ReadRequest } from '../store/shard-log.js';
import type { Checks } from './checks.js';
import {
  BY_PUBLISHER,
  type CheckedEvent,
  eventOf,
  PADDING,
  RECORDED_AT,
  recordOf,
} from './events.js';
import type { StoreNode } from './store-node.js';

/** Checks the promises of every log: appending, committing and reading. */
export function addLogChecks(checks: Checks): void {
  addAppendingChecks(checks);
  addReadingChecks(checks);
  addTopicChecks(checks);
  addHistoryChecks(checks);
}

function addAppendingChecks(checks: Checks): void {
  checks.onNode('shows nothing of a batch before it is committed', async (node) => {
    node.append([{}, {}, {}]);
    strictEqual(node.log.head, 0);
    deepStrictEqual(await node.stored(), []);
    strictEqual(node.log.topic('checked.topic')?.events ?? 0, 0, 'events of its topic');
    await node.decide();
    strictEqual(node.log.head, 3);
  });

  checks.onNode('gives sequences from 1 on, without holes, across batches', async (node) => {
    deepStrictEqual(await node.commit([{}]), [1]);
    deepStrictEqual(await node.commit([{}, {}, {}]), [2, 3, 4]);
    deepStrictEqual(await node.commit([{}]), [5]);
    deepStrictEqual(
      (await node.stored()).map(({ sequence }) => sequence),
      [1, 2, 3, 4, 5],
    );
  });

  checks.onNode('counts events as synced once a synced batch is decided', async (node) => {
    node.append([{}, {}]);
    await node.decide(false);
    ok(node.log.syncedHead <= node.log.head, 'not more than there is');
    await node.commit([{}]);
    deepStrictEqual([node.log.syncedHead, node.log.head], [3, 3]);
    node.append([{}]);
    await node.decide(false);
    await node.decide(true);
    deepStrictEqual([node.log.syncedHead, node.log.head], [4, 4]);
  });

  checks.onNode('does not refer to the memory from which it appended', async (node) => {
    const bytes = recordOf({ payload: 'before' });
    node.log.append(bytes, PADDING, RECORDED_AT);
    await node.decide();
    bytes.fill(0xff);
    strictEqual((await node.stored())[0]?.payload, 'before');
  });

  if (!checks.subject.isShared) {
    checks.onNode('has committed a batch of its own log when `commit` returns', async (node) => {
      node.append([{}, {}]);
      ok(!(node.log.commit(true, []) instanceof Promise), 'a promise');
      strictEqual(node.log.head, 2);
    });
  }

  checks.onNode('takes the largest batch, and a payload of a megabyte', async (node) => {
    const batch = Array.from({ length: COMMIT_BATCH_EVENTS }, (_, n) => ({ payload: n }));
    strictEqual((await node.commit(batch)).at(-1), COMMIT_BATCH_EVENTS);
    const payload = 'é'.repeat(500_000);
    await node.commit([{ payload }]);
    const stored = await node.stored();
    deepStrictEqual(
      stored.map((one) => one.payload),
      [...batch.map((one) => one.payload), payload],
    );
  });
}

const ANY_EVENTS: readonly CheckedEvent[] = [
  { topic: 'a', id: 'plain' },
  { topic: 'ünï.cødé.主題', id: 'unicode', source: 'quelle ß', payload: { ключ: '値', n: null } },
  {
    topic: 'a.b.c',
    id: 'all-fields_1',
    type: 'order.created',
    source: 's'.repeat(255),
    correlationId: 'run 7',
    causationId: 'cause-1',
    attributes: { agentId: 'x', ß: 'ü' },
    payload: [1, 'two', { three: [true, false] }, 1e-7, ''],
    timestamp: 1,
  },
  { topic: 'a.b', id: 'i'.repeat(64), flags: BY_PUBLISHER, attributes: { only: '' }, payload: '' },
  { topic: 't'.repeat(255), id: 'long', correlationId: 'only this', payload: null },
  { topic: 'a', id: 'cause', causationId: 'c', payload: 'x'.repeat(70_000) },
];

function addReadingChecks(checks: Checks): void {
  checks.onNode('gives back exactly what was appended', async (node) => {
    await node.commit(ANY_EVENTS);
    const expected = ANY_EVENTS.map((event, index) => ({
      sequence: index + 1,
      recordedAt: RECORDED_AT,
      topic: event.topic,
      type: event.type ?? 'checked',
      source: event.source ?? 'checker',
      id: event.id,
      timestamp: event.timestamp ?? RECORDED_AT,
      correlationId: event.correlationId,
      causationId: event.causationId,
      attributes: event.attributes,
      payload: event.payload === undefined ? { n: 1 } : event.payload,
    }));
    const stored = await node.stored();
    // A shared store may record events by a clock of its own.
    const timeOf = ({ recordedAt }: { recordedAt: number }, at: number) =>
      node.log.isShared ? stored[at]?.recordedAt : recordedAt;
    deepStrictEqual(
      stored,
      expected.map((event, at) => ({ ...event, recordedAt: timeOf(event, at) })),
    );
  });

  checks.onNode('reads within the bounds that it is given', async (node) => {
    await node.commit(Array.from({ length: 200 }, () => ({ payload: 'x'.repeat(100) })));
    const bounds: readonly (readonly [ReadRequest, first: number, last: number])[] = [
      [{ after: 0, limit: 3 }, 1, 3],
      [{ after: 197, limit: 9 }, 198, 200],
      [{ after: 5, until: 7, limit: 9 }, 6, 7],
      [{ after: 200, limit: 9 }, 1, 0],
      [{ after: 0, limit: 0 }, 1, 0],
      [{ after: 0, limit: 99, limitBytes: 1 }, 1, 1],
    ];
    for (const [request, first, last] of bounds) {
      deepStrictEqual(
        await sequencesOf(node, request),
        range(first, last),
        JSON.stringify(request),
      );
    }
    deepStrictEqual(await sequencesOf(node, { after: 90, limit: 9 }, 92), [91, 92]);
  });

  checks.onNode('keeps the records of one read as they are until the next', async (node) => {
    const events = Array.from({ length: 300 }, (_, n) => ({
      payload: { n, pad: 'x'.repeat(999) },
    }));
    await node.commit(events);
    const kept: { sequence: number; bytes: Buffer; offset: number }[] = [];
    await node.read({ after: 0, limit: 300 }, ({ sequence, bytes, offset }) => {
      kept.push({ sequence, bytes, offset });
      return undefined;
    });
    ok(kept.length > 1, 'several in one read');
    for (const { sequence, bytes, offset } of kept) {
      const { payload } = eventOf({ sequence, recordedAt: 0, bytes, offset, length: 0 });
      deepStrictEqual(payload, events[sequence - 1]!.payload);
    }
  });
}

function addTopicChecks(checks: Checks): void {
  checks.onNode('knows its topics', async (node) => {
    await node.commit([{ topic: 'a' }], 1000);
    await node.commit([{ topic: 'b' }, { topic: 'a' }], 1002);
    const [first, , last] = await node.stored();
    deepStrictEqual(node.log.topic('a'), {
      name: 'a',
      events: 2,
      firstSequence: 1,
      lastSequence: 3,
      firstAt: first?.recordedAt,
      lastAt: last?.recordedAt,
      prunedThrough: 0,
    });
    deepStrictEqual([node.log.hasTopic('b'), node.log.hasTopic('none')], [true, false]);
    strictEqual(node.log.topic('none'), undefined);
  });

  checks.onNode('lists each topic once, page by page', async (node) => {
    const names = range(1, 50).map((n) => `topic.${n}`);
    await node.commit([...names, ...names].map((topic) => ({ topic })));
    const listed: string[] = [];
    let after = 0;
    do {
      after = node.log.scanTopics(after, 7, ({ name, events, lastSequence }) => {
        strictEqual(events, 2, name);
        strictEqual(lastSequence, 51 + names.indexOf(name), name);
        listed.push(name);
      });
    } while (after > 0);
    deepStrictEqual(listed.sort(), names.sort());
  });
}

function addHistoryChecks(checks: Checks): void {
  checks.onNode('reads history forwards, backwards, and through a filter', async (node) => {
    const events = range(1, 60).map((n) => ({
      topic: `t.${n % 3}`,
      source: n % 2 === 0 ? 'even' : 'odd',
      id: `h-${n}`,
    }));
    await node.commit(events);
    const wanted = async (
      request: Omit<Parameters<StoreNode['history']>[0], 'limit'>,
      limit = 99,
    ) => (await node.history({ ...request, limit })).map(({ sequence }) => sequence);
    deepStrictEqual(await wanted({}), range(1, 60));
    deepStrictEqual(await wanted({ until: 4 }), range(1, 4));
    deepStrictEqual(await wanted({ reverse: true }, 3), [60, 59, 58]);
    deepStrictEqual(await wanted({ filter: { topics: ['t.0'] } }, 3), [3, 6, 9]);
    deepStrictEqual(await wanted({ filter: { topics: ['*'], sources: ['even'] } }, 3), [2, 4, 6]);
    deepStrictEqual(await wanted({ id: 'h-7' }), [7]);
    const listed = { after: 6, until: 50, sequences: [7, 9, 40, 50] };
    deepStrictEqual(await wanted(listed, 4), [7, 9, 40, 50]);
    deepStrictEqual(await wanted({ ...listed, limitBytes: 1 }, 4), [7, 9, 40, 50]);
    deepStrictEqual(await wanted({ ...listed, reverse: true }, 4), [50, 40, 9, 7]);
    deepStrictEqual(await wanted({ limitBytes: 1 }), range(1, 60));
  });
}

async function sequencesOf(node: StoreNode, request: ReadRequest, stopAt = 0): Promise<number[]> {
  const sequences: number[] = [];
  const count = await node.read(request, ({ sequence }) => {
    sequences.push(sequence);
    return sequence !== stopAt;
  });
  strictEqual(count, sequences.length, 'how many it says it showed');
  return sequences;
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}
