/**
 * Writes the tables of docs/RELIABILITY.md, between their markers, from `fuzz/results.jsonl` and `fuzz/found.md`:
 * `npm run docs:reliability`. The prose around them stays. `test/docs/reliability.test.ts` fails while the page and the
 * data disagree. Exits 2 if a line of the data is of another shape.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readData, withTables } from './reliability/page.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(ROOT, 'docs/RELIABILITY.md');

try {
  writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), readData(ROOT)));
} catch (error) {
  console.error(`docs:reliability: ${error.message}`);
  process.exit(2);
}
