import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { EndpointNotes } from '../../../src/sinks/webhook/endpoint-notes.js';
import { keysOf, secretsFault, signedHeaders } from '../../../src/sinks/webhook/signature.js';
import { excerptOf, retryAfterMs, verdictOf } from '../../../src/sinks/webhook/verdict.js';

const secretOf = (fill: number, bytes = 32): string =>
  `whsec_${Buffer.alloc(bytes, fill).toString('base64')}`;

describe('a signature', () => {
  it('is that of Standard Webhooks, also for text beyond ASCII', () => {
    const body = JSON.stringify({ text: 'größer als 🎉', lines: 'a\nb' });
    const headers = signedHeaders(keysOf(secretOf(1)), 'id_1', new Date(), body);
    expect(new Webhook(secretOf(1)).verify(body, headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(secretOf(2)).verify(body, headers)).toThrow(/No matching/);
    expect(() => new Webhook(secretOf(1)).verify(`${body} `, headers)).toThrow(/No matching/);
    const other = { ...headers, 'webhook-id': 'id_2' };
    expect(() => new Webhook(secretOf(1)).verify(body, other)).toThrow(/No matching/);
  });

  it('is there for each secret, so that a receiver may have any of them', () => {
    const headers = signedHeaders(keysOf([secretOf(1), secretOf(2)]), 'id', new Date(), '{}');
    for (const fill of [1, 2])
      expect(new Webhook(secretOf(fill)).verify('{}', headers)).toEqual({});
    expect(() => new Webhook(secretOf(3)).verify('{}', headers)).toThrow(/No matching/);
  });

  it.each([
    [secretOf(1), true],
    [secretOf(1).slice(6), true],
    [[secretOf(1), secretOf(2)], true],
    [secretOf(1, 24), true],
    [secretOf(1, 64), true],
    [secretOf(1, 23), false],
    [secretOf(1, 65), false],
    ['whsec_', false],
    ['', false],
    ['whsec_not base64 at all, but long enough', false],
    [[], false],
    [Array(9).fill(secretOf(1)), false],
    [[secretOf(1), 'short'], false],
    [undefined, false],
    [7, false],
  ])('needs a secret: %s is one: %s', (secret, isGood) => {
    const fault = secretsFault(secret);
    expect(fault === undefined).toBe(isGood);
    if (typeof secret === 'string' && secret.length > 8) expect(fault ?? '').not.toContain(secret);
  });
});

describe('an answer', () => {
  it.each([
    [200, 'done', 'done'],
    [204, 'done', 'done'],
    [299, 'done', 'done'],
    [301, 'retry', 'retry'],
    [304, 'retry', 'retry'],
    [400, 'retry', 'dead'],
    [401, 'retry', 'dead'],
    [404, 'retry', 'dead'],
    [408, 'retry', 'retry'],
    [409, 'retry', 'retry'],
    [410, 'gone', 'gone'],
    [423, 'retry', 'retry'],
    [425, 'retry', 'retry'],
    [429, 'retry', 'retry'],
    [499, 'retry', 'dead'],
    [500, 'retry', 'retry'],
    [503, 'retry', 'retry'],
    [600, 'retry', 'retry'],
  ])('of %s means %s, or %s where client errors are final', (status, usual, final) => {
    expect(verdictOf(status, 'retry')).toBe(usual);
    expect(verdictOf(status, 'dead')).toBe(final);
  });

  it.each([
    [undefined, 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['0', 0],
    ['-5', 0],
    ['99999', 3_600_000],
    ['99999999999999', 0],
    ['Sun, 06 Nov 1994 08:49:38 GMT', 1000],
    ['Sun, 06 Nov 1994 08:49:30 GMT', 0],
    ['soon', 0],
  ])('may ask to wait: %s is %s ms', (header, ms) => {
    const now = Date.parse('1994-11-06T08:49:37Z');
    expect(retryAfterMs(header, now, 3_600_000)).toBe(ms);
  });

  it('is quoted on one line, without what a terminal would obey', () => {
    expect(excerptOf(Buffer.from('no\r\n such\t\u001b[31m user\u0000'))).toBe('no such [31m user');
    expect(excerptOf(Buffer.from([0x61, 0xc3, 0x28, 0xff]))).toBe('a (');
  });
});

describe('what endpoints ask for', () => {
  const [a, b, c] = ['https://a.example/', 'https://b.example/', 'https://c.example/'].map(
    (url) => new URL(url),
  ) as [URL, URL, URL];

  it('holds for its time, and the longest wish counts', () => {
    const notes = new EndpointNotes();
    notes.pause(a, 100);
    notes.pause(a, 50);
    expect(notes.pauseMs(a, 10)).toBe(90);
    expect(notes.pauseMs(b, 10)).toBe(0);
    expect(notes.pauseMs(a, 100)).toBe(0);
  });

  it('is final once it is gone, and is forgotten oldest first', () => {
    const notes = new EndpointNotes(2);
    notes.gone(a);
    notes.pause(a, 5);
    expect([notes.isGone(a), notes.pauseMs(a, 99), notes.goneUrls()]).toEqual([
      true,
      Number.POSITIVE_INFINITY,
      [a.href],
    ]);
    notes.pause(b, 100);
    notes.gone(c);
    expect([a, b, c].map((url) => notes.pauseMs(url, 0) > 0)).toEqual([false, true, true]);
  });
});
