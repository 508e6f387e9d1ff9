import fc from 'fast-check';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import {
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
  replaySettingsOf,
  waitMs,
} from '../../src/dashboard/screens/publish/replay-plan.js';
import { topicsLike } from '../../src/dashboard/screens/publish/topics-like.js';
import {
  attributeFault,
  attributePair,
  attributeText,
} from '../../src/dashboard/text/attribute-pair.js';

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

  it('leaves out what was left empty', () => {
    const draft = { ...EMPTY_DRAFT, topic: ' a ', type: 't', payload: '[1]' };
    expect(inputOf(draft)).toEqual({ topic: 'a', type: 't', payload: [1] });
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
    expect(copyOf(EVENT, 'orders.again', 'replay-x', 7)).toEqual({
      topic: 'orders.again',
      type: 'order_created',
      payload: { total: 3 },
      source: 'shop',
      correlationId: 'run-1',
      causationId: 'e0',
      attributes: { region: 'eu', note: 'a=b', replayedFrom: 'e1' },
      id: 'replay-x-7',
    });
    const full = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`k${n}`, '']));
    expect(copyOf({ ...EVENT, attributes: full }, 't', 'r', 0).attributes).toEqual(full);
  });

  it('reads its range from the address, and ends where the dry run began', () => {
    const settings = replaySettingsOf(
      new URLSearchParams('topic=orders.*&type=t&since=2026-01-31T12:00:00Z&to=orders.new'),
    );
    expect(queryOf(settings, '2026-02-01T00:00:00Z')).toEqual({
      topic: ['orders.*'],
      types: ['t'],
      since: '2026-01-31T12:00:00Z',
      until: '2026-02-01T00:00:00Z',
    });
    expect(isLoop(settings)).toBe(true);
    expect(isLoop({ ...settings, target: 'other' })).toBe(false);
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
