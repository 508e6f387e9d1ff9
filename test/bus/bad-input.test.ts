import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { EventInput } from '../../src/protocol/event.js';
import { gather } from './support/collector.js';
import { refused, subscriptionRefused } from './support/failures.js';
import { openBus } from './support/millrace.js';
import { type BadValue, badRows, show } from './support/tables.js';
import { within } from './support/wait.js';

/**
 * Everything malformed that a program can hand to an open bus: it gets a typed error that names the value, and
 * at the end nothing has been stored and no thread has died.
 */
let bus: Bus;

beforeAll(async () => {
  bus = await openBus({ dir: ':memory:', shards: 2 });
});

afterAll(() => bus.close());

const note: EventInput = { topic: 'notes.one', type: 'chat_message', payload: 1 };

const malformedTopics: BadValue[] = [
  ['', '""'],
  ['.', '"."'],
  ['a.', '"a."'],
  ['.a', '".a"'],
  ['a..b', '"a..b"'],
  ['a b', '"a b"'],
  ['a\tb', '"a\\tb"'],
  ['a\nb'],
  ['a\u0000b'],
  ['a\u007fb'],
  ['a\u0085b'],
  ['a\u00a0b'],
  ['a\u2028b'],
  ['a\ufeff'],
  ['a\ud800', 'surrogate'],
  [Array(17).fill('a').join('.'), '17 segments'],
  ['x'.repeat(256), '255 bytes'],
  ['é'.repeat(128), '255 bytes'],
  [undefined, 'undefined'],
  [null, 'null'],
  [5, '5'],
  [true, 'true'],
  [{}, 'an object'],
  [['a'], 'an array'],
];
const wildcardTopics: BadValue[] = [['*', '"*"'], ['a.*'], ['a.+.b'], ['+'], ['a*b'], ['a+']];
const malformedPatterns: BadValue[] = [
  ['a*'],
  ['*a', '"*a"'],
  ['**'],
  ['a.**'],
  ['+a.b'],
  ['a.b+'],
  ['$*'],
];

describe('a malformed topic', () => {
  const owned: BadValue[] = [
    ['$sys.x', '$sys.x'],
    ['$', '$'],
  ];
  const rows = badRows([...malformedTopics, ...wildcardTopics, ...owned]);

  test.each(rows)('$shown is refused by every way to publish', async ({ value, names }) => {
    const input = { ...note, topic: value } as EventInput;
    await refused(() => bus.publish(input), 'TOPIC_INVALID', names);
    await refused(() => bus.publish(input, { persist: false }), 'TOPIC_INVALID', names);
    await refused(() => bus.publishMany([note, input]), 'TOPIC_INVALID', names);
    await refused(() => bus.tryPublish(input), 'TOPIC_INVALID', names);
  });

  test('is refused by subscribers(), as is a pattern', async () => {
    await refused(() => bus.subscribers('a..b'), 'TOPIC_INVALID', 'a..b');
    await refused(() => bus.subscribers('a.*'), 'TOPIC_INVALID', 'a.*');
  });
});

describe('a malformed pattern', () => {
  const texts = malformedTopics.filter(([value]) => typeof value === 'string');

  test.each(badRows([...texts, ...malformedPatterns]))(
    '$shown is refused wherever a pattern is taken',
    async ({ value, names }) => {
      const code = 'PATTERN_INVALID';
      const pattern = value as string;
      await subscriptionRefused(() => bus.subscribe(pattern), code, names);
      await subscriptionRefused(() => bus.subscribe(['a', pattern], () => {}), code, names);
      await subscriptionRefused(() => bus.subscribe({ topics: [pattern] }), code, names);
      await refused(() => bus.query({ topic: pattern }), code, names);
      await refused(() => gather(bus.read({ topic: ['a', pattern] })), code, names);
      await refused(() => bus.topics(pattern), code, names);
    },
  );
});

