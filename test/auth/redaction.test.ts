import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Masker, REDACTED } from '../../src/auth/masker.js';
import { Redaction } from '../../src/auth/redaction.js';
import { parseRedactionPath, redactionPathFault } from '../../src/auth/redaction-path.js';
import type { Event } from '../../src/protocol/event.js';
import { REDACTION_TOPICS_CACHED_MAX } from '../../src/protocol/limits/auth.js';
import { PatternSet } from '../../src/protocol/pattern-set.js';
import { keepPayloadText } from '../../src/protocol/payload-text.js';

const R = REDACTED;

function redact(value: unknown, ...paths: string[]): unknown {
  return new Masker(paths.map(parseRedactionPath)).mask(value);
}

function eventOn(topic: string, payload: unknown): Event {
  const timestamp = '2026-01-31T12:00:00.000Z';
  return { id: '1', topic, type: 'a', payload, source: 's', timestamp, shard: 0, sequence: 1 };
}

describe('a redaction path', () => {
  it.each<[path: string, payload: unknown, masked: unknown]>([
    ['$', { a: 1 }, R],
    ['$', null, R],
    ['$.a', { a: 1, b: 2 }, { a: R, b: 2 }],
    ['$.a', { a: null }, { a: R }],
    ['$.a', { a: { b: [1] } }, { a: R }],
    ['$.a.b', { a: { b: 1, c: 2 }, b: 3 }, { a: { b: R, c: 2 }, b: 3 }],
    ['$.a[*].b', { a: [{ b: 1 }, { c: 2 }, 3] }, { a: [{ b: R }, { c: 2 }, 3] }],
    ['$.a[0]', { a: [1, 2] }, { a: [R, 2] }],
    ['$.a[1].b', { a: [{ b: 1 }, { b: 2 }] }, { a: [{ b: 1 }, { b: R }] }],
    ['$[0]', [1, 2], [R, 2]],
    ['$[10]', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, R]],
    ['$[*]', [1, 2], [R, R]],
    ['$.*', { a: 1, b: [2] }, { a: R, b: R }],
    ['$..secret', { secret: 1 }, { secret: R }],
    ['$..secret', { a: [{ b: { secret: 1 } }] }, { a: [{ b: { secret: R } }] }],
    ['$..secret', { secret: { secret: 1 } }, { secret: R }],
    ['$..secret', [[[{ secret: 1 }]]], [[[{ secret: R }]]]],
    [
      '$..a.b',
      { a: { b: 1 }, c: { a: { b: 2, d: 3 } } },
      { a: { b: R }, c: { a: { b: R, d: 3 } } },
    ],
    ['$..a..b', { a: { a: { c: { b: 1 } } }, b: 2 }, { a: { a: { c: { b: R } } }, b: 2 }],
    ['$.a..b', { b: 1, a: { c: [{ b: 2 }] } }, { b: 1, a: { c: [{ b: R }] } }],
    ['$..[0]', { a: [1, [2, 3]] }, { a: [R, [R, 3]] }],
    ["$['card number']", { 'card number': 1 }, { 'card number': R }],
    ['$["a.b"]', { 'a.b': 1, a: { b: 2 } }, { 'a.b': R, a: { b: 2 } }],
    ["$['it\\'s']", { "it's": 1 }, { "it's": R }],
    ['$.größe.$ref', { größe: { $ref: 1 } }, { größe: { $ref: R } }],
    ['$.credit-card_2', { 'credit-card_2': 1 }, { 'credit-card_2': R }],
    [`$.${'a'.repeat(254)}`, { ['a'.repeat(254)]: 1 }, { ['a'.repeat(254)]: R }],
    ["$['']", { '': 1, a: 2 }, { '': R, a: 2 }],
    // Values that are missing or of another kind do not match.
    ['$.a', { b: 1 }, { b: 1 }],
    ['$.a.b', { a: 'text' }, { a: 'text' }],
    ['$.a', [{ a: 1 }], [{ a: 1 }]],
    ['$.0', ['x'], ['x']],
    ['$[0]', { 0: 'x' }, { 0: 'x' }],
    ['$.length', [1], [1]],
    ['$.a', null, null],
    ['$.toString', { a: 1 }, { a: 1 }],
  ])('%s in %j leaves %j', (path, payload, masked) => {
    expect(redactionPathFault(path)).toBeUndefined();
    expect(redact(payload, path)).toEqual(masked);
  });

  it.each([
    '',
    'a',
    '.a',
    '$a',
    '$.',
    '$..',
    '$...a',
    '$.a.',
    '$.a b',
    '$.[0]',
    '$.["a"]',
    '$[',
    '$[]',
    '$[a]',
    '$[-1]',
    '$[01]',
    '$[1:2]',
    '$[0,1]',
    "$['a]",
    "$['a'b']",
    '$["a\\n"]',
    '$[?(@.a)]',
    '$.a]',
    '$.a\u0000',
    ' $.a',
    '$.a*',
    `$${'.a'.repeat(17)}`,
    `$.${'a'.repeat(255)}`,
  ])('%j is not a redaction path', (path) => {
    expect(redactionPathFault(path)).toContain('redaction path');
    expect(() => parseRedactionPath(path)).toThrow(new TypeError(redactionPathFault(path)));
  });

  it('is parsed in time bounded by its length, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        expect(['string', 'undefined']).toContain(typeof redactionPathFault(text));
      }),
    );
  });
});

