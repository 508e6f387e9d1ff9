import fc from 'fast-check';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import { compileSearch } from '../../src/dashboard/search/match.js';
import { parseSearch } from '../../src/dashboard/search/parse.js';
import {
  EACH,
  OPERATORS,
  type Path,
  type Search,
  SearchFault,
  type Wanted,
} from '../../src/dashboard/search/search.js';

const EVENT: Event = {
  id: 'one',
  topic: 'orders.new',
  type: 'order_created',
  source: 'shop',
  timestamp: '2026-01-31T12:00:00.000Z',
  correlationId: 'run-1',
  attributes: { customer: '7', 'two words': 'yes' },
  shard: 0,
  sequence: 12,
  payload: {
    order: { total: 120.5, paid: false, note: null, code: '007' },
    items: [
      { sku: 'A-1', count: 2 },
      { sku: 'B-2', count: 10 },
    ],
    'a.b': 'dots',
    title: 'Ten green Bottles',
  },
};

function matches(text: string, event: Event = EVENT): boolean {
  return compileSearch(parseSearch(text)!)(event);
}

function faultOf(text: string): SearchFault | undefined {
  try {
    parseSearch(text);
    return undefined;
  } catch (error) {
    if (error instanceof SearchFault) return error;
    throw error;
  }
}

describe('a search', () => {
  it.each([
    'green',
    'GREEN bottles',
    '"green Bottles"',
    'sku',
    '120.5',
    'payload.order.total > 100',
    'payload.order.total>=120.5',
    'payload.order.total <= 120.5 payload.order.total != 3',
    'payload.order.paid = false',
    'payload.order.note = null',
    'payload.order.code = 007',
    'payload.order.code = "007"',
    'payload.order.note exists',
    'not payload.order.missing exists',
    'payload.items[1].sku = B-2',
    'payload.items[*].count > 9',
    'payload.items.0.sku = A-1',
    'payload."a.b" = dots',
    'payload.title ~ "GREEN b"',
    'payload ~ b-2',
    'attributes.customer = 7',
    'attributes."two words" = yes',
    'topic = orders.new and type ~ created',
    'source = other or source = shop',
    'timestamp > 2026-01-31 timestamp < "2026-02-01"',
    'sequence = 12',
    '(blue or green) not (red or payload.order.total < 5)',
  ])('finds the event with %s', (text) => {
    expect(matches(text)).toBe(true);
  });

  it.each([
    'blue',
    'payload.order.total > 120.5',
    'payload.order.total = "120.5"',
    'payload.order.missing != 1',
    'payload.order.code > 1',
    'payload.items[2] exists',
    'payload.items.length exists',
    'payload.constructor exists',
    'payload.items[*].count > 10',
    'correlationId = run-2',
    'causationId exists',
    'not green',
    'green and blue',
  ])('does not find it with %s', (text) => {
    expect(matches(text)).toBe(false);
  });

  it('binds "and" closer than "or", and "not" closest', () => {
    expect(parseSearch('a or b and not c d')).toEqual(
      parseSearch('(a) or ((b) and (not c) and (d))'),
    );
  });

  it('is no search where there is nothing', () => {
    expect(parseSearch('  ')).toBeUndefined();
  });

  it.each([
    ['payload.total >', 14, 'value is missing'],
    ['total > 5', 0, 'Did you mean "payload.total"'],
    ['payload.order.total', 0, 'payload.order.total exists'],
    ['(green', 0, 'never closed'],
    ['green)', 5, 'closes no ('],
    ['a "open', 2, 'never closed'],
    ['a or', 4, 'missing at the end'],
    ['<script>', 0, 'in quotes it is a text'],
    ['payload.items[x] = 1', 13, 'Brackets hold a number'],
    ['payload..a = 1', 7, 'name is missing'],
    ['topic.a = 1', 0, 'topic has no parts'],
    ['"a" = 1', 4, 'write a path'],
    ['a and and', 6, 'a word of the language'],
    ['""', 0, 'empty'],
    ['"\\x"', 0, 'written as in JSON'],
  ])('says where %s is wrong, and how', (text, at, part) => {
    const fault = faultOf(text);
    expect(fault?.message).toContain(part);
    expect(fault?.at).toBeGreaterThanOrEqual(0);
    if (part !== 'write a path') expect(fault?.at).toBe(at);
  });

  it('has a bounded length', () => {
    expect(faultOf('a '.repeat(2000))?.message).toContain('at most 2000');
    expect(matches(`${'('.repeat(900)}green${')'.repeat(900)}`)).toBe(true);
  });

  it('is read or refused, whatever the text', () => {
    const piece = fc.constantFrom(
      '(',
      ')',
      '"',
      '.',
      '[',
      ']',
      '*',
      '=',
      '!',
      '>',
      ' ',
      '\\',
      'not',
    );
    const word = fc.constantFrom('payload', 'and', 'or', 'exists', 'a', '0', '\n', 'é');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.oneof(piece, word), { maxLength: 20 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (given) => {
        const fault = faultOf(given);
        if (fault !== undefined) expect(fault.at).toBeLessThanOrEqual(given.length);
        else if (parseSearch(given) !== undefined) matches(given);
      }),
    );
  });

  it('reads what it says, however it is written', () => {
    fc.assert(
      fc.property(anySearch(), (search) => {
        expect(parseSearch(written(search))).toEqual(search);
      }),
    );
  });
});

