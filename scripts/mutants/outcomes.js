import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * What became of the mutants: `fuzz/mutants.jsonl` has a line for each run of a file, of which the last one counts.
 *
 * @typedef {object} Survivor
 * @property {string} at The line and column where it begins, `12:3`.
 * @property {string} to Where it ends.
 * @property {string} what
 * @property {string | undefined} [with]
 * @property {string} status
 * @property {boolean} isStatic
 *
 * @typedef {object} Outcome
 * @property {string} file
 * @property {string} digest Of the file as it was.
 * @property {string} commit
 * @property {string} date
 * @property {number} seconds
 * @property {number} killed By a failing test, or by an error outside of one.
 * @property {number} [failed] Those of `killed` with an error outside of a test.
 * @property {number} timeout By far too many steps, or by a thread that does not answer.
 * @property {number} [controls] So many times a test that had found a mutant ran once more without it.
 * @property {number} [failedControls] Those of `controls` that failed; each makes the file's figures doubtful.
 * @property {number} survived
 * @property {number} noCoverage
 * @property {Survivor[]} survivors Those that no test reaches as well.
 */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OUTCOMES = join(ROOT, 'fuzz/mutants.jsonl');
export const UNSEEN = new Set(['Survived', 'NoCoverage']);
/** Longer than all but comments within a replacement. */
const REPLACEMENT_LENGTH_MAX = 400;

/** @returns {Map<string, Outcome>} by file */
export function readOutcomes() {
  if (!existsSync(OUTCOMES)) return new Map();
  const lines = readFileSync(OUTCOMES, 'utf8').split('\n').filter(Boolean);
  return new Map(lines.map((line) => JSON.parse(line)).map((outcome) => [outcome.file, outcome]));
}

/**
 * @param {string} file
 * @param {readonly import('@stryker-mutator/api/core').MutantResult[]} mutants
 * @param {{ digest: string, commit: string, seconds: number, controls: number, failedControls: number }} run
 * @param {Outcome} [before] Of the same file, if `mutants` are only those that survived then: the others count as before.
 * @returns {Outcome}
 */
export function addOutcome(file, mutants, run, before) {
  const count = (/** @type {string} */ status) =>
    mutants.filter((mutant) => mutant.status === status).length;
  const unseen = mutants.filter(({ status }) => UNSEEN.has(status));
  // An error outside of a test, as of a module that cannot be loaded, fails a run as well.
  const failed = count('RuntimeError');
  const killed = count('Killed') + failed;
  const outcome = {
    file,
    ...run,
    date: new Date().toISOString(),
    killed: before ? before.killed + before.survivors.length - unseen.length : killed,
    failed: before ? (before.failed ?? 0) : failed,
    timeout: before ? before.timeout : count('Timeout'),
    survived: count('Survived'),
    noCoverage: count('NoCoverage'),
    survivors: unseen.map(survivorOf),
  };
  appendFileSync(OUTCOMES, `${JSON.stringify(outcome)}\n`);
  return outcome;
}

/** @param {import('@stryker-mutator/api/core').MutantResult} mutant @returns {Survivor} */
export function survivorOf(mutant) {
  return {
    ...placeOf(mutant, 0),
    status: mutant.status,
    isStatic: mutant.static === true,
  };
}

/**
 * @param {Pick<import('@stryker-mutator/api/core').Mutant, 'location' | 'mutatorName' | 'replacement'>} mutant
 * @param {0 | 1} added To its lines and columns, which begin at 1 in results and at 0 before.
 * @returns {Place}
 */
export function placeOf({ location: { start, end }, mutatorName, replacement }, added) {
  return {
    at: `${start.line + added}:${start.column + added}`,
    to: `${end.line + added}:${end.column + added}`,
    what: mutatorName,
    with: replacement?.slice(0, REPLACEMENT_LENGTH_MAX),
  };
}

/** @typedef {Pick<Survivor, 'at' | 'to' | 'what' | 'with'>} Place */

/** What tells one mutant from all others. @param {string} file @param {Place} place */
export function identityOf(file, { at, to, what, with: replacement }) {
  return `${file} ${at} ${to} ${what} ${replacement}`;
}

/**
 * The places of mutants, as Stryker wants them: columns from 0.
 *
 * @param {string} file
 * @param {readonly { at: string, to: string }[]} mutants
 */
export function placesOf(file, mutants) {
  const place = (/** @type {string} */ text) => {
    const [line, column] = text.split(':').map(Number);
    return `${line}:${Number(column) - 1}`;
  };
  return [...new Set(mutants.map(({ at, to }) => `${file}:${place(at)}-${place(to)}`))];
}

/** @param {string} file */
export function digestOf(file) {
  const text = readFileSync(join(ROOT, file));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
