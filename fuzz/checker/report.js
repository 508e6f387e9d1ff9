import { percentilesOf } from '../faults/percentiles.js';

/** What programs that play rounds and have them judged say of them. */

const SHOWN_OF_A_RULE = 5;

/**
 * Shows some of each rule, as a single cause may break one of them a thousand times.
 *
 * @param {readonly string[]} problems each begins with its rule
 * @returns {Map<string, number>} how many there are of each
 */
export function showProblems(problems) {
  const counts = new Map();
  for (const problem of problems) {
    const rule = problem.slice(0, problem.indexOf(':'));
    const count = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, count);
    if (count <= SHOWN_OF_A_RULE) console.error(`fuzz: ${problem}`);
  }
  return counts;
}

/**
 * The counts of rounds, for their record.
 *
 * @typedef {object} Judged
 * @property {Record<string, number>} injections
 * @property {{ acked: number }} figures
 * @property {readonly string[]} problems each begins with its rule
 * @property {readonly number[]} recoveriesMs
 *
 * @param {readonly Judged[]} results
 */
export function countsOf(results) {
  /** @param {(result: Judged) => number} countOf */
  const sum = (countOf) => results.reduce((total, result) => total + countOf(result), 0);
  /** @param {string} rule */
  const of = (rule) =>
    sum(({ problems }) => problems.filter((text) => text.startsWith(rule)).length);
  /** @type {Record<string, number>} */
  const kinds = {};
  for (const { injections } of results) {
    for (const [kind, count] of Object.entries(injections)) {
      kinds[kind] = (kinds[kind] ?? 0) + count;
    }
  }
  return {
    injections: Object.values(kinds).reduce((all, count) => all + count, 0),
    kinds,
    acked: sum(({ figures }) => figures.acked),
    lost: of('C1'),
    repeated: of('C4') + of('C7'),
    misordered: of('C3'),
    undetected: 0,
    problems: sum(({ problems }) => problems.length),
    recoveryMs: percentilesOf(results.flatMap(({ recoveriesMs }) => recoveriesMs)),
  };
}
