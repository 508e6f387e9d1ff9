import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../src/protocol/errors.js';
import { isDeeperThan } from '../../src/protocol/json-depth.js';
import { JSON_DEPTH_MAX } from '../../src/protocol/limits/events.js';
import { MIB } from '../../src/protocol/limits/units.js';
import { payloadText } from '../../src/protocol/payload.js';

describe('a payload', () => {
  it('is the text that JSON.stringify makes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(payloadText(value, MIB)).toBe(JSON.stringify(value));
      }),
    );
    expect(payloadText({ a: undefined, b: [undefined, () => 1], c: Number.NaN }, MIB)).toBe(
      '{"b":[null,null],"c":null}',
    );
    expect(payloadText(new Date(0), MIB)).toBe('"1970-01-01T00:00:00.000Z"');
    expect(payloadText('\ud83d', MIB)).toBe('"\\ud83d"');
  });

  it.each([
    [undefined, 'undefined'],
    [() => 1, 'a function'],
    [Symbol('x'), 'a symbol'],
    [{ toJSON: () => undefined }, 'an object whose toJSON gives nothing'],
    [12n, 'payload is a BigInt'],
    [{ a: [1, { b: 2n }] }, 'payload.a[1].b is a BigInt'],
    [cycle(), 'payload.list[0] refers back to an object that contains it: a cycle'],
  ])('%o is refused, with the place', (value, message) => {
    const error = refusal(value);
    expect(error.code).toBe('PAYLOAD_INVALID');
    expect(error.message).toContain(message);
  });

  it('may hold the same object twice', () => {
    const shared = { a: 1 };
    expect(payloadText([shared, shared], MIB)).toBe('[{"a":1},{"a":1}]');
  });

  it('whose toJSON or getter throws is refused with the cause', () => {
    const cause = new Error('not today');
    const fail = () => {
      throw cause;
    };
    for (const value of [
      { toJSON: fail },
      Object.defineProperty({}, 'a', { get: fail, enumerable: true }),
    ]) {
      const error = refusal(value);
      expect(error.code).toBe('PAYLOAD_INVALID');
      expect(error.message).toContain('not today');
      expect(error.cause).toBe(cause);
    }
  });

  it('is measured in bytes of UTF-8', () => {
    expect(payloadText('aaaaaaaa', 10)).toBe('"aaaaaaaa"');
    const tooLong = refusal('aaaaaaaaa', 10);
    expect(tooLong.code).toBe('PAYLOAD_TOO_LARGE');
    expect(tooLong.details).toEqual({ bytes: 11, limit: 10 });
    expect(payloadText('éééé', 10)).toBe('"éééé"');
    expect(refusal('ééééé', 10).details).toEqual({ bytes: 12, limit: 10 });
    expect(refusal('文文文', 10).details).toEqual({ bytes: 11, limit: 10 });
    expect(refusal('🚂🚂a', 10).details).toEqual({ bytes: 11, limit: 10 });
  });

  it('may be nested as deep as the limit and no deeper', () => {
    for (const wrap of [(x: unknown) => [x], (x: unknown) => ({ a: x })]) {
      const deepest = nested(JSON_DEPTH_MAX, wrap);
      expect(payloadText(deepest, MIB)).toBe(JSON.stringify(deepest));
      expect(refusal(wrap(deepest)).code).toBe('PAYLOAD_INVALID');
      expect(refusal([['x'], wrap(deepest), { b: 1 }]).message).toContain('deeper than 64 levels');
    }
    // The shortest text that is too deep.
    expect(refusal(nested(JSON_DEPTH_MAX, (x) => (x === 7 ? [[]] : [x]))).code).toBe(
      'PAYLOAD_INVALID',
    );
    const hopeless = refusal(nested(100_000, (x) => [x]));
    expect(hopeless.code).toBe('PAYLOAD_INVALID');
    expect(hopeless.message).toContain('deeper than 64 levels');
  });

  it('with many brackets, also in its strings, does not count as deep', () => {
    const wide = Array.from({ length: 500 }, (_, i) => ({ i, text: '[[{"\\' }));
    expect(payloadText(wide, MIB)).toBe(JSON.stringify(wide));
    expect(payloadText('['.repeat(1000), MIB)).toHaveLength(1002);
  });

  it('is accepted or refused with a BusError, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withDate: true }), (value) => {
        try {
          expect(JSON.parse(payloadText(value, 200))).toBeDefined();
        } catch (error) {
          expect(error).toBeInstanceOf(BusError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('JSON text', () => {
  it('is as deep as its value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.integer({ min: 0, max: 8 }), (value, depth) => {
        expect(isDeeperThan(JSON.stringify(value), depth)).toBe(depthOf(value) > depth);
      }),
      { numRuns: 1000 },
    );
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value = wrap(7);
  for (let level = 1; level < depth; level++) value = wrap(value);
  return value;
}

function cycle(): object {
  const list: unknown[] = [];
  const value = { list };
  list.push(value);
  return value;
}

function refusal(payload: unknown, maxBytes: number = MIB): BusError {
  try {
    payloadText(payload, maxBytes);
  } catch (error) {
    if (error instanceof BusError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
