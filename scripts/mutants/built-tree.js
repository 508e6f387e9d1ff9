import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROOT } from './outcomes.js';
import { LEFT_OUT } from './stryker.js';

/**
 * A copy of the tree whose build has one mutant. The threads and processes that its suites start load that build, so they
 * run the mutant as well, which Stryker's mutants do not: those are chosen by a global of one thread.
 */
export class BuiltTree {
  #folder = mkdtempSync(join(tmpdir(), 'mutants-built-'));
  /** By file that has had a mutant, its own text. @type {Map<string, string>} */
  #texts = new Map();

  constructor() {
    // Not the packed threads, which would run without the mutant.
    const without = new Set(['.git', 'node_modules', 'dist/packed', ...LEFT_OUT]);
    cpSync(ROOT, this.#folder, {
      recursive: true,
      filter: (path) => !without.has(relative(ROOT, path)),
    });
    symlinkSync(join(ROOT, 'node_modules'), join(this.#folder, 'node_modules'));
  }

  get folder() {
    return this.#folder;
  }

  get dist() {
    return join(this.#folder, 'dist');
  }

  /** Builds the tree with a mutant. @param {import('./samples.js').Mutant} mutant */
  plant(mutant) {
    this.#build(mutant.file, mutated(this.#textOf(mutant.file), mutant));
  }

  /** Builds the tree as it is without the mutant. @param {import('./samples.js').Mutant} mutant */
  restore({ file }) {
    this.#build(file, this.#textOf(file));
  }

  remove() {
    rmSync(this.#folder, { recursive: true });
  }

  /** @param {string} file */
  #textOf(file) {
    const text = this.#texts.get(file) ?? readFileSync(join(this.#folder, file), 'utf8');
    this.#texts.set(file, text);
    return text;
  }

  /** @param {string} file @param {string} text */
  #build(file, text) {
    writeFileSync(join(this.#folder, file), text);
    // A mutant may break the types, and runs all the same.
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(
      process.execPath,
      [compiler, '-p', 'tsconfig.build.json', '--noCheck'],
      { cwd: this.#folder, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`${file} cannot be built: ${stdout}`);
  }
}

/**
 * The text of a file with a mutant in it.
 *
 * @param {string} text
 * @param {import('./outcomes.js').Place} mutant
 */
export function mutated(text, { at, to, with: replacement }) {
  if (replacement === undefined) throw new Error(`the mutant at ${at} has no replacement`);
  return text.slice(0, offsetOf(text, at)) + replacement + text.slice(offsetOf(text, to));
}

/** @param {string} text @param {string} place `12:3`, both from 1 */
function offsetOf(text, place) {
  const [line, column] = place.split(':').map(Number);
  const before = text.split('\n').slice(0, line - 1);
  return before.reduce((sum, { length }) => sum + length + 1, 0) + column - 1;
}
