import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Query, SubscribeOptions, Subscription } from '../../src/protocol/bus-api.js';
import type { ErrorCode } from '../../src/protocol/errors.js';
import type { EventInput, PublishOptions } from '../../src/protocol/event.js';
import { gather } from './support/collector.js';
import { refused, subscriptionRefused } from './support/failures.js';
import { openBus } from './support/millrace.js';
import { type BadValue, badRows } from './support/tables.js';

/**
 * Everything malformed that a program can ask of an open bus: options, filters, queries. It gets a typed error that
 * names the value, and at the end no subscription is there and no thread has died.
 */
let bus: Bus;

beforeAll(async () => {
  bus = await openBus({ dir: ':memory:', shards: 2 });
});

afterAll(() => bus.close());

const note: EventInput = { topic: 'notes.one', type: 'chat_message', payload: 1 };

describe('malformed options', () => {
  const rows: BadValue[] = [
    [{ durability: 'eventually' }, 'eventually'],
    [{ durability: 1 }, '1'],
    [{ persist: 'yes' }, 'yes'],
    [{ signal: {} }],
    [{ durabilty: 'synced' }, 'durabilty'],
  ];

  test.each(badRows(rows))('of a publish: $shown', async ({ value, names }) => {
    const options = value as PublishOptions;
    await refused(() => bus.publish(note, options), 'OPTION_INVALID', names);
    await refused(() => bus.publishMany([note], options), 'OPTION_INVALID', names);
    await refused(() => bus.tryPublish(note, options), 'OPTION_INVALID', names);
  });

  const subscribeRows: BadValue[] = [
    [{ from: 'yesterday' }, 'yesterday'],
    [{ from: 7 }, '7'],
    [{ from: null }, 'null'],
    [{ from: {} }],
    [{ from: { last: -1 } }, '-1'],
    [{ from: { last: 1.5 } }, '1.5'],
    [{ from: { last: '3' } }, '3'],
    [{ from: { last: Number.NaN } }, 'NaN'],
    [{ from: { since: 'a while ago' } }, 'a while ago'],
    [{ from: { since: new Date(Number.NaN) } }],
    [{ from: { last: 1, since: '2020-01-01T00:00:00Z' } }],
    [{ from: { after: 5 } }, '5', 'CURSOR_INVALID'],
    [{ overflow: 'explode' }, 'explode'],
    [{ maxBuffer: 0 }, '0'],
    [{ maxBuffer: -5 }, '-5'],
    [{ maxBuffer: 2.5 }, '2.5'],
    [{ maxBuffer: '10' }, '10'],
    [{ maxBuffer: 1_000_001 }, '1000001'],
    [{ name: 5 }, '5'],
    [{ signal: 'stop' }],
    [{ overfow: 'block' }, 'overfow'],
  ];

  test.each(badRows(subscribeRows))('of a subscription: $shown', async ({ value, names, code }) => {
    const options = value as SubscribeOptions;
    const codes: ErrorCode[] = ['OPTION_INVALID', ...(code ? [code] : [])];
    await subscriptionRefused(() => bus.subscribe('a', options), codes, names);
    await subscriptionRefused(() => bus.subscribe('a', () => {}, options), codes, names);
  });
});

describe('a malformed filter', () => {
  const rows: BadValue[] = [
    [null, 'null'],
    [5, '5'],
    [[], 'empty'],
    [{}, 'topics'],
    [{ topics: [] }, 'empty'],
    [{ topics: 7 }, '7'],
    [{ topic: 'a' }, 'topic'],
    [{ topics: ['a'], types: 'agent_log' }, 'agent_log'],
    [{ topics: ['a'], types: [1] }, '1'],
    [{ topics: ['a'], types: ['Not Snake'] }, 'Not Snake'],
    [{ topics: ['a'], types: [] }, 'empty'],
    [{ topics: ['a'], categories: ['agent_log'] }, 'agent_log'],
    [{ topics: ['a'], sources: [null] }, 'null'],
    [{ topics: ['a'], attributes: { a: 'b' } }, '"b"'],
    [{ topics: ['a'], attributes: [] }],
    [{ topics: ['a'], colour: ['red'] }, 'colour'],
    [Array.from({ length: 1025 }, (_, n) => `t.${n}`), '1024'],
  ];

  test.each(badRows(rows))('$shown is refused, by subscribe and by update', async (row) => {
    const filter = row.value as string[];
    await subscriptionRefused(() => bus.subscribe(filter), 'FILTER_INVALID', row.names);
    const subscription = bus.subscribe('a');
    await refused(() => subscription.update(filter), 'FILTER_INVALID', row.names);
    await subscription.unsubscribe();
  });
});

describe('a malformed query', () => {
  const rows: BadValue[] = [
    [null, 'null'],
    ['a', '"a"'],
    [{}, 'topic'],
    [{ topic: 5 }, '5', 'PATTERN_INVALID'],
    [{ topic: [] }, 'empty'],
    [{ topic: 'a', limit: 0 }, '0'],
    [{ topic: 'a', limit: -1 }, '-1'],
    [{ topic: 'a', limit: 1.5 }, '1.5'],
    [{ topic: 'a', limit: '5' }, '5'],
    [{ topic: 'a', limit: 10_001 }, '10001'],
    [{ topic: 'a', since: 'soon' }, 'soon'],
    [{ topic: 'a', until: 12 }, '12'],
    [{ topic: 'a', since: new Date(1), until: new Date(0) }, 'is after until'],
    [{ topic: 'a', attributes: new Map([['tenant', ['7']]]) }, 'a Map'],
    [{ topic: 'a', until: new Date(Number.NaN) }],
    [{ topic: 'a', after: 'garbage' }, 'garbage', 'CURSOR_INVALID'],
    [{ topic: 'a', after: 7 }, '7', 'CURSOR_INVALID'],
    [{ topic: 'a', types: 'agent_log' }, 'agent_log'],
    [{ topic: 'a', sources: [5] }, '5'],
    [{ topic: 'a', attributes: { a: 'b' } }, '"b"'],
    [{ topic: 'a', reverse: 'yes' }, 'yes'],
    [{ topic: 'a', limt: 5 }, 'limt'],
  ];

  test.each(badRows(rows))('$shown is refused', async ({ value, names, code }) => {
    const query = value as Query;
    const codes: ErrorCode[] = ['QUERY_INVALID', 'FILTER_INVALID', ...(code ? [code] : [])];
    await refused(() => bus.query(query), codes, names);
    // Only a query has a largest limit; a read may be of any size.
    const isTooLarge = (value as Partial<Query> | null)?.limit === 10_001;
    if (!isTooLarge) await refused(() => gather(bus.read(query)), codes, names);
  });
});

describe('a handler that is not a function', () => {
  test.each(['function', 5, null])('%o is refused', async (handler) => {
    const subscribe = (): Subscription => Reflect.apply(bus.subscribe, bus, ['a', handler, {}]);
    await subscriptionRefused(subscribe, 'OPTION_INVALID');
  });
});

describe('after all of these', () => {
  test('no subscription is left, no thread has died, and the bus works', async () => {
    const stats = await bus.stats();
    expect(stats).toMatchObject({ published: 0, delivered: 0, subscriptions: 0 });
    expect(stats.shards.map(({ restarts }) => restarts)).toEqual([0, 0]);
    expect(await bus.publish(note)).toMatchObject({ sequence: 1 });
  });
});
