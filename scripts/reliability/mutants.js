import { keyOf } from '../mutants/reasons.js';
import { wilsonInterval } from './interval.js';
import { count, table } from './tables.js';

/**
 * The table of mutation testing: by part, what became of the mutants of the files that were mutated whole, and of those that
 * were drawn from all files. The survivors of a sample may have been built and judged
 * as well; those that were not are counted as survivors.
 *
 * @typedef {import('../mutants/outcomes.js').Outcome} Outcome
 * @typedef {import('../mutants/sample-lines.js').Sample} Sample
 * @typedef {{ outcomes: Outcome[], samples: Sample[], reasons: Map<string, string> }} Mutants
 */
const HEAD = [
  'part',
  'mutants',
  'found by tests in their own thread',
  'by the simulation',
  'by suites of whole buses',
  'survived',
  'share',
  '95 % interval',
  'survive now',
  'of these without a reason',
];

/** @param {Mutants} mutants */
export function mutantTable({ outcomes, samples, reasons }) {
  const rows = [...new Set([...outcomes.map(partOf), ...samples.map(({ part }) => part)])]
    .sort()
    .flatMap((part) => {
      const own = outcomes.filter((outcome) => partOf(outcome) === part);
      const drawn = samples.filter((sample) => sample.part === part);
      const whole = own.length > 0 ? [wholeRow(part, own, reasons)] : [];
      return [...whole, ...drawn.map((sample) => sampleRow(sample, reasons))];
    });
  return table(HEAD, rows);
}

/** @param {string} part @param {Outcome[]} outcomes @param {Mutants['reasons']} reasons */
function wholeRow(part, outcomes, reasons) {
  const found = sumOf(outcomes, ({ killed, timeout }) => killed + timeout);
  const survivors = outcomes.flatMap(({ file, survivors }) =>
    survivors.map((survivor) => keyOf(file, survivor)),
  );
  const all = found + survivors.length;
  return [
    `\`src/${part}\`, ${count(outcomes.length)} files whole`,
    count(all),
    count(found),
    '—',
    '—',
    count(survivors.length),
    shareOf(all === 0 ? 0 : survivors.length / all),
    '—',
    count(survivors.length),
    count(unknownOf(survivors, reasons)),
  ];
}

/** @param {Sample} sample @param {Mutants['reasons']} reasons */
function sampleRow({ part, seed, of, drawn, isQuick, atFirst, survivors, built }, reasons) {
  const unseen = atFirst.survived + atFirst.noCoverage;
  const { simulation, suites } = built?.foundAtFirst ?? { simulation: 0, suites: 0 };
  const survived = unseen - simulation - suites;
  const { low, high } = wilsonInterval(survived, drawn);
  const keys = survivors.map((survivor) => keyOf(survivor.file, survivor));
  return [
    `\`src/${part}\`, drawn from ${count(of)} with seed ${seed}${isQuick ? ', quick tests alone' : ''}`,
    count(drawn),
    count(drawn - unseen),
    ...(built ? [count(simulation), count(suites)] : ['—', '—']),
    count(survived),
    shareOf(survived / drawn),
    `${shareOf(low)} to ${shareOf(high)}`,
    count(survivors.length),
    count(unknownOf(keys, reasons)),
  ];
}

/** @param {string[]} keys @param {Mutants['reasons']} reasons */
function unknownOf(keys, reasons) {
  return keys.filter((key) => !reasons.has(key)).length;
}

/** @param {number} share */
function shareOf(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** @param {Outcome} outcome */
function partOf({ file }) {
  return file.split('/')[1] ?? '';
}

/** @param {Outcome[]} outcomes @param {(outcome: Outcome) => number} amountOf */
function sumOf(outcomes, amountOf) {
  return outcomes.reduce((sum, outcome) => sum + amountOf(outcome), 0);
}
