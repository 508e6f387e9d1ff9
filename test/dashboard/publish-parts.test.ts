import fc from 'fast-check';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import {
  attributesFault,
  draftOf,
  EMPTY_DRAFT,
  inputOf,
  optionsOf,
} from '../../src/dashboard/screens/publish/draft.js';
import { exampleOf } from '../../src/dashboard/screens/publish/example.js';
import {
  batchSizeOf,
  copyOf,
  isLoop,
  queryOf,
  rateOf,
  replaySettingsOf,
  sentenceOf,
  waitMs,
} from '../../src/dashboard/screens/publish/replay-plan.js';
import { checkPayload } from '../../src/dashboard/screens/publish/schema-check.js';
import { topicsLike } from '../../src/dashboard/screens/publish/topics-like.js';
import {
  attributeFault,
  attributePair,
  attributeText,
} from '../../src/dashboard/text/attribute-pair.js';
import { indentedJson } from '../../src/dashboard/text/indented-json.js';
import { holdsLongNumbers } from '../../src/dashboard/text/long-numbers.js';

const EVENT: Event = {
  id: 'e1',
  topic: 'orders.new',
  type: 'order_created',
  source: 'shop',
  timestamp: '2026-01-31T12:00:00.000Z',
  correlationId: 'run-1',
  causationId: 'e0',
  attributes: { region: 'eu', note: 'a=b' },
  shard: 0,
  sequence: 1,
  payload: { total: 3 },
};

describe('the event in the form', () => {
  it('becomes what an event was, without its id and time', () => {
    const draft = draftOf(EVENT, JSON.stringify(EVENT.payload));
    const { id: _, timestamp: __, shard: ___, sequence: ____, ...fields } = EVENT;
    expect(inputOf(draft)).toEqual(fields);
    expect(optionsOf(draft)).toEqual({ durability: 'synced', persist: true });
    expect(optionsOf({ ...draft, persist: false })).toEqual({ persist: false });
  });

  it('keeps the payload as it is typed, and tells attributes that cannot be one event’s', async () => {
    const payload = '{"id":9007199254740993,"many":1e400,"key":1,"key":2}';
    const input = inputOf({ ...EMPTY_DRAFT, topic: 'a', type: 't', payload });
    const fields = Object.getOwnPropertySymbols(input).map((key) => Reflect.get(input, key));
    expect(fields).toEqual([payload]);
    const event = { ...EVENT, attributes: { 'a=b': 'c', plain: 'd=e' } };
    expect(inputOf(draftOf(event, 'null')).attributes).toEqual(event.attributes);
    const twice = { ...EMPTY_DRAFT, attributes: ['a=1', 'b=2', 'a=3'] };
    expect(attributesFault(twice)).toBe('The attribute a is given twice.');
    expect(attributesFault({ ...twice, attributes: ['a=1', 'b=1'] })).toBeUndefined();
  });

  it('leaves out what was left empty', () => {
    const draft = { ...EMPTY_DRAFT, topic: ' a ', type: 't', payload: '[1]' };
    expect(inputOf(draft)).toEqual({ topic: 'a', type: 't', payload: [1] });
  });
});

describe('the check of a payload against a schema', () => {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    required: ['id', 'lines'],
    additionalProperties: false,
    properties: {
      id: { type: 'string' },
      total: { minimum: 1 },
      lines: { type: 'array', items: { $ref: '#/$defs/Line' } },
      to: { anyOf: [{ const: 'guest' }, { type: 'object', required: ['name'] }] },
      'two words': { enum: ['a', 'b'] },
    },
    $defs: { Line: { type: 'object', required: ['sku'] } },
  };
  const faults = (value: unknown) => checkPayload([schema], JSON.stringify(value)).faults;

  it('says in words where it does not fit, and nothing where it does', () => {
    expect(faults({ id: 'a', total: 1, lines: [{ sku: 1 }], to: { name: 'n' } })).toEqual([]);
    expect(faults(3)).toEqual(['payload: is of the type number; expected is "object".']);
    expect(faults({ id: 1, total: 0, lines: [{ sku: 1 }, {}], to: {}, extra: 1 })).toEqual([
      'payload.id: is of the type number; expected is "string".',
      'payload.total: 0 is less than 1.',
      'payload.lines[1]: "sku" is missing.',
      'payload.to: fits none of the alternatives.',
      'payload.extra: is not expected here.',
    ]);
    expect(faults({ id: '', lines: [], 'two words': 'c' })).toEqual([
      'payload."two words": the value does not match any of ["a","b"].',
    ]);
  });

  it('takes every schema of the topic, and shows a bounded number of faults', () => {
    const second = { properties: { id: { maxLength: 1 } } };
    const check = checkPayload([schema, second], '{"id":"ab"}');
    expect(check.faults).toHaveLength(2);
    const many = checkPayload([schema], JSON.stringify({ id: '', lines: Array(50).fill(0) }));
    expect([many.faults.length, many.more]).toEqual([5, 45]);
  });

  it('says that it cannot tell, for a schema that leads elsewhere and for a large payload', () => {
    const away = { $ref: 'https://example.com/order.json' };
    expect(checkPayload([away], '{}').unchecked).toContain('cannot be read here');
    expect(checkPayload([{ $ref: '#' }], '{}').unchecked).toContain('cannot be read here');
    expect(checkPayload([{ pattern: '(' }], '"a"').unchecked).toContain('cannot be read here');
    expect(checkPayload([schema], `"${'x'.repeat(40_000)}"`)).toMatchObject({
      faults: [],
      unchecked: 'a payload of more than 32,768 characters is not checked here',
    });
  });
});

