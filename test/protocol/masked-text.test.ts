import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskedTarget, maskedText } from '../../src/protocol/masked-text.js';

/** Characters of which a secret may be, as they stand in a URL and in a text. */
const RAW = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&*+,;=()';
const secret = fc
  .string({ unit: fc.constantFrom(...RAW), minLength: 6, maxLength: 40 })
  // So that it cannot stand in the rest of the URL by chance.
  .map((text) => `Zq9${text}`);
const scheme = fc.constantFrom(
  'https',
  'http',
  'wss',
  'ws',
  'nats',
  'redis',
  'postgres',
  's3',
  'HTTPS',
);
const host = fc.constantFrom('example.com', 'a.b:8080', '127.0.0.1', '[::1]:9', 'hooks.example');
const path = fc.constantFrom('', '/', '/hooks/orders', '/a/b/c.php', '/@scope/one');
/** Where in a URL a secret may stand. */
const url = fc
  .record({
    scheme,
    host,
    path,
    secret,
    place: fc.nat(5),
    other: fc.stringMatching(/^[a-z]{1,8}$/),
  })
  .map(({ scheme, host, path, secret, place, other }) => {
    const texts = [
      `${scheme}://${secret}@${host}${path}`,
      `${scheme}://${other}:${secret}@${host}${path}`,
      `${scheme}://${secret}:${other}@${host}${path}?a=b`,
      `${scheme}://${host}${path}?${secret}`,
      `${scheme}://${host}${path}?${other}=${secret}&x=1`,
      `${scheme}://${host}${path}#${secret}`,
    ];
    return { text: texts[place]!, secret, host };
  });
const word = fc.stringMatching(/^[a-z.,:;()'"]{0,12}$/);

describe('a masked text', () => {
  it('shows no user, password, query or fragment of a URL, wherever it stands', () => {
    fc.assert(
      fc.property(url, word, word, ({ text, secret }, before, after) => {
        const sentence = `${before} ${text} ${after}`;
        expect(maskedText(sentence, 1000)).not.toContain(secret.slice(0, 9));
        expect(maskedText(`${before}${text}${after}`, 1000)).not.toContain(secret.slice(0, 9));
        expect(maskedText(`${text},${text}`, 1000)).not.toContain(secret.slice(0, 9));
        expect(maskedText(maskedText(sentence, 1000), 1000)).not.toContain(secret.slice(0, 9));
      }),
      { numRuns: 2000 },
    );
  });

  it('shows the host of a target, and none of its secrets, also in odd spellings', () => {
    fc.assert(
      fc.property(url, fc.constantFrom('', ' ', '\t'), ({ text, secret, host }, space) => {
        const shown = maskedTarget(`${space}${text}`, 1000);
        expect(shown).not.toContain(secret.slice(0, 9));
        expect(shown).toContain(host);
      }),
      { numRuns: 2000 },
    );
    const odd = [
      'https:\\\\me:Zq9pass@h/',
      'https:me:Zq9pass@h',
      'https://me:Zq9 pass@h/',
      '//me:Zq9pass@h/',
    ];
    for (const text of odd) expect(maskedTarget(text, 200)).not.toContain('Zq9');
  });

  it('keeps its bound, and no half of a pair', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.nat(60), (text, over) => {
        const shown = maskedText(text, over + 2);
        expect(shown.length).toBeLessThanOrEqual(over + 2);
        const hasHalf = (one: string): boolean => /\p{Surrogate}/u.test(one);
        expect(hasHalf(shown) && !hasHalf(text)).toBe(false);
      }),
    );
  });

  it('takes no time that grows with the square of a text', () => {
    const began = performance.now();
    for (const part of ['a', 'a:', '?', '?a', 'https:', '@', 'a.b-', '\ud800', 'eyJ', ' ']) {
      maskedText(part.repeat(2_000_000 / part.length), 300);
      maskedTarget(part.repeat(2_000_000 / part.length), 300);
    }
    // It takes some milliseconds; without the bound of the input it would be minutes.
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it.each([
    ['HTTP 302 Found to /login?session=s3cr3t; redirects', 'HTTP 302 Found to /login?… redirects'],
    [
      'https://hooks.example/services/T000/B000/XXXX1234XXXX1234XXXX',
      'https://hooks.example/services/T000/B000/…',
    ],
    [
      'https://example.com/hooks/orders has answered 410 Gone',
      'https://example.com/hooks/orders has answered 410 Gone',
    ],
    ['the secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw is bad', 'the secret whsec_… is bad'],
    ['key mr_0123456789abcdef_abcDEF-_1 refused', 'key mr_… refused'],
    [
      'https://hooks.example/services/T000/B000/XxXXxxXXXXxxXXxxXXxx',
      'https://hooks.example/services/T000/B000/…',
    ],
    ['Authorization: Bearer abc.def', 'Authorization: Bearer …'],
    ['authorization: Basic bWU6cHc=', 'authorization: Basic …'],
    ['a redirect to /login?s3cr3t is refused', 'a redirect to /login?… is refused'],
    ['who? "x"? no?', 'who? "x"? no?'],
    ['what? nothing = nothing', 'what? nothing = nothing'],
    ['connect to me:pw@db failed', 'connect to …@db failed'],
    ['https://[broken', 'https://…'],
  ])('makes of %s', (text, shown) => {
    expect(maskedText(text, 300)).toBe(shown);
  });

  it.each([
    ['/var/lib/orders/audit', '/var/lib/orders/audit'],
    ['C:\\audit\\trail', 'C:\\audit\\trail'],
    ['s3://archive/orders/', 's3://archive/orders/'],
    ['paris-2', 'paris-2'],
    ['data:text/plain,secret', 'data:…'],
  ])('shows the target %s', (target, shown) => {
    expect(maskedTarget(target, 200)).toBe(shown);
  });
});