describe('a malformed event', () => {
  const long = 'x'.repeat(65);
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v']));
  type BadField = readonly [field: string, value: unknown, names?: string];
  const fields: readonly BadField[] = [
    ['type', undefined, 'undefined'],
    ['type', ''],
    ['type', 'two words', 'two words'],
    ['type', 'a\nb', 'U+000A'],
    ['type', 'a\u200bb', 'U+200B'],
    ['type', 'x'.repeat(256), '255'],
    ['type', 7, '7'],
    ['id', '', '""'],
    ['id', long, '64'],
    ['id', 'a b', 'a b'],
    ['id', 'a.b', 'a.b'],
    ['id', 'é', 'é'],
    ['id', 12, '12'],
    ['id', null, 'null'],
    ['source', 9, '9'],
    ['source', 'é'.repeat(128), '255'],
    ['correlationId', {}, 'an object'],
    ['correlationId', 'x'.repeat(256), '255'],
    ['causationId', 'a b', 'a b'],
    ['causationId', 1, '1'],
    ['timestamp', 'yesterday', 'yesterday'],
    ['timestamp', '2020-13-01T00:00:00Z', '2020-13'],
    ['timestamp', '2021-02-29T00:00:00Z', '2021-02-29'],
    ['timestamp', '2020-01-01', '2020-01-01'],
    ['timestamp', 1_600_000_000_000, '1600000000000'],
    ['timestamp', new Date(Number.NaN)],
    ['attributes', [], 'an empty array'],
    ['attributes', 'a=b', 'a=b'],
    ['attributes', { a: 1 }, '1'],
    ['attributes', { a: null }, 'null'],
    ['attributes', { a: undefined }, 'undefined'],
    ['attributes', { '': 'v' }],
    ['attributes', { [long]: 'v' }, '64'],
    ['attributes', { a: 'x'.repeat(1025) }, '1024'],
    ['attributes', many, '16'],
    ['atributes', { a: 'b' }, 'atributes'],
  ];

  const rows = fields.map(([field, value, names]) => ({ field, shown: show(value), value, names }));
  test.each(rows)('with $field $shown is refused', async ({ field, value, names }) => {
    const input = { ...note, [field]: value } as EventInput;
    await refused(() => bus.publish(input), 'EVENT_INVALID', names);
    await refused(() => bus.publishMany([note, input]), 'EVENT_INVALID', names);
    await refused(() => bus.tryPublish(input, { persist: false }), 'EVENT_INVALID', names);
  });

  const none: BadValue[] = [[undefined], [null], [5], ['event'], [[]], [() => {}]];
  test.each(badRows(none))('that is $shown is refused', async ({ value }) => {
    const input = value as EventInput;
    await refused(() => bus.publish(input), 'EVENT_INVALID');
    await refused(() => bus.publishMany([input]), 'EVENT_INVALID');
    await refused(() => bus.tryPublish(input), 'EVENT_INVALID');
  });

  test('in publishMany is refused, as is a list that is not one', async () => {
    const lists: readonly unknown[] = [undefined, null, 5, note, 'ab'];
    for (const value of lists) {
      const inputs = value as EventInput[];
      await refused(() => bus.publishMany(inputs), ['EVENT_INVALID', 'OPTION_INVALID']);
    }
    const tooMany = Array.from({ length: 65_537 }, () => note);
    await refused(() => bus.publishMany(tooMany), ['LIMIT_EXCEEDED', 'EVENT_INVALID'], '65536');
  });
});

describe('after all of these', () => {
  test('nothing is stored, no thread has died, and the bus works', async () => {
    const stats = await bus.stats();
    expect(stats).toMatchObject({ published: 0, delivered: 0, subscriptions: 0 });
    expect(stats.shards.map(({ restarts, head }) => [restarts, head])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(await gather(bus.read({ topic: '*' }))).toEqual([]);
    expect(await bus.topics()).toEqual([]);
    expect(await within('an ack', bus.publish(note))).toMatchObject({ sequence: 1 });
  });
});
