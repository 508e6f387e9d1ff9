import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64Url, encodeBase64Url } from '../../src/protocol/base64url.js';
import { decodeCursor, encodeCursor } from '../../src/protocol/cursor.js';
import { BusError } from '../../src/protocol/errors.js';
import { CURSOR_LENGTH_MAX } from '../../src/protocol/limits/events.js';

const EPOCH = '01JQZK7Y5M8W3V2T1R0P9N8M7K';
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const cursors = fc.record({
  epoch: fc.string({ unit: fc.constantFrom(...'0AZaz_-.~!'), minLength: 1, maxLength: 64 }),
  positions: fc.array(
    fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 53 - 1)),
    { minLength: 1, maxLength: 16 },
  ),
});

describe('a cursor', () => {
  it('decodes to the position it was made from, and fits into a URL', () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        const text = encodeCursor(cursor);
        expect(decodeCursor(text)).toEqual(cursor);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(text.length).toBeLessThanOrEqual(CURSOR_LENGTH_MAX);
      }),
    );
  });

  it('is short: two shards with a million events each fit into 54 characters', () => {
    const text = encodeCursor({ epoch: EPOCH, positions: [1_000_000, 1_000_000] });
    expect(text.length).toBeLessThanOrEqual(54);
  });

  it('with any character changed is refused', () => {
    fc.assert(
      fc.property(cursors, fc.nat(), fc.constantFrom(...ALPHABET), (cursor, at, character) => {
        const text = encodeCursor(cursor);
        const index = at % text.length;
        fc.pre(text[index] !== character);
        expectRefused(text.slice(0, index) + character + text.slice(index + 1));
      }),
      { numRuns: 1000 },
    );
  });

  it('that was cut off, or had text added or inserted, is refused', () => {
    fc.assert(
      fc.property(cursors, fc.nat(), fc.constantFrom(...ALPHABET), (cursor, at, character) => {
        const text = encodeCursor(cursor);
        const index = at % text.length;
        expectRefused(text.slice(0, index));
        expectRefused(text.slice(index + 1));
        expectRefused(text + character);
        expectRefused(text.slice(0, index) + character + text.slice(index));
      }),
    );
  });

  it('that is any other value is refused with CURSOR_INVALID, which names it', () => {
    for (const value of ['', 'nonsense', 'AAAA', 'a b', '💥', null, undefined, 7, {}, [EPOCH]]) {
      expectRefused(value);
    }
    expect(() => decodeCursor('nonsense')).toThrow('"nonsense" is not a cursor');
    expectRefused('A'.repeat(1_000_000));
    fc.assert(fc.property(fc.anything(), expectRefused));
    fc.assert(fc.property(fc.uint8Array(), (bytes) => expectRefused(encodeBase64Url(bytes))));
  });

  it('with a right checksum over wrong bytes is refused', () => {
    const wrong = [
      [2, 1, 0x41, 1, 0],
      [1, 0, 1, 0],
      [1, 1, 0x41, 0],
      [1, 1, 0x41, 2, 0],
      [1, 1, 0x41, 1, 0, 0],
      [1, 1, 0x41, 1, 0x80],
      [1, 1, 0x41, 1, 0x80, 0],
      [1, 1, 0x41, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
      [1, 1, 0x07, 1, 0],
      [1, 200, 0x41, 1, 0],
      [1, 1, 0x41, 17, ...new Array<number>(17).fill(0)],
    ];
    for (const bytes of wrong) expectRefused(encodeBase64Url(sealed(bytes)));
    const right = decodeCursor(encodeBase64Url(sealed([1, 1, 0x41, 2, 0x80, 1, 5])));
    expect(right).toEqual({ epoch: 'A', positions: [128, 5] });
  });

  it.each([
    { epoch: '', positions: [1] },
    { epoch: 'é', positions: [1] },
    { epoch: 'x'.repeat(65), positions: [1] },
    { epoch: EPOCH, positions: [] },
    { epoch: EPOCH, positions: new Array<number>(17).fill(0) },
    { epoch: EPOCH, positions: [-1] },
    { epoch: EPOCH, positions: [1.5] },
    { epoch: EPOCH, positions: [2 ** 53] },
  ])('cannot be made of %j', (cursor) => {
    expect(() => encodeCursor(cursor)).toThrow(BusError);
  });
});

describe('base64url', () => {
  it('gives the same text as Buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = encodeBase64Url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(decodeBase64Url(text)).toEqual(bytes);
      }),
    );
  });

  it('accepts only one text for the same bytes', () => {
    expect(decodeBase64Url('AA')).toEqual(new Uint8Array([0]));
    expect(decodeBase64Url('AB')).toBeUndefined();
    expect(decodeBase64Url('AA==')).toBeUndefined();
    expect(decodeBase64Url('A')).toBeUndefined();
    expect(decodeBase64Url('A+A/')).toBeUndefined();
  });
});

function expectRefused(value: unknown): void {
  expect(() => decodeCursor(value)).toThrow(expect.objectContaining({ code: 'CURSOR_INVALID' }));
}

/** Bytes with the checksum that a cursor of them would have. */
function sealed(bytes: readonly number[]): number[] {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return [...bytes, hash & 0xff, (hash >>> 8) & 0xff, (hash >>> 16) & 0xff, hash >>> 24];
}
