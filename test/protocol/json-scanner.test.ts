import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonScanner, onOneLine } from '../../src/protocol/json-scanner.js';

/** A value as JSON with any white space that JSON allows, and its strings with escapes of any kind. */
function written(value: unknown, random: () => number): string {
  const space = (): string => ['', '', ' ', '\n  ', '\t', '\r\n'][Math.floor(random() * 6)]!;
  if (typeof value === 'string') {
    const escaped = [...JSON.stringify(value).slice(1, -1)].map((unit) =>
      /[a-z]/.test(unit) && random() < 0.1 ? `\\u00${unit.charCodeAt(0).toString(16)}` : unit,
    );
    return `"${escaped.join('')}"`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const parts = Array.isArray(value)
    ? value.map((one) => written(one, random))
    : Object.entries(value).map(
        ([key, one]) => `${written(key, random)}${space()}:${space()}${written(one, random)}`,
      );
  const inside = parts.map((part) => `${space()}${part}${space()}`).join(',');
  return Array.isArray(value) ? `[${inside}]` : `{${inside || space()}}`;
}

const json = fc.jsonValue({ maxDepth: 4 });

describe('a scanner of JSON', () => {
  it('property: finds the text of every member and element, and skips values that are not read', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string(), json), { maxLength: 6 }),
        fc.array(json, { maxLength: 4 }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (entries, elements, stream) => {
          const random = (): number => stream.next().value;
          const object = Object.fromEntries(entries);
          const text = written({ ...object, elements, last: true }, random);
          const parsed: Record<string, unknown> = JSON.parse(text);
          // Without a prototype, on which `__proto__` would be a setter.
          const found: Record<string, unknown> = Object.create(null);
          const scanner = new JsonScanner(text);
          scanner.members((key) => {
            if (key !== 'elements') {
              if (random() < 0.7) found[key] = JSON.parse(scanner.value());
              else found[key] = parsed[key];
              return;
            }
            const list: unknown[] = [];
            scanner.elements((index) => {
              list[index] = random() < 0.7 ? JSON.parse(scanner.value()) : elements[index];
            });
            found[key] = list;
          });
          expect(JSON.stringify(found)).toBe(JSON.stringify(parsed));
        },
      ),
    );
  });

  it('gives the text of a value unchanged, but on one line', () => {
    const scanner = new JsonScanner(
      '{"a": 1.0,\n "b" :{\n  "x": [ -0,\r\n\t1e400 ] , "x":"a\\n b" } }',
    );
    const found: string[] = [];
    scanner.members((key) => found.push(key, scanner.value()));
    expect(found).toEqual(['a', '1.0', 'b', '{"x": [ -0,1e400 ] , "x":"a\\n b" }']);
    expect(onOneLine('[1,\n\n\t  2 ]')).toBe('[1,2 ]');
  });

  it('decodes escapes in keys', () => {
    const scanner = new JsonScanner('{"pay\\u006coad":7,"\\"":8}');
    const found: string[] = [];
    scanner.members((key) => found.push(key));
    expect(found).toEqual(['payload', '"']);
  });

  it('ends with any text', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[{}[\]",: a1]*$/), (text) => {
        let seen = 0;
        new JsonScanner(text).members(() => seen++);
        new JsonScanner(text).elements(() => seen++);
        expect(seen).toBeLessThanOrEqual(2 * text.length + 2);
      }),
    );
  });

  it('visits nothing in a value that is no object or array', () => {
    for (const text of ['7', '"x"', 'null', '[]', '{}', '']) {
      new JsonScanner(text).members(() => expect.fail(text));
      new JsonScanner(text).elements(() => expect.fail(text));
    }
  });
});
