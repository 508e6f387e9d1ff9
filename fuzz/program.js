import { tmpdir } from 'node:os';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';

/** The command line of a fuzzer: the options that all fuzzers have, `--help`, and code 2 for wrong usage. */

const SEEDS = 0x7fffffff;
/** Of `commander`, for a wrong option or argument. */
const WRONG_USAGE = 2;

/**
 * A fuzzer that has `--seed` and `--record`. `opts()` of what `parse()` returns has the values; `args` has the names.
 *
 * @param {string} command  how it is started, without options
 * @param {string} about  what it does, in one line
 */
export function program(command, about) {
  return new Command(command)
    .description(about)
    .helpOption('--help', 'shows this')
    .addOption(seedOption())
    .option('--record <file>', 'appends a line with the counts to this file')
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'fuzz: ')),
    })
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : WRONG_USAGE));
}

/** The folder that a fuzzer works in: `['--dir <folder>', …]`, for `option()`. */
export const DIR = /** @type {const} */ (['--dir <folder>', 'works in this folder', tmpdir()]);

/**
 * Names of what is to be played; none stands for all.
 *
 * @param {string} what  what one of them is
 * @param {object} known  by name
 */
export function namesArgument(what, known) {
  const all = Object.keys(known);
  return new Argument('[name...]', `plays the ${what} of this name`)
    .choices(all)
    .default(all, 'all');
}

/** @param {object} known  by name. Makes a parser of the name of one of them. */
export function nameIn(known) {
  return (/** @type {string} */ text) => {
    if (Object.hasOwn(known, text)) return text;
    throw new InvalidArgumentError(`There are ${Object.keys(known).join(', ')}.`);
  };
}

/** Parses a number above 0; `Infinity` is one. */
export function positive(/** @type {string} */ text) {
  const value = Number(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It is not a number above 0.');
}

/** Parses a number that is not negative. */
export function atLeastZero(/** @type {string} */ text) {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0) return value;
  throw new InvalidArgumentError('It is not a number from 0 on.');
}

/** Parses a whole number that is not negative. */
export function whole(/** @type {string} */ text) {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError('It is not a whole number from 0 on.');
}

/** Parses names behind one another, with commas; `''` has none. */
export function list(/** @type {string} */ text) {
  return text.split(',').filter((name) => name !== '');
}

function seedOption() {
  const seed = Math.floor(Math.random() * SEEDS);
  return new Option('--seed <n>', 'plays the same again')
    .argParser(whole)
    .default(seed, 'a random one');
}
