import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { placeOf } from '../../fuzz/sim/build.js';
import { plants } from '../../fuzz/sim/plants.js';
import { parseFound } from '../../scripts/reliability/found.js';

/** The faults that are built into the simulation's copies of the product, and the list of them. */

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const read = (file: string): string => readFileSync(pathOf(file), 'utf8');

/** The cells of the tables of the list, by the heading above them. */
function tablesOf(page: string): Map<string, string[][]> {
  const tables = new Map<string, string[][]>();
  for (const part of page.split('\n## ').slice(1)) {
    const [heading = '', ...lines] = part.split('\n');
    const rows = lines.filter((line) => line.startsWith('| ')).slice(1);
    tables.set(
      heading,
      rows.map((row) => row.slice(2, -2).split(' | ')),
    );
  }
  return tables;
}

describe('the plants of the simulation', () => {
  const tables = tablesOf(read('fuzz/sim/plants.md'));
  const columnOf = (heading: string, column: number): string[] =>
    tables.get(heading)!.map((cells) => cells[column]!);

  it('each change one place of the build', () => {
    for (const [name, { edits }] of Object.entries(plants)) {
      for (const edit of edits) {
        expect(() => placeOf(read(`dist/${edit.file}`), edit), name).not.toThrow();
      }
    }
  });

  it('are all in the list, which has no others', () => {
    const listed = [...columnOf('Put back', 1), ...columnOf('Put in, though never had', 0)];
    expect([...new Set(listed)].sort()).toEqual(Object.keys(plants).sort());
  });

  it('and what is not put back, are faults that were found', () => {
    const known = parseFound(read('fuzz/found.md')).map(({ fault }) => fault);
    const named = [...columnOf('Put back', 0), ...columnOf('Not put back', 0)];
    expect(named.filter((fault) => !known.includes(fault))).toEqual([]);
    expect(new Set(named).size).toBe(named.length);
  });
});