describe('masking', () => {
  it('does not change the payload, and shares the parts that are not masked', () => {
    const payload = { a: { b: 1 }, c: { d: [1, 2] }, e: [{ f: 1 }, { g: 2 }] };
    const before = structuredClone(payload);
    const masked = redact(payload, '$.a.b', '$.e[0].f') as typeof payload;
    expect(payload).toEqual(before);
    expect(masked).toEqual({ a: { b: R }, c: { d: [1, 2] }, e: [{ f: R }, { g: 2 }] });
    expect(masked.c).toBe(payload.c);
    expect(masked.e[1]).toBe(payload.e[1]);
    expect(redact(payload, '$.nothing', '$..there')).toBe(payload);
  });

  it('treats __proto__ as an ordinary member', () => {
    const payload = JSON.parse('{"__proto__":{"secret":1,"x":2},"constructor":{"secret":3}}');
    const masked = redact(payload, '$..secret') as object;
    expect(Object.getPrototypeOf(masked)).toBe(Object.prototype);
    expect(JSON.stringify(masked)).toBe(
      `{"__proto__":{"secret":"${R}","x":2},"constructor":{"secret":"${R}"}}`,
    );
    const whole = redact(JSON.parse('{"__proto__":1,"a":2}'), "$['__proto__']");
    expect(JSON.stringify(whole)).toBe(`{"__proto__":"${R}","a":2}`);
    expect('secret' in {}).toBe(false);
  });

  it('masks the parts of a payload that are nested too deep', () => {
    const deep = JSON.parse(`${'[{"a":'.repeat(5000)}1${'}]'.repeat(5000)}`);
    expect(JSON.stringify(redact(deep, '$..secret'))).toMatch(/\[redacted]/);
    expect(redact(deep, '$.x')).toBe(deep);
  });

  it('takes no longer for paths that reach a value in many ways', () => {
    let value: unknown = 1;
    for (let i = 0; i < 60; i++) value = { a: value };
    const paths = Array.from({ length: 14 }, (_, n) => `$${'..a'.repeat(n + 2)}.secret`);
    expect(redact(value, ...paths)).toBe(value);
  });

  it('masks a secret at any place', () => {
    const json = fc.jsonValue({ maxDepth: 6 }).map((value) => ({ deep: [value] }));
    fc.assert(
      fc.property(json, fc.string(), (value, name) => {
        const withSecrets = JSON.parse(JSON.stringify(value), (_, part) =>
          typeof part === 'object' && part !== null && !Array.isArray(part)
            ? { ...part, [`k${name}`]: 'hidden' }
            : part,
        );
        const path = `$..['${`k${name}`.replace(/[\\']/g, '\\$&')}']`;
        if (path.length > 256) return;
        const masked = JSON.stringify(redact(withSecrets, path));
        expect(masked).not.toContain('"hidden"');
        expect(masked.split(R).length).toBe(JSON.stringify(withSecrets).split('"hidden"').length);
      }),
    );
  });
});

