import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NAME_CACHE_ENTRIES, NAME_CACHE_ENTRY_BYTES } from '../../src/protocol/limits/links.js';
import { EventRecordEncoder } from '../../src/record/event-record.js';
import { NameCache, recordNames } from '../../src/record/name-cache.js';

const encoder = new EventRecordEncoder();

function encode(topic: string, type: string, source: string): Buffer {
  Object.assign(encoder, { topic, type, source, id: 'id', payload: 'null' });
  const bytes = Buffer.alloc(encoder.measure() + 8);
  encoder.writeTo(bytes, 8);
  return bytes;
}

const OFFSET = 8;
const name = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const type = fc.stringMatching(/^[a-z][a-z_]{0,30}$/);

describe('names of records', () => {
  it('are read as they were written, however often and in whatever order', () => {
    const names = new NameCache(recordNames);
    const record = fc.record({ topic: name, type, source: name });
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
        for (const { topic, type, source } of [...records, ...records]) {
          const found = names.of(encode(topic, type, source), OFFSET);
          const length = Buffer.byteLength(topic + type + source);
          expect(found).toEqual({ topic, type, source, length });
        }
      }),
    );
  });

  it('are the same object as long as they are cached', () => {
    const names = new NameCache(recordNames);
    const first = names.of(encode('a.b', 'x', 'me'), OFFSET);
    expect(names.of(encode('a.b', 'x', 'me'), OFFSET)).toBe(first);
    names.clear();
    expect(names.of(encode('a.b', 'x', 'me'), OFFSET)).not.toBe(first);
  });

  it('are told apart where they differ only in where one ends and the next begins', () => {
    const names = new NameCache(recordNames);
    expect(names.of(encode('ab', 'c', 'd'), OFFSET).topic).toBe('ab');
    expect(names.of(encode('a', 'bc', 'd'), OFFSET).topic).toBe('a');
    expect(names.of(encode('a', 'b', 'cd'), OFFSET).source).toBe('cd');
    expect(names.of(encode('ab', 'c', 'd'), OFFSET).topic).toBe('ab');
  });

  it('are right when they are more than the cache holds, and when they share a hash', () => {
    const names = new NameCache(recordNames);
    // The hash covers the topic and the type's last letter, which are the same in all of these.
    for (const middle of ['aa', 'bb', 'cc', 'dd', 'aa', 'bb']) {
      expect(names.of(encode('t', `x${middle}x`, 'me'), OFFSET).type).toBe(`x${middle}x`);
    }
    for (let n = 0; n < NAME_CACHE_ENTRIES * 3; n++) {
      const topic = `t.${n % (NAME_CACHE_ENTRIES * 2)}`;
      if (names.of(encode(topic, 'x', 'me'), OFFSET).topic !== topic) expect.fail(topic);
    }
  });

  it('are read anew each time when they are too long for the cache', () => {
    const names = new NameCache(recordNames);
    const bytes = encode('t'.repeat(NAME_CACHE_ENTRY_BYTES), 'x', 'me');
    const first = names.of(bytes, OFFSET);
    expect(first.topic).toBe('t'.repeat(NAME_CACHE_ENTRY_BYTES));
    expect(names.of(bytes, OFFSET)).not.toBe(first);
    expect(names.of(bytes, OFFSET)).toEqual(first);
  });

  it('are not cached when making their entry failed', () => {
    let isFull = true;
    const names = new NameCache((...parts) => {
      if (isFull) throw new Error('full');
      return recordNames(...parts);
    });
    const bytes = encode('a', 'x', 'me');
    expect(() => names.of(bytes, OFFSET)).toThrow('full');
    isFull = false;
    expect(names.of(bytes, OFFSET).topic).toBe('a');
  });
});
