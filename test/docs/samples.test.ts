import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { type Block, blocksOf, commandsOf, givenOf, PAGES, ROOT } from './samples.js';

/**
 * Here is how it works. Every block of JavaScript or TypeScript in the pages is a module of its own in an app that has the
 * package installed, and the compiler checks it against the package's types as an app's would be. A page says in comments,
 * `<!-- given`, what its samples take from the reader's program: `declare const bus: import('millrace').Bus;`. That holds
 * for the whole page, so that one name means one thing there, and a sample may still declare the name itself.
 *
 * Every block stands on the lines that it has in its page, so the compiler's words point there.
 */

const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const CODE = ['js', 'jsx', 'ts', 'tsx'];

const app = mkdtempSync(join(tmpdir(), 'millrace-samples-'));
afterAll(() => rmSync(app, { recursive: true, force: true }));

const OPTIONS = {
  target: 'ES2023',
  lib: ['ES2023', 'ESNext.Disposable'],
  module: 'NodeNext',
  jsx: 'react-jsx',
  types: ['node'],
  allowJs: true,
  checkJs: true,
  strict: true,
  // JavaScript has nowhere to say a parameter's type.
  noImplicitAny: false,
  skipLibCheck: true,
  noEmit: true,
};

/**
 * "… is of type unknown". A payload is of no known type, and a program in JavaScript looks into it all the same; in the
 * blocks of TypeScript this is a fault.
 */
const UNKNOWN_TYPE = /\.c?jsx?\(.*error TS(18046|2571):/;

/** What the compiler says of a page's samples, each with the page's line. */
function faultsOf(page: string): string[] {
  const folder = join(app, page.replaceAll(/\W/g, '-'));
  const packages = join(folder, 'node_modules');
  mkdirSync(packages, { recursive: true });
  symlinkSync(ROOT, join(packages, 'millrace'), 'dir');
  for (const name of [
    '@types',
    'csstype',
    'react',
    'standardwebhooks',
    'undici-types',
    'ws',
    'zod',
  ]) {
    symlinkSync(join(ROOT, 'node_modules', name), join(packages, name), 'dir');
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
  writeFileSync(join(folder, 'given.d.ts'), inPlace(...givenOf(page)));
  for (const block of blocksOf(page, ...CODE)) {
    // Even a block without `import` and `export` is a module, and shares no names with the others.
    const text = isCommonJs(block) ? inPlace(block) : `${inPlace(block)}\nexport {};\n`;
    writeFileSync(join(folder, fileNameOf(block)), text);
  }
  const { stdout } = spawnSync(process.execPath, [TSC, '-p', folder, '--pretty', 'false'], {
    encoding: 'utf8',
    cwd: folder,
  });
  return stdout.split('\n').filter((line) => line !== '' && !UNKNOWN_TYPE.test(line));
}

function fileNameOf(block: Block): string {
  const { language, line } = block;
  return `block-${line}.${isCommonJs(block) ? 'cjs' : language}`;
}

function isCommonJs({ text }: Block): boolean {
  return /\brequire\(|\bmodule\.exports\b/.test(text);
}

/** The blocks, on the lines on which they stand in their page. */
function inPlace(...blocks: Block[]): string {
  let text = '';
  let line = 1;
  for (const block of blocks) {
    text += '\n'.repeat(block.line - line) + block.text;
    line = block.line + block.text.split('\n').length - 1;
  }
  return text;
}

/** The words behind `millrace` of each command in a page's shell blocks. */
function commandLinesOf(page: string): string[][] {
  const lines = blocksOf(page, '', 'sh').flatMap(({ text }) => text.split('\n'));
  const commands = lines.flatMap((line) => line.split(/ (?:\||&&) /));
  return commands.flatMap((command) => {
    const [, rest] = /^\s*(?:\$ )?(?:npx )?millrace (.*)$/.exec(command) ?? [];
    return rest === undefined ? [] : [wordsOf(rest)];
  });
}

/** As a shell splits them; a comment is none. */
function wordsOf(line: string): string[] {
  const words = line.matchAll(/'([^']*)'|"([^"]*)"|(#.*)|(\S+)/g);
  return [...words].flatMap(([, single, double, comment, bare]) =>
    comment === undefined ? [single ?? double ?? bare!] : [],
  );
}

/** What the parser of `millrace` says against a command, which is not carried out. */
async function faultOfCommand(words: string[]): Promise<string | undefined> {
  const program = createProgram();
  for (const command of commandsOf(program)) {
    command.configureOutput({ writeErr: () => {} });
    if (command.commands.length === 0) command.action(() => {});
  }
  try {
    await program.parseAsync(words, { from: 'user' });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('the samples of the documents', () => {
  it.each(PAGES.filter((page) => blocksOf(page, ...CODE).length > 0))(
    '%s has code that compiles against the package',
    (page) => {
      expect(faultsOf(page)).toEqual([]);
    },
  );

  it.each(PAGES)('%s leaves nothing out of its code', (page) => {
    // A comment may shorten what is printed, but does not stand for code by itself.
    const elided = blocksOf(page, ...CODE).filter(({ text }) =>
      text
        .split('\n')
        .some((line) => /^\s*\/\/ …$/.test(line) || line.split('//')[0]!.includes('…')),
    );
    expect(elided.map(({ line }) => line)).toEqual([]);
  });

  it.each(PAGES.filter((page) => blocksOf(page, 'json').length > 0))(
    '%s has JSON that parses',
    (page) => {
      for (const { text } of blocksOf(page, 'json')) expect(() => JSON.parse(text)).not.toThrow();
    },
  );

  it('are command lines that the command line takes', async () => {
    const lines = PAGES.flatMap((page) => commandLinesOf(page).map((words) => ({ page, words })));
    expect(lines.length).toBeGreaterThan(40);
    const refused: string[] = [];
    for (const { page, words } of lines) {
      const fault = await faultOfCommand(words);
      if (fault !== undefined) refused.push(`${page}: ${words.join(' ')}: ${fault}`);
    }
    expect(refused).toEqual([]);
  });
});
