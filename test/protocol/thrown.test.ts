import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, isError, messageOf } from '../../src/protocol/thrown.js';
import { UNPRINTABLE } from '../support/unprintable.js';

describe('a thrown value', () => {
  it.each(Object.keys(UNPRINTABLE))('is described without another throw: %s', (name) => {
    const thrown = UNPRINTABLE[name]!();
    expect(messageOf(thrown)).not.toBe('');
    expect(codeOf(thrown)).toBe('');
    const error = errorOf(thrown);
    expect(isError(error)).toBe(true);
    if (!isError(thrown)) expect(error.cause === thrown).toBe(true);
  });

  it('is described by its message, by its name, or as text', () => {
    expect(messageOf(new TypeError('why'))).toBe('why');
    expect(messageOf(new TypeError())).toBe('TypeError');
    expect(messageOf('a word')).toBe('a word');
    expect(messageOf({ toString: () => 'of its own' })).toBe('of its own');
    expect(messageOf(undefined)).toBe('undefined');
    expect(messageOf(new DOMException('gone', 'AbortError'))).toBe('gone');
  });

  it('is recognised as an error of any realm', () => {
    const foreign: unknown = runInNewContext(
      'Object.assign(new RangeError("far"), { code: "EFAR" })',
    );
    expect(foreign instanceof Error).toBe(false);
    expect(isError(foreign)).toBe(true);
    expect(errorOf(foreign)).toBe(foreign);
    expect(messageOf(foreign)).toBe('far');
    expect(codeOf(foreign)).toBe('EFAR');
  });

  it('has a code only if that is a string', () => {
    expect(codeOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
    expect(codeOf(new DOMException('x', 'AbortError'))).toBe('');
    expect(codeOf({ code: 'ENOENT' })).toBe('');
  });
});
