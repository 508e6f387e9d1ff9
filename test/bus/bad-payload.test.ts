import { describe, expect, test } from 'vitest';
import type { BusOptions } from '../../src/main/bus.js';
import type { ErrorCode } from '../../src/protocol/errors.js';
import type { EventInput } from '../../src/protocol/event.js';
import { MIB } from '../../src/protocol/limits/units.js';
import { gather } from './support/collector.js';
import { refused } from './support/failures.js';
import { openBus } from './support/millrace.js';
import { openTestBus } from './support/open.js';
import { type BadValue, badRows } from './support/tables.js';

/** Payloads that have no JSON, or too much of it; and the options of a bus that make no sense. */
const note: EventInput = { topic: 'notes.one', type: 'chat_message', payload: 1 };

const cyclic: { self?: unknown; list: unknown[] } = { list: [] };
cyclic.list.push(cyclic);

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { value };
  return value;
}

describe('a payload', () => {
  const rows: readonly (readonly [what: string, payload: unknown, code?: ErrorCode])[] = [
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a BigInt', 5n],
    ['a BigInt deep inside', { a: [{ b: 5n }] }],
    ['a cycle', cyclic],
    ['a toJSON that throws', { toJSON: () => JSON.parse('{') }],
    ['a toJSON that gives nothing', { toJSON: () => undefined }],
    ['65 levels', nested(65)],
    ['100,000 levels', nested(100_000)],
    ['1 MiB and a byte', 'x'.repeat(MIB - 1), 'PAYLOAD_TOO_LARGE'],
    ['1 MiB and a byte in two-byte characters', `${'é'.repeat(MIB / 2 - 1)}x`, 'PAYLOAD_TOO_LARGE'],
    ['8 MiB', 'x'.repeat(8 * MIB), 'PAYLOAD_TOO_LARGE'],
  ];

  test('that is refused is not stored, and the bus goes on', async () => {
    const bus = await openTestBus({ shards: 1 });
    for (const [what, payload, code = 'PAYLOAD_INVALID'] of rows) {
      const input = { ...note, payload };
      const persist = what.length % 2 === 0;
      await refused(() => bus.publish(input, { persist }), code);
      await refused(() => bus.publishMany([note, input]), code);
      await refused(() => bus.tryPublish(input), code);
    }
    const missing = { topic: note.topic, type: note.type } as EventInput;
    await refused(() => bus.publish(missing), 'PAYLOAD_INVALID');
    expect(await gather(bus.read({ topic: '*' }))).toEqual([]);
    expect(await bus.publish(note)).toMatchObject({ sequence: 1 });
    expect((await bus.stats()).shards[0]).toMatchObject({ restarts: 0, published: 1 });
  });

  test('of 64 levels, of exactly 1 MiB, and of null, false, 0 and "" is taken', async () => {
    const bus = await openTestBus({ shards: 1 });
    const payloads = [nested(64), 'x'.repeat(MIB - 2), null, false, 0, '', [], {}];
    await bus.publishMany(payloads.map((payload) => ({ ...note, payload })));
    const stored = await gather(bus.read({ topic: '*' }));
    expect(stored.map(({ payload }) => payload)).toEqual(payloads);
  });

  test('has the size limit that is set for the bus', async () => {
    const bus = await openTestBus({ shards: 1, maxPayloadBytes: 10 });
    const error = await refused(
      () => bus.publish({ ...note, payload: 'x'.repeat(9) }),
      ['PAYLOAD_TOO_LARGE'],
    );
    expect(error.message).toContain('11');
    expect(error.message).toContain('10');
    await bus.publish({ ...note, payload: 'x'.repeat(8) });
  });

  test('whose toJSON or getter publishes another event is taken', async () => {
    const bus = await openTestBus({ shards: 1 });
    const inner: Promise<unknown>[] = [];
    const payload = {
      get text(): string {
        inner.push(bus.publish({ ...note, payload: 'inner' }));
        return 'outer';
      },
    };
    await bus.publish({ ...note, payload, source: 'outer', correlationId: 'c' });
    await Promise.all(inner);
    const stored = await gather(bus.read({ topic: '*' }));
    expect(stored.map((event) => [event.source, event.payload])).toEqual(
      expect.arrayContaining([
        ['outer', { text: 'outer' }],
        ['millrace', 'inner'],
      ]),
    );
    expect(stored).toHaveLength(1 + inner.length);
  });
});

describe('the options of a bus', () => {
  const rows: BadValue[] = [
    [{ dir: 5 }, '5'],
    [{ dir: '' }, '""'],
    [{ dir: process.execPath }, 'is a file'],
    [{ shards: 0 }, '0'],
    [{ shards: 17 }, '17'],
    [{ shards: 1.5 }, '1.5'],
    [{ shards: '2' }, '2'],
    [{ source: 5 }, '5'],
    [{ defaultPersist: 'no' }, 'no'],
    [{ noPersistTopics: 'a' }, 'a'],
    [{ noPersistTopics: ['a..b'] }, 'a..b', 'PATTERN_INVALID'],
    [{ retention: { maxAgeMs: 5 } }],
    [{ retention: [{ maxAgeMs: -1 }] }, '-1'],
    [{ retention: [{ maxEvents: 1.5 }] }, '1.5'],
    [{ retention: [{ maxBytes: '1 GB' }] }, '1 GB'],
    [{ retention: [{}] }],
    [{ retention: [{ pattern: 'a..b', maxEvents: 1 }] }, 'a..b', 'PATTERN_INVALID'],
    [{ ringBytes: 5000 }, '5000'],
    [{ ringBytes: 2048 }, '2048'],
    [{ ringBytes: 2 ** 30 }, '1073741824'],
    [{ commitBatchEvents: 0 }, '0'],
    [{ maxPayloadBytes: 0 }, '0'],
    [{ publishWaitMs: -1 }, '-1'],
    [{ publishWaitMs: Number.NaN }, 'NaN'],
    [{ dedupeWindowMs: -1 }, '-1'],
    [{ dedupeIdsMax: 0.5 }, '0.5'],
    [{ maxShardBytes: 'much' }, 'much'],
    [{ claimCheckBytes: 100 }, '100'],
    [{ onError: 'log' }, 'log'],
    [{ shard: 2 }, 'shard'],
  ];

  test.each(badRows(rows))('$shown are refused', async ({ value, names, code }) => {
    const codes: ErrorCode[] = ['OPTION_INVALID', ...(code ? [code] : [])];
    await refused(
      () => openBus({ dir: ':memory:', shards: 1, ...(value as BusOptions) }),
      codes,
      names,
    );
  });
});
