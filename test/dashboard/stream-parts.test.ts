import { describe, expect, it } from 'vitest';
import { addressOf, textOf } from '../../src/dashboard/event/event-address.js';
import { previewOf } from '../../src/dashboard/event/preview.js';
import {
  filterOf,
  fromOf,
  replayOf,
  settingsOf,
} from '../../src/dashboard/screens/stream/settings.js';
import { completions } from '../../src/dashboard/text/topic-completion.js';
import { visibleText } from '../../src/dashboard/text/visible.js';

describe('the address of the stream', () => {
  it('says which events and where to begin', () => {
    const settings = settingsOf(
      new URLSearchParams('topic=a.*&topic=b&type=t&attribute=k%3D1&attribute=k%3D2%3D3&from=now'),
    );
    expect(filterOf(settings, ['*'])).toEqual({
      topics: ['a.*', 'b'],
      types: ['t'],
      attributes: { k: ['1', '2=3'] },
    });
    expect(filterOf(settingsOf(new URLSearchParams()), ['*'])).toEqual({ topics: ['*'] });
  });

  it('says which events a replay takes, where it can take just these', () => {
    const replay = (query: string) => replayOf(settingsOf(new URLSearchParams(query)), ['a.*']);
    const all = { mode: 'replay', type: [], source: [], correlationId: [], since: '', until: '' };
    const time = '2026-01-31T12:00:00Z';
    expect(replay('')).toEqual({ ...all, topic: ['a.*'] });
    expect(replay(`topic=b&type=t&source=s&correlationId=c&from=since:${time}`)).toEqual({
      ...all,
      topic: ['b'],
      type: ['t'],
      source: ['s'],
      correlationId: ['c'],
      since: time,
    });
    expect(replay(`in=history&since=${time}&until=${time}&from=now`)).toEqual({
      ...all,
      topic: ['a.*'],
      since: time,
      until: time,
    });
    for (const query of ['search=x', 'category=c', 'attribute=k%3D1']) {
      expect(replay(query), query).toBeUndefined();
    }
  });

  it('takes every place to begin from, and no nonsense', () => {
    expect(fromOf('now')).toBe('now');
    expect(fromOf('last:20')).toEqual({ last: 20 });
    expect(fromOf('after:abc')).toEqual({ after: 'abc' });
    expect(fromOf('since:2026-01-31T12:00:00Z')).toEqual({
      since: new Date('2026-01-31T12:00:00Z'),
    });
    for (const text of ['', 'last:', 'last:0', 'last:1e9', 'since:soon', 'after:', 'then']) {
      expect(fromOf(text), text).toBeUndefined();
    }
  });

  it('names an event by topic, id and source, whatever the topic and the source hold', () => {
    for (const address of [
      { topic: 'a.b', id: 'x' },
      { topic: 'a/b.c//d', id: '01-_' },
      { topic: 'a@b', id: 'x', source: 'shop' },
      { topic: 'a/b@c/d', id: 'x', source: 'urn:a/b@c %2F ü' },
    ]) {
      expect(addressOf(textOf(address))).toEqual(address);
    }
    expect(textOf({ topic: 'a.b', id: 'x', source: 'shop' })).toBe('a.b/x@shop');
    for (const text of ['', 'a', '/x', 'a/', 'a/x@', 'a/@s', 'a/x@%']) {
      expect(addressOf(text), text).toBeUndefined();
    }
  });
});

describe('completion of topics', () => {
  const known = ['a.b.c', 'a.b.d', 'a.x', 'abc', 'z.abc.y'];

  it('offers the next segment of each, then topics that hold the text', () => {
    expect(completions(known, '', 10)).toEqual(['a.*', 'abc', 'z.*']);
    expect(completions(known, 'a.', 10)).toEqual(['a.b.*', 'a.x']);
    expect(completions(known, 'abc', 10)).toEqual(['z.abc.y']);
    expect(completions(known, 'a', 2)).toEqual(['a.*', 'abc']);
  });
});

describe('a text of the page', () => {
  it('shows what would turn its direction, and nothing else in another way', () => {
    expect(visibleText('orders.\u202egnp.txt\u2069')).toBe('orders.\\u202egnp.txt\\u2069');
    expect(visibleText('\u061c\u200e\u200f')).toBe('\\u061c\\u200e\\u200f');
    for (const text of ['', 'ünïcode 🌊', 'שלום', '\u200b\n\t']) {
      expect(visibleText(text), text).toBe(text);
    }
  });
});

describe('the payload of a row', () => {
  it('is JSON on one line, cut where there is no more room', () => {
    expect(previewOf({ a: [1, 'x"', null], b: true }, 100)).toBe(
      '{"a": [1, "x\\"", null], "b": true}',
    );
    expect(previewOf('abcdef', 4)).toBe('"abc…');
    expect(previewOf({}, 100)).toBe('{}');
  });

  it('reads no more of a large payload than it shows', () => {
    const large = Array.from({ length: 100_000 }, (_, n) => n);
    let reads = 0;
    const watched = new Proxy(large, {
      get: (target, key) => {
        reads++;
        return Reflect.get(target, key);
      },
    });
    expect(previewOf(watched, 40)).toMatch(/^\[0, 1, 2, .*…$/);
    expect(reads).toBeLessThan(100);
  });
});
