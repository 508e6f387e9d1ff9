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
 * @property {string} [with]
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
const UNSEEN = new Set(['Survived', 'NoCoverage']);
const REPLACEMENT_LENGTH_MAX = 80;

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
    survivors: unseen.map(({ location, mutatorName, replacement, status, static: isStatic }) => ({
      at: `${location.start.line}:${location.start.column}`,
      to: `${location.end.line}:${location.end.column}`,
      what: mutatorName,
      with: replacement?.slice(0, REPLACEMENT_LENGTH_MAX),
      status,
      isStatic: isStatic === true,
    })),
  };
  appendFileSync(OUTCOMES, `${JSON.stringify(outcome)}\n`);
  return outcome;
}

/** The places of the mutants that survived, as Stryker wants them: columns from 0. @param {Outcome} outcome */
export function placesOf({ file, survivors }) {
  const place = (/** @type {string} */ text) => {
    const [line, column] = text.split(':').map(Number);
    return `${line}:${Number(column) - 1}`;
  };
  return [...new Set(survivors.map(({ at, to }) => `${file}:${place(at)}-${place(to)}`))];
}

/** @param {string} file */
export function digestOf(file) {
  const text = readFileSync(join(ROOT, file));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
