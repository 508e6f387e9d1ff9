import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quote } from '../../src/protocol/quote.js';
import { loneSurrogateAt, utf8Length } from '../../src/protocol/utf8.js';

describe('a value in a message', () => {
  it('is shown on one line, short, without running its code', () => {
    const trap = {
      toString: () => {
        throw new Error('ran');
      },
    };
    expect(quote('a\nb')).toBe('"a\\nb"');
    expect(quote('x'.repeat(81))).toBe(`"${'x'.repeat(80)}"… (81 characters)`);
    expect([quote(7), quote(-0), quote(true), quote(null)]).toEqual(['7', '0', 'true', 'null']);
    expect([quote(1n), quote([]), quote([1])]).toEqual(['a BigInt', 'an empty array', 'an array']);
    expect([quote(trap), quote(new Date(Number.NaN))]).toEqual(['an object', 'a Date']);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(quote(proxy)).toBe('an object');
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const shown = quote(value);
        expect(shown).not.toMatch(/[\n\r]/);
        expect(shown.length).toBeLessThan(600);
      }),
    );
  });
});

describe('measuring UTF-8', () => {
  it('counts the bytes that an encoder writes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', '\ud83d', '\ude82'),
        (a, b) => {
          for (const text of [a + b, b + a]) {
            expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
            expect(loneSurrogateAt(text) < 0).toBe(Buffer.from(text).toString() === text);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('finds half a surrogate pair', () => {
    expect(loneSurrogateAt('a🚂b')).toBe(-1);
    expect(loneSurrogateAt('a\ud83d')).toBe(1);
    expect(loneSurrogateAt('🚂\ude82')).toBe(2);
    expect(loneSurrogateAt('\ud83d\ud83d\ude82')).toBe(0);
  });
});