describe('JSON with indentation', () => {
  it('is the same value, and keeps how numbers, texts and keys are written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value);
        const text = indentedJson(json);
        expect(text).toBe(JSON.stringify(value, null, 2));
        expect(indentedJson(text)).toBe(text);
      }),
    );
    const text = '{"id":9007199254740993, "a":[1.10,{}],"a":"\\u0041, \\"[x]"}';
    expect(indentedJson(text)).toBe(
      '{\n  "id": 9007199254740993,\n  "a": [\n    1.10,\n    {}\n  ],\n  "a": "\\u0041, \\"[x]"\n}',
    );
  });
});

describe('numbers that JavaScript may have rounded', () => {
  it('are those of more than 15 digits, and those that JSON has no text for', () => {
    for (const value of [2 ** 53, 0.1 + 0.2, Number.POSITIVE_INFINITY, -0]) {
      expect(holdsLongNumbers({ a: [{ b: value }] }), String(value)).toBe(true);
    }
    for (const value of [0, 1.5, 123456789012345, 1e300, '9007199254740993', null]) {
      expect(holdsLongNumbers([value]), String(value)).toBe(false);
    }
  });
});

describe('an attribute as a text', () => {
  it('is the same attribute again, whatever its key and value hold', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('=', 'a=b', '"', '"a"=', '\\', 'a"=b'));
    fc.assert(
      fc.property(text, text, (key, value) => {
        expect(attributePair(attributeText(key, value))).toEqual([key, value]);
      }),
    );
    expect(attributeText('region', 'a=b')).toBe('region=a=b');
    expect(attributeText('a=b', 'c')).toBe('"a=b"=c');
    for (const wrong of ['', 'region', '=eu', '"a"', '"a=b']) {
      expect(attributeFault(wrong), wrong).toContain('key=value');
    }
  });
});

describe('an example of a schema', () => {
  it('has the required members, with values that fit', () => {
    const schema = {
      type: 'object',
      required: ['id', 'total', 'lines', 'kind', 'buyer'],
      properties: {
        id: { type: 'string', minLength: 3 },
        total: { type: 'integer', minimum: 5 },
        lines: {
          type: 'array',
          items: { type: 'object', properties: { sku: { type: 'string' } } },
        },
        kind: { enum: ['new', 'old'] },
        buyer: { $ref: '#/$defs/Buyer' },
        note: { type: 'string' },
      },
      $defs: { Buyer: { anyOf: [{ const: 'guest' }, { type: 'string' }] } },
    };
    expect(exampleOf(schema)).toEqual({
      id: 'xxx',
      total: 5,
      lines: [{ sku: '' }],
      kind: 'new',
      buyer: 'guest',
    });
  });

  it('ends for a schema that refers to itself', () => {
    const schema = {
      $ref: '#/$defs/Node',
      $defs: {
        Node: { type: 'object', properties: { next: { $ref: '#/$defs/Node' } } },
        Loop: { $ref: '#/$defs/Loop' },
      },
    };
    expect(JSON.stringify(exampleOf(schema))).toContain('next');
    expect(exampleOf({ ...schema, $ref: '#/$defs/Loop' })).toBeNull();
  });
});

describe('a replay', () => {
  it('copies an event under a new id, and says of which event it is the copy', () => {
    expect(copyOf(EVENT, 'orders.again', 'replay-x')).toEqual({
      topic: 'orders.again',
      type: 'order_created',
      payload: { total: 3 },
      source: 'shop',
      correlationId: 'run-1',
      causationId: 'e0',
      attributes: { region: 'eu', note: 'a=b', replayedFrom: 'e1' },
      id: 'replay-x-0-1',
    });
    const full = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`k${n}`, '']));
    expect(copyOf({ ...EVENT, attributes: full }, 't', 'r').attributes).toEqual(full);
  });

  it('reads its range from the address', () => {
    const settings = replaySettingsOf(
      new URLSearchParams('topic=orders.*&type=t&since=2026-01-31T12:00:00Z&to=orders.new'),
    );
    expect(queryOf(settings)).toEqual({
      topic: ['orders.*'],
      types: ['t'],
      since: '2026-01-31T12:00:00Z',
    });
    expect(isLoop(settings)).toBe(true);
    expect(isLoop({ ...settings, target: 'other' })).toBe(false);
    expect(sentenceOf(settings)).toBe('events of orders.* to orders.new');
    for (const text of ['', '0', '5001', '1.5', 'fast']) expect(rateOf(text), text).toBeUndefined();
    expect(rateOf('5000')).toBe(5000);
  });

  it('keeps to its rate, whatever the rate and the speed of the bus are', () => {
    const slow = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.array(slow, { maxLength: 60 }),
        (rate, acks) => {
          const size = batchSizeOf(rate);
          let now = 0;
          let published = 0;
          for (const ack of acks) {
            now += waitMs(now, published, rate);
            published += size;
            now += ack;
            expect(published - size).toBeLessThanOrEqual((now * rate) / 1000 + 1e-6);
          }
        },
      ),
    );
  });
});

describe('known topics', () => {
  it('come first where they begin as the text does', () => {
    expect(topicsLike(['a.b', 'b.a', 'b.c'], 'b', 10)).toEqual(['b.a', 'b.c', 'a.b']);
    expect(topicsLike(['a.b', 'b.a', 'b.c'], 'b', 1)).toEqual(['b.a']);
  });
});
