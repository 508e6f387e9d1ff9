import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './samples.js';

/**
 * What an editor shows of the options of every public call, and `npm run docs` prints: each says what it is, and each that
 * may be left out says what then holds.
 */

const ENTRIES = ['index', 'client', 'react', 'sinks', 'testing'].map((name) => `src/${name}.ts`);

/** What is handed to a call, by its name; the other types are what a call answers. */
const OPTIONS = /Options$|^(Query|EventInput|Filter|RetentionRule|Grants|StoreUnderTest)$/;

interface Member {
  readonly name: string;
  readonly isOptional: boolean;
  readonly comment: string;
}

/** Exported names that are options, each with its file. */
function optionTypes(entry: string): [name: string, file: string][] {
  return exportsOf(entry).filter(([name]) => OPTIONS.test(name));
}

function exportsOf(entry: string): [name: string, file: string][] {
  const exported = read(entry).matchAll(/^export [^{]*\{([^}]*)\} from '([^']*)';$/gms);
  return [...exported].flatMap(([, names = '', from = '']) => {
    const file = join(dirname(entry), from).replace(/\.js$/, '.ts');
    const plain = names.split(',').map((name) => name.replace(/\btype\b|as .*/g, '').trim());
    return plain.filter(Boolean).map((name): [string, string] => [name, file]);
  });
}

/** None of a type that is made of others. */
function membersOf(name: string, file: string): Member[] {
  const start = new RegExp(`^export (?:interface|type) ${name}\\b[^{;]*\\{\n`, 'm').exec(
    read(file),
  );
  if (start === null) return [];
  const text = read(file).slice(start.index + start[0].length);
  const body = text.slice(0, text.search(/^\}/m));
  const member = /(?:^ {2}\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n)?^ {2}(?:readonly )?(\w+)(\?)?[:(]/gm;
  return [...body.matchAll(member)].map(([, comment = '', memberName = '', mark]) => ({
    name: memberName,
    isOptional: mark !== undefined,
    comment,
  }));
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Functions that are exported under a public name, each with its file. */
function functionsOf(entry: string): [name: string, file: string][] {
  return exportsOf(entry).filter(([name, file]) => declarationOf(name, file) !== null);
}

/** The comment before a function, and its parameters; of overloads, the first. */
function declarationOf(name: string, file: string): RegExpExecArray | null {
  const comment = '(?:^\\/\\*\\*((?:[^*]|\\*(?!\\/))*)\\*\\/\\n)?';
  const head = `^export (?:async )?function ${name}\\b(?:<[^(]*>)?\\(([^)]*)`;
  return new RegExp(comment + head, 'm').exec(read(file));
}

describe('the public functions', () => {
  it.each(ENTRIES.flatMap(functionsOf))('%s, in %s, explains its parameters', (name, file) => {
    const [, comment = '', parameters = ''] = declarationOf(name, file)!;
    expect(comment.trim()).not.toBe('');
    const names = [...parameters.matchAll(/^\s*(\w+)\??:|,\s*(\w+)\??:/g)].map(
      ([, first, later]) => first ?? later,
    );
    const silent = names.filter((parameter) => !comment.includes(`@param ${parameter} `));
    expect(silent).toEqual([]);
  });
});

describe('the public options', () => {
  const types = ENTRIES.flatMap(optionTypes).filter(([name, file]) => membersOf(name, file)[0]);

  it('are found', () => {
    expect(types.length).toBeGreaterThan(25);
  });

  it.each(types)('of %s, in %s, are explained, each with its default', (name, file) => {
    const members = membersOf(name, file);
    const silent = members.filter(({ comment }) => comment.trim() === '');
    expect(silent.map((member) => member.name)).toEqual([]);
    const optional = members.filter(({ isOptional }) => isOptional);
    const vague = optional.filter(({ comment }) => !/\bdefault\b/i.test(comment));
    expect(vague.map((member) => member.name)).toEqual([]);
  });
});
