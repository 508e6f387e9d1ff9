import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { release, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Database } from './sinks/sqlite.js';

/**
 * The results of campaigns: a file with a line of JSON for each run, to which `--record FILE` of a campaign appends.
 * `fuzz/results.jsonl` has the runs that `docs/RELIABILITY.md` counts. A run that found problems stays in it.
 *
 * Runs that test the judges (`planted`) break the product on purpose. Of them `injections` are the bugs that were
 * built in, `undetected` those that nothing found, and `problems` those and the ones that the wrong rule found.
 *
 * @typedef {object} Counted What a campaign tells of one run of it.
 * @property {string} campaign The name of the campaign, such as `power`.
 * @property {string} fault One of `FAULTS`.
 * @property {[number, number]} seeds The first seed, and how many there were.
 * @property {number} injections How many faults were injected, or cases played where each case is a fault.
 * @property {number} acked Events and jobs that were acknowledged.
 * @property {number} lost Acknowledged, and not there.
 * @property {number} repeated There or delivered more often than promised.
 * @property {number} misordered Delivered in another order than promised.
 * @property {number} undetected Faults that should have been found or told and were not.
 * @property {number} problems All violations that the run found, those above included.
 * @property {{ p50: number, p99: number } | null} recoveryMs From the end of a fault until the bus works again.
 * @property {number} seconds How long the run took.
 * @property {Record<string, number>} [within] Of a run with faults of several kinds: how many of `injections` were of which of
 *   `FAULTS`.
 * @property {Record<string, number>} [kinds] How many of `injections` were of which of the campaign's own kinds of faults.
 * @property {string} [server] Which server of a broker it ran on, with its version.
 * @property {number} [unjudged] Rounds among `seeds` that could not be judged, as servers of a cluster did not agree with each other.
 *
 * @typedef {Counted & { commit: string, node: string, sqlite: string, kernel: string, date: string }} Result
 */

/** The kinds of faults, and of campaigns that plant or look for faults. A row of `docs/RELIABILITY.md` for each. */
export const FAULTS = Object.freeze([
  'killed',
  'power lost',
  'part dies',
  'disk fails',
  'damage',
  'clocks',
  'network',
  'storm',
  'together',
  'cluster',
  'planted',
  'simulation',
  'inputs',
  'hostile',
  'model',
  'soak',
]);

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COUNTS = /** @type {const} */ ([
  'injections',
  'acked',
  'lost',
  'repeated',
  'misordered',
  'undetected',
  'problems',
]);
const TEXTS = /** @type {const} */ (['campaign', 'commit', 'node', 'sqlite', 'kernel']);
const MORE = [
  'fault',
  'seeds',
  'recoveryMs',
  'seconds',
  'date',
  'within',
  'kinds',
  'server',
  'unjudged',
];
const FIELDS = [...TEXTS, ...COUNTS, ...MORE];

/**
 * Appends the line of one run, and adds to it which build ran where and when.
 *
 * @param {string} file
 * @param {Counted & Partial<Result>} counted `commit` and the others may be given, for a run that ended earlier
 * @returns {Result} the line
 * @throws Error if a field is missing, unknown or of another shape
 */
export function recordResult(file, counted) {
  const result = { ...surroundings(), ...counted };
  const faults = faultsOfResult(result);
  if (faults.length > 0) throw new Error(`this is no result: ${faults.join('; ')}`);
  appendFileSync(file, `${JSON.stringify(result)}\n`);
  return result;
}

/**
 * @param {string} file One that is not there has no results.
 * @returns {Result[]}
 * @throws Error that names each line which is no result
 */
export function readResults(file) {
  if (!existsSync(file)) return [];
  const faults = [];
  const results = [];
  for (const [at, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (line === '') continue;
    const result = parse(line);
    for (const fault of faultsOfResult(result)) faults.push(`line ${at + 1}: ${fault}`);
    results.push(result);
  }
  if (faults.length > 0) throw new Error(`${file}:\n${faults.join('\n')}`);
  return results;
}

/** @returns {string[]} what is wrong with a result, in words */
export function faultsOfResult(result) {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) {
    return ['it has to be an object'];
  }
  const faults = Object.keys(result)
    .filter((name) => !FIELDS.includes(name))
    .map((name) => `${name} is unknown`);
  const need = (name, isRight, shape) => {
    if (!isRight) faults.push(`${name} has to be ${shape}, not ${JSON.stringify(result[name])}`);
  };
  for (const name of TEXTS) {
    need(name, typeof result[name] === 'string' && result[name] !== '', 'a text');
  }
  for (const name of COUNTS) need(name, isCount(result[name]), 'a whole number from 0');
  need('fault', FAULTS.includes(result.fault), `one of ${FAULTS.join(', ')}`);
  need('seeds', isSeeds(result.seeds), '[first, count]');
  need('recoveryMs', isRecovery(result.recoveryMs), '{ p50, p99 } in ms, or null');
  need('seconds', isSpan(result.seconds), 'a number from 0');
  need('date', isDate(result.date), 'an ISO date');
  need('within', isWithin(result), 'counts of faults, together no more than the injections');
  need('kinds', isOfKinds(result), 'counts of kinds of faults, together the injections');
  need(
    'server',
    (result.server ?? 'any') !== '' && typeof (result.server ?? '') === 'string',
    'a text',
  );
  need('unjudged', isCount(result.unjudged ?? 0), 'a whole number from 0');
  if (result.fault === 'planted') {
    const promises = ['acked', 'lost', 'repeated', 'misordered'];
    need(
      'fault',
      promises.every((name) => result[name] === 0),
      'one that keeps promises: counts of broken builds are 0',
    );
    need('injections', result.injections >= result.problems, 'the bugs that were built in');
    need('problems', result.problems >= result.undetected, 'at least those that nothing found');
  }
  const found = result.lost + result.repeated + result.misordered;
  need('problems', !(found > 0 && result.problems === 0), 'above 0 where something was lost');
  return faults;
}

function isWithin({ within, injections }) {
  if (within === undefined) return true;
  return sumOf(within, (name) => FAULTS.includes(name)) <= injections;
}

function isOfKinds({ kinds, injections }) {
  return kinds === undefined || sumOf(kinds, (name) => name !== '') === injections;
}

/** The sum of counts by name; NaN if they are something else, or a name is wrong. */
function sumOf(counts, isName) {
  if (typeof counts !== 'object' || counts === null) return Number.NaN;
  const all = Object.entries(counts);
  if (!all.every(([name, count]) => isName(name) && isCount(count))) return Number.NaN;
  return all.reduce((sum, [, count]) => sum + count, 0);
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The build and the machine. A tree with changes that are not committed is none that others can run again: `+`. */
function surroundings() {
  const git = (...args) => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout?.trim();
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src');
  const memory = new Database(':memory:');
  const sqlite = memory.prepare('select sqlite_version()').pluck().get();
  memory.close();
  return {
    commit: `${git('rev-parse', '--short=8', 'HEAD') || 'unknown'}${changed ? '+' : ''}`,
    node: process.versions.node,
    sqlite,
    kernel: `${type()} ${release()}`,
    date: new Date().toISOString(),
  };
}

function isCount(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

function isSpan(value) {
  return Number.isFinite(value) && value >= 0;
}

function isSeeds(value) {
  return Array.isArray(value) && value.length === 2 && value.every(isCount) && value[1] > 0;
}

function isRecovery(value) {
  if (value === null) return true;
  return isSpan(value?.p50) && isSpan(value.p99) && value.p50 <= value.p99;
}

function isDate(value) {
  return (
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value))
  );
}