const name = fc.oneof(
  fc.constantFrom('order', 'total', 'two words', 'a.b', '"', '\\'),
  fc.string(),
);

function anyPath(): fc.Arbitrary<Path> {
  const step = fc.oneof(name, fc.nat({ max: 99 }), fc.constant<typeof EACH>(EACH));
  return fc.record({
    field: fc.constant('payload' as const),
    steps: fc.array(step, { maxLength: 4 }),
  });
}

function anySearch(): fc.Arbitrary<Search> {
  const wanted: fc.Arbitrary<Wanted> = fc.oneof(
    fc.record({ text: fc.string(), isQuoted: fc.constant(true) }),
    fc.record({
      text: fc.constantFrom('5', '-2.5', 'true', 'a-b.c'),
      isQuoted: fc.constant(false),
    }),
  );
  const leaf: fc.Arbitrary<Search> = fc.oneof(
    fc.record({ kind: fc.constant('text' as const), text: fc.string({ minLength: 1 }) }),
    fc.record({ kind: fc.constant('exists' as const), path: anyPath() }),
    fc.record({
      kind: fc.constant('compare' as const),
      path: anyPath(),
      operator: fc.constantFrom(...OPERATORS),
      value: wanted,
    }),
  );
  return fc.letrec<{ search: Search }>((tie) => ({
    search: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc.record({ kind: fc.constant('not' as const), inner: tie('search') }),
      fc.record({
        kind: fc.constantFrom('and' as const, 'or' as const),
        parts: fc.array(tie('search'), { minLength: 2, maxLength: 3 }),
      }),
    ),
  })).search;
}

function written(search: Search): string {
  switch (search.kind) {
    case 'text':
      return JSON.stringify(search.text);
    case 'exists':
      return `${writtenPath(search.path)} exists`;
    case 'compare': {
      const { text, isQuoted } = search.value;
      const value = isQuoted ? JSON.stringify(text) : text;
      return `${writtenPath(search.path)} ${search.operator} ${value}`;
    }
    case 'not':
      return `not (${written(search.inner)})`;
    default:
      return search.parts.map((one) => `(${written(one)})`).join(` ${search.kind} `);
  }
}

function writtenPath({ field, steps }: Path): string {
  const parts = steps.map((step) => {
    if (step === EACH) return '[*]';
    return typeof step === 'number' ? `[${step}]` : `.${JSON.stringify(step)}`;
  });
  return field + parts.join('');
}
