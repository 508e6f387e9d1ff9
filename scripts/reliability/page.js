import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readResults } from '../../fuzz/record-result.js';
import { readOutcomes } from '../mutants/outcomes.js';
import { parseReasons } from '../mutants/reasons.js';
import { readSamples } from '../mutants/sample-lines.js';
import { foundByKind, foundCounts, foundRecord, parseFound } from './found.js';
import { mutantTable } from './mutants.js';
import { castTable, checkTable, clusterTable, faultTable, runTable } from './tables.js';

/**
 * @typedef {import('../../fuzz/record-result.js').Result} Result
 * @typedef {{ results: Result[], found: import('./found.js').Found[], mutants: import('./mutants.js').Mutants }} Data
 */

/** A table for each name that a marker of the page may have. */
const TABLES = {
  faults: ({ results }) => faultTable(results),
  clusters: ({ results }) => clusterTable(results),
  runs: ({ results }) => runTable(results),
  games: ({ results }) => castTable(results),
  checks: ({ results }) => checkTable(results),
  mutants: ({ mutants }) => mutantTable(mutants),
  'found in numbers': ({ found }) => foundCounts(found),
  'found by kind': ({ found }) => foundByKind(found),
  'track record': ({ found }) => foundRecord(found),
};

/** @param {string} root @returns {Data} */
export function readData(root) {
  return {
    results: readResults(join(root, 'fuzz/results.jsonl')),
    found: parseFound(readFileSync(join(root, 'fuzz/found.md'), 'utf8')),
    mutants: {
      outcomes: [...readOutcomes().values()],
      samples: [...readSamples().values()],
      reasons: parseReasons(readFileSync(join(root, 'fuzz/mutants.md'), 'utf8')),
    },
  };
}

/**
 * @param {string} page The text with its markers, `<!-- made: NAME -->` and `<!-- end -->`.
 * @param {Data} data
 * @returns {string} the text with the tables of the data between the markers
 * @throws Error if a table has no place, or a marker no table
 */
export function withTables(page, data) {
  const missing = new Set(Object.keys(TABLES));
  const made = page.replace(/^<!-- made: ([^\n]*) -->\n.*?^<!-- end -->$/gms, (_, name) => {
    if (!missing.delete(name)) throw new Error(`the page has a marker too many: ${name}`);
    return `<!-- made: ${name} -->\n\n${TABLES[name](data)}\n\n<!-- end -->`;
  });
  if (missing.size > 0) throw new Error(`the page has no marker for: ${[...missing].join(', ')}`);
  return made;
}
