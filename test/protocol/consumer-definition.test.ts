import { describe, expect, it } from 'vitest';
import {
  assertConsumerName,
  assertSameDefinition,
  definitionDifferences,
  keyAttribute,
  needsNothingOpen,
  parseConsumerOptions,
  parseDefinition,
} from '../../src/protocol/consumer-definition.js';
import type { ConsumerOptions } from '../../src/protocol/consumers.js';
import type { BusError } from '../../src/protocol/errors.js';

const filter = 'orders.*';

function definitionOf(options: Partial<ConsumerOptions>) {
  return parseConsumerOptions({ filter, ...options }).definition;
}

function failureOf(call: () => unknown): BusError {
  try {
    call();
  } catch (error) {
    return error as BusError;
  }
  throw new Error('it was taken');
}

describe('the definition of a consumer', () => {
  it('is completed with its defaults, and frozen', () => {
    const { definition, from, isUpdate } = parseConsumerOptions({ filter });
    expect({ from, isUpdate }).toEqual({ from: 'now', isUpdate: false });
    expect(definition).toEqual({
      filter: { topics: ['orders.*'] },
      order: 'none',
      priority: [],
      leaseMs: 30_000,
      maxAttempts: 5,
      backoffMs: [1000, 10_000, 60_000],
      maxInFlight: 1000,
      maxAhead: 10_000,
      ackDurability: 'synced',
    });
    const { filter: parsed, priority, backoffMs } = definition;
    expect([definition, parsed, priority, backoffMs].every(Object.isFrozen)).toBe(true);
  });

  it('is the same after it was stored as JSON', () => {
    const definition = definitionOf({
      filter: { topics: ['orders.*'], types: ['order_created'] },
      order: 'attributes.customer id',
      deadLetter: 'dead.mailer',
    });
    expect(parseDefinition(JSON.parse(JSON.stringify(definition)))).toEqual(definition);
    expect(failureOf(() => parseDefinition({ ...definition, from: 'now' })).message).toContain(
      'from: is unknown',
    );
  });

  it('tells every fault at once', () => {
    const options: object = {
      filter,
      order: 'attributes.',
      priority: ['a..b'],
      leaseMs: 99,
      maxAttempts: 0,
      backoffMs: [],
      maxInFlight: 100_001,
      maxAhead: 0.5,
      deadLetter: 'dead.*',
      ackDurability: 'none',
      from: 'tomorrow',
      update: 1,
      ordr: 'none',
    };
    const { code, details } = failureOf(() => parseConsumerOptions(options as ConsumerOptions));
    expect(code).toBe('OPTION_INVALID');
    const faults = details!.faults as { path: string; message: string }[];
    expect(faults.map(({ path }) => path)).toEqual(Object.keys(options).slice(1));
    expect(faults.at(-1)!.message).toContain('did you mean order?');
  });

  it.each<[Partial<ConsumerOptions>, string]>([
    [{ order: 'subject' as 'none' }, 'none, topic, source, correlationId, attributes.NAME'],
    [{ order: 'attributes.__proto__' }, 'attribute key "__proto__" is refused'],
    [{ priority: Array(9).fill('orders.a') }, '0 to 8 patterns, not 9'],
    [{ priority: ['a#', 'a.#'] }, '[1]: pattern "a.#"'],
    [{ priority: ['orders.a'], order: 'topic' }, 'needs order none, not topic'],
    [
      { priority: ['orders.a', 'bills.a'] },
      'priority[1]: "bills.a" matches no topic of the filter',
    ],
    [{ backoffMs: [1, -1] }, '[1]: has to be a whole number from 0 to 2592000000, not -1'],
    [{ backoffMs: 5 as never }, 'an array of waits, not 5'],
    [{ leaseMs: 86_400_001 }, '100 to 86400000'],
    [{ maxAttempts: 1001 }, '1 to 1000'],
    [{ deadLetter: '$sys.dead' }, 'starts with "$"'],
    [{ deadLetter: 'orders.dead' }, 'the consumer would get its own dead letters'],
    [{ from: { last: 0 } }, 'last: 0 is not a whole number'],
  ])('refuses %j', (options, message) => {
    const failure = failureOf(() => definitionOf(options));
    expect(failure).toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it('refuses a filter as a subscription does', () => {
    expect(failureOf(() => definitionOf({ filter: 'a..b' }))).toMatchObject({
      code: 'PATTERN_INVALID',
      details: { path: 'filter[0]' },
    });
    expect(failureOf(() => parseConsumerOptions({} as ConsumerOptions)).code).toBe(
      'FILTER_INVALID',
    );
  });

  it('names the attribute that is its key', () => {
    expect(
      ['none', 'source', 'attributes.a.b'].map((order) => keyAttribute(order as 'none')),
    ).toEqual([undefined, undefined, 'a.b']);
  });
});

describe('two definitions', () => {
  const one = definitionOf({
    filter: { topics: ['a', 'b'], attributes: { x: ['1', '2'], y: ['3'] } },
  });

  it('are the same whatever the order of what a filter lists', () => {
    const other = definitionOf({
      filter: { topics: ['b', 'a'], attributes: { y: ['3'], x: ['2', '1'] } },
    });
    expect(definitionDifferences(one, other)).toEqual([]);
    assertSameDefinition('mailer', one, other);
  });

  it.each<[Partial<ConsumerOptions>, string[], boolean]>([
    [{ filter: 'a' }, ['filter'], false],
    [{ filter: { topics: ['a', 'b'], types: ['t'] } }, ['filter'], false],
    [{ leaseMs: 1000, backoffMs: [1] }, ['backoffMs', 'leaseMs'], false],
    [{ deadLetter: 'dead' }, ['deadLetter'], false],
    [{ order: 'topic' }, ['order'], true],
    [{ priority: ['b', 'a'] }, ['priority'], true],
  ])('with %j differ in %j', (options, fields, isBusy) => {
    const other = definitionOf({ filter: one.filter, ...options });
    expect(definitionDifferences(one, other)).toEqual(fields);
    expect(needsNothingOpen(definitionDifferences(one, other))).toBe(isBusy);
    expect(failureOf(() => assertSameDefinition('mailer', one, other))).toMatchObject({
      code: 'CONSUMER_EXISTS',
      message: `consumer "mailer" exists with another ${fields.join(', ')}; update: true would change it`,
      details: { consumer: 'mailer', fields },
    });
  });

  it('differ if priorities are in another order', () => {
    const [ab, ba] = [
      ['a', 'b'],
      ['b', 'a'],
    ].map((priority) => definitionOf({ filter: one.filter, priority }));
    expect(definitionDifferences(ab!, ba!)).toEqual(['priority']);
  });
});

describe("a consumer's name", () => {
  it('has segments, as a topic', () => {
    for (const name of ['mailer', 'team.mailer', 'é']) assertConsumerName(name);
  });

  it.each([
    [undefined, 'is not a string'],
    ['', 'is empty'],
    ['team.*', 'wildcard'],
    ['a b', 'whitespace'],
    ['$sys', 'starts with "$"'],
    ['x'.repeat(129), 'longer than 128 bytes'],
  ])('%j is refused', (name, message) => {
    const failure = failureOf(() => assertConsumerName(name));
    expect(failure.code).toBe('OPTION_INVALID');
    expect(failure.message).toMatch(/^consumer: name: the name /);
    expect(failure.message).toContain(message);
  });
});
