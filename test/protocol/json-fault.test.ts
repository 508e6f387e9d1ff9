import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault, jsonFaultText } from '../../src/protocol/json-fault.js';

describe('the place where a text stops being JSON', () => {
  it.each([
    ['', 'line 1, column 1: the text ends where a value is expected'],
    ['{"a": 1,\n "b": }', 'line 2, column 7: "}" where a value is expected'],
    ['{"a": 1,}', 'line 1, column 9: "}" where a key in double quotes is expected'],
    ["{'a': 1}", 'line 1, column 2: "\'" where a key in double quotes or } is expected'],
    ['[1 2]', 'line 1, column 4: "2" where , or ] is expected'],
    ['[1}', 'line 1, column 3: "}" where , or ] is expected'],
    ['{"a" 1}', 'line 1, column 6: "1" where : is expected'],
    ['{"a": 1', 'line 1, column 8: the text ends where , or } is expected'],
    ['1 2', 'line 1, column 3: "2" where the end is expected'],
    ['// no\n1', 'line 1, column 1: "/" where a value is expected'],
    ['01', 'line 1, column 2: "1" where the end is expected'],
    ['"a\nb"', 'line 1, column 3: the character "\\n" in a string'],
    ['"\\x41"', 'line 1, column 2: a \\ in a string that begins no escape'],
    ['["abc', 'line 1, column 6: the text ends within a string'],
    ['\ufeff{}', 'line 1, column 1: "\ufeff" where a value is expected'],
  ])('of %j is found', (text, told) => {
    expect(jsonFaultText(text)).toBe(told);
  });

  it('is found in every text that JSON.parse refuses, and in no other', () => {
    const scraps = fc.constantFrom(
      ...'{}[]:,"\\ \n-01.eEtrufalsn/'.split(''),
      'true',
      'null',
      '"a"',
    );
    const texts = fc.array(scraps, { maxLength: 12 }).map((parts) => parts.join(''));
    const cut = fc.tuple(fc.json(), fc.nat(), fc.nat()).map(([json, at, length]) => {
      const from = at % (json.length + 1);
      return json.slice(0, from) + json.slice(from + (length % 3));
    });
    fc.assert(
      fc.property(fc.oneof(texts, cut, fc.json()), (text) => {
        expect(findJsonFault(text) === undefined).toBe(isJson(text));
      }),
      { numRuns: 2000 },
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
