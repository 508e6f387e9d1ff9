import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../src/protocol/errors.js';
import { categoryOf } from '../../src/protocol/event.js';
import { typeFault } from '../../src/protocol/event-fields.js';
import { checkEventInput } from '../../src/protocol/event-input.js';

const GOOD = { topic: 'worker.1.progress', type: 'worker_progress', payload: null };

describe('an event', () => {
  it.each<[string, object]>([
    ['topic, type and payload', {}],
    ['a source', { source: 'Ünal' }],
    ['a source of 255 bytes', { source: 'é'.repeat(127) }],
    ['fields that are undefined', { source: undefined, id: undefined, attributes: undefined }],
    ['ids', { id: 'A-z_09', causationId: 'x'.repeat(64), correlationId: 'run 1' }],
    ['attributes', { attributes: { agentId: 'a', note: '' } }],
    ['no attributes at all', { attributes: {} }],
    ['an attribute value of 1024 bytes', { attributes: { k: 'é'.repeat(512) } }],
    ['a timestamp as text', { timestamp: '2026-01-31T23:59:59.123Z' }],
    ['a Date', { timestamp: new Date(0) }],
    ['a type of 255 characters', { type: 'a'.repeat(255) }],
    ['a type as CloudEvents have it', { type: 'com.example.Order-Created' }],
    ['a topic that is not ASCII', { topic: 'größe.文件' }],
  ])('with %s is valid', (_what, fields) => {
    expect(() => checkEventInput({ ...GOOD, ...fields })).not.toThrow();
  });

  it('may be of any class, or without a prototype', () => {
    class Progress {
      type = 'worker_progress';
      payload = 1;
      get topic() {
        return 'worker.1';
      }
    }
    expect(() => checkEventInput(new Progress())).not.toThrow();
    expect(() => checkEventInput(Object.assign(Object.create(null), GOOD))).not.toThrow();
  });

  const seventeen = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v']));
  const refused: [object, string, string][] = [
    [{ type: undefined }, 'type', 'type is undefined; an event has one'],
    [{ type: null }, 'type', 'type null is not a string'],
    [{ type: '' }, 'type', 'type is empty'],
    [{ type: 'worker progress' }, 'type', 'U+0020 at offset 6'],
    [{ type: 'a\tb' }, 'type', 'U+0009'],
    [{ type: 'a'.repeat(256) }, 'type', 'longer than 255 bytes'],
    [{ type: 'a\n' }, 'type', '"a\\n"'],
    [{ source: '' }, 'source', 'source is empty'],
    [{ attributes: new Map([['tenant', '7']]) }, 'attributes', 'attributes are a Map'],
    [{ attributes: new Set(['tenant']) }, 'attributes', 'are a Set'],
    [{ source: 7 }, 'source', 'source 7 is not a string'],
    [{ source: null }, 'source', 'source null is not a string'],
    [{ source: 'é'.repeat(128) }, 'source', 'longer than 255 bytes'],
    [{ source: 'a\ud83d' }, 'source', 'half a surrogate pair at offset 1'],
    [{ correlationId: '' }, 'correlationId', 'correlationId is empty'],
    [{ correlationId: 'x'.repeat(256) }, 'correlationId', 'longer than 255 bytes'],
    [{ causationId: '' }, 'causationId', 'causationId "" is not 1 to 64 characters'],
    [{ causationId: 'a b' }, 'causationId', '"a b"'],
    [{ id: '' }, 'id', 'id "" is not 1 to 64'],
    [{ id: 'x'.repeat(65) }, 'id', 'is not 1 to 64 characters'],
    [{ id: 'a.b' }, 'id', '"a.b"'],
    [{ id: 'é' }, 'id', '"é"'],
    [{ id: 12 }, 'id', 'id 12 is not a string'],
    [{ attributes: null }, 'attributes', 'attributes null'],
    [{ attributes: ['a'] }, 'attributes', 'attributes an array'],
    [{ attributes: 'a' }, 'attributes', 'attributes "a"'],
    [{ attributes: { k: 1 } }, 'attributes', 'attribute 1 is not a string (key "k")'],
    [{ attributes: { k: undefined } }, 'attributes', 'undefined is not a string (key "k")'],
    [{ attributes: { '': 'v' } }, 'attributes', 'attribute key is empty'],
    [{ attributes: { ['k'.repeat(65)]: 'v' } }, 'attributes', 'longer than 64 bytes'],
    [{ attributes: { k: 'v'.repeat(1025) } }, 'attributes', 'longer than 1024 bytes'],
    [{ attributes: { k: '\udc00' } }, 'attributes', 'half a surrogate pair'],
    [{ attributes: JSON.parse('{"__proto__":"v"}') }, 'attributes', '"__proto__" is refused'],
    [{ attributes: seventeen }, 'attributes', 'there are more than 16 attributes'],
    [{ timestamp: 'yesterday' }, 'timestamp', '"yesterday"'],
    [{ timestamp: 0 }, 'timestamp', 'timestamp 0'],
    [{ timestamp: new Date(Number.NaN) }, 'timestamp', 'a Date'],
    [{ sequence: 1 }, 'sequence', 'unknown field "sequence"'],
    [{ tpoic: 'x' }, 'tpoic', 'unknown field "tpoic" (did you mean topic?)'],
  ];
  it.each(refused.map(([fields, field, message]) => [field, message, fields] as const))(
    'is refused for its %s: %s',
    (field, message, fields) => {
      const error = refusal({ ...GOOD, ...fields });
      expect(error.code).toBe('EVENT_INVALID');
      expect(error.details).toEqual({ field });
      expect(error.message).toContain(message);
    },
  );

  it.each([undefined, '', 'a..b', 'a.*', '$sys.x', 5])('on topic %j is refused', (topic) => {
    expect(refusal({ ...GOOD, topic }).code).toBe('TOPIC_INVALID');
  });

  it.each([undefined, null, 'text', 7, [], [GOOD], () => GOOD])('cannot be %s', (input) => {
    expect(refusal(input).code).toBe('EVENT_INVALID');
  });

  it('is refused with a short message, however long the value', () => {
    expect(refusal({ ...GOOD, id: 'x'.repeat(1_000_000) }).message.length).toBeLessThan(250);
    expect(refusal({ ...GOOD, ['y'.repeat(100_000)]: 1 }).message.length).toBeLessThan(250);
  });

  it('is accepted or refused with a BusError, whatever it is', () => {
    const near = fc.record(
      {
        topic: fc.oneof(fc.constant('a.b'), fc.anything()),
        type: fc.oneof(fc.constant('a_b'), fc.anything()),
        payload: fc.anything(),
        source: fc.oneof(fc.string({ unit: 'binary' }), fc.anything()),
        attributes: fc.oneof(fc.dictionary(fc.string(), fc.anything()), fc.anything()),
        timestamp: fc.oneof(fc.date({ noInvalidDate: false }), fc.anything()),
        id: fc.anything(),
      },
      { requiredKeys: [] },
    );
    const inputs = fc.oneof(fc.anything({ withNullPrototype: true, withBigInt: true }), near);
    fc.assert(
      fc.property(inputs, (input) => {
        try {
          checkEventInput(input);
        } catch (error) {
          expect(error).toBeInstanceOf(BusError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a type', () => {
  const good = ['order.created', 'com.example.orderPlaced.v2', 'Order-Created!', 'été', '📦', 'x'];
  it.each([...good, 'x'.repeat(255)])('%s is valid', (type) => {
    expect(typeFault(type)).toBeUndefined();
  });

  it.each<[unknown, string]>([
    ['', 'is empty'],
    ['order created', 'U+0020 at offset 5'],
    ['order\n', 'U+000A'],
    ['a\u00a0b', 'U+00A0'],
    ['a\u202eb', 'U+202E'],
    ['a\u200bb', 'U+200B'],
    ['a\u0085b', 'U+0085'],
    ['\ud800', 'half a surrogate pair'],
    ['x'.repeat(256), 'longer than 255 bytes'],
    ['é'.repeat(128), 'longer than 255 bytes'],
    [7, '7 is not a string'],
  ])('%j is invalid', (type, reason) => {
    expect(typeFault(type)).toContain(reason);
  });
});

describe('a type', () => {
  it('has its first word as category', () => {
    expect(categoryOf('agent_status_changed')).toBe('agent');
    expect(categoryOf('ping')).toBe('ping');
    expect(categoryOf('order.created_late')).toBe('order');
    expect(categoryOf('com.example.thing')).toBe('com');
  });
});

function refusal(input: unknown): BusError {
  try {
    checkEventInput(input);
  } catch (error) {
    if (error instanceof BusError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