describe('redaction of events', () => {
  const payload = { card: 1, name: 2, note: 3 };

  it('applies the masks of all grants that match the topic', () => {
    const redaction = new Redaction(
      [
        { pattern: '*' },
        { pattern: 'finance.*', redact: ['$.card'] },
        { pattern: 'finance.eu.*', redact: ['$.name'] },
      ],
      ['$.note'],
    );
    expect(redaction.apply(eventOn('chat.x', payload)).payload).toEqual({ ...payload, note: R });
    expect(redaction.apply(eventOn('finance.us', payload)).payload).toEqual({
      card: R,
      name: 2,
      note: R,
    });
    // That `*` may read it unmasked helps nothing.
    expect(redaction.apply(eventOn('finance.eu.x', payload)).payload).toEqual({
      card: R,
      name: R,
      note: R,
    });
  });

  it('returns the same event if there is nothing to mask', () => {
    const redaction = new Redaction([{ pattern: 'a.*', redact: ['$.x'] }, { pattern: 'b' }]);
    for (const event of [eventOn('b', { x: 1 }), eventOn('a.b', payload)]) {
      expect(redaction.apply(event)).toBe(event);
    }
    const event = eventOn('a.b', { x: 1 });
    expect(redaction.apply(event)).toEqual({ ...event, payload: { x: R } });
    expect(event.payload).toEqual({ x: 1 });
    expect(redaction.masksAnything).toBe(true);
    expect(new Redaction([{ pattern: 'a' }]).masksAnything).toBe(false);
    expect(new Redaction([{ pattern: 'a' }], ['$.x']).masksAnything).toBe(true);
  });

  it('masks the whole payload of an event that no grant matches', () => {
    const redaction = new Redaction([{ pattern: 'a', redact: ['$.x'] }]);
    expect(redaction.apply(eventOn('b', payload)).payload).toBe(R);
    expect(redaction.apply(eventOn('$sys.x', payload)).payload).toBe(R);
  });

  it('returns the same event where it masks nothing, also if its text says more than its payload', () => {
    const redaction = new Redaction([{ pattern: 'a.*', redact: ['$.x'] }, { pattern: 'b' }]);
    const withText = (topic: string) => {
      const event = eventOn(topic, { y: 2 });
      keepPayloadText(event, '{"y":1,"y":2}');
      return event;
    };
    const [masked, open] = [withText('a.b'), withText('b')];
    expect(redaction.apply(masked)).not.toBe(masked);
    expect(redaction.apply(open)).toBe(open);
  });

  it('remembers the topics that were used last', () => {
    const made = vi.spyOn(PatternSet.prototype, 'covers');
    const redaction = new Redaction([{ pattern: '*', redact: ['$.card'] }]);
    const isNew = (n: number) => {
      made.mockClear();
      redaction.apply(eventOn(`a.${n}`, payload));
      return made.mock.calls.length > 0;
    };
    for (let n = 1; n <= REDACTION_TOPICS_CACHED_MAX; n++) expect(isNew(n)).toBe(true);
    for (let n = 1; n <= REDACTION_TOPICS_CACHED_MAX; n++) expect(isNew(n)).toBe(false);
    expect(isNew(1)).toBe(false);
    expect(isNew(0)).toBe(true);
    expect([1, 0, 3].map(isNew)).toEqual([false, false, false]);
    expect(isNew(2)).toBe(true);
    made.mockRestore();
  });

  it('masks rightly on more topics than it remembers', () => {
    const redaction = new Redaction([{ pattern: 'a.*', redact: ['$.card'] }, { pattern: 'b.*' }]);
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < REDACTION_TOPICS_CACHED_MAX + 10; n++) {
        expect(redaction.apply(eventOn(`a.${n}`, payload)).payload).toEqual({
          ...payload,
          card: R,
        });
        expect(redaction.apply(eventOn(`b.${n}`, payload)).payload).toBe(payload);
      }
    }
  });
});
