import { keyOf } from '../mutants/reasons.js';
import { count, table } from './tables.js';

/**
 * The table of mutation testing: by part, what became of the mutants of its files.
 *
 * @typedef {import('../mutants/outcomes.js').Outcome} Outcome
 * @typedef {{ outcomes: Outcome[], reasons: Map<string, string> }} Mutants
 */
const HEAD = [
  'part',
  'files',
  'mutants',
  'found',
  'survived',
  'share',
  'of these without a reason',
];

/** @param {Mutants} mutants */
export function mutantTable({ outcomes, reasons }) {
  const parts = [...new Set(outcomes.map(partOf))].sort();
  const rows = parts.map((part) => {
    const own = outcomes.filter((outcome) => partOf(outcome) === part);
    const found = sumOf(own, ({ killed, timeout }) => killed + timeout);
    const survivors = own.flatMap(({ file, survivors }) =>
      survivors.map((survivor) => keyOf(file, survivor)),
    );
    const unknown = survivors.filter((key) => !reasons.has(key));
    const all = found + survivors.length;
    const share = all === 0 ? 0 : (100 * survivors.length) / all;
    return [
      `\`src/${part}\``,
      count(own.length),
      count(all),
      count(found),
      count(survivors.length),
      `${share.toFixed(1)} %`,
      count(unknown.length),
    ];
  });
  return table(HEAD, rows);
}

/** @param {Outcome} outcome */
function partOf({ file }) {
  return file.split('/')[1] ?? '';
}

/** @param {Outcome[]} outcomes @param {(outcome: Outcome) => number} amountOf */
function sumOf(outcomes, amountOf) {
  return outcomes.reduce((sum, outcome) => sum + amountOf(outcome), 0);
}
