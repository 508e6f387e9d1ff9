import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';

/** The fenced blocks of the pages that users read. */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A test that runs many programs after each other ends by this time if one of them hangs, ms. */
export const PROGRAMS_HANG_MS = 600_000;

export const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export interface Block {
  /** What stands behind the fence: `js`, `sh` …, or nothing. */
  readonly language: string;
  readonly text: string;
  /** Of its first line in the page, from 1. */
  readonly line: number;
}

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

export function blocksOf(page: string, ...languages: string[]): Block[] {
  const text = readPage(page);
  const blocks = [...text.matchAll(/^```(\S*)\n(.*?)^```$/gms)].map(
    ({ 1: language = '', 2: body = '', index }) => ({
      language,
      text: body,
      line: lineAt(text, index) + 1,
    }),
  );
  return blocks.filter(({ language }) => languages.includes(language));
}

/** The declarations in a page's `<!-- given … -->` comments, which a reader of the page does not see. */
export function givenOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/^<!-- given\n(.*?)^-->$/gms)].map(({ 1: body = '', index }) => ({
    language: 'ts',
    text: body,
    line: lineAt(text, index) + 1,
  }));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

/** All commands of the command line, those of commands too. */
export function commandsOf(program: Command): Command[] {
  return program.commands.flatMap((command) => [command, ...commandsOf(command)]);
}
