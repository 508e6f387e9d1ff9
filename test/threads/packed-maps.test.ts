import { readdirSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PACKED = new URL('../../dist/packed/', import.meta.url);

test('a stack in packed code leads to its line in src', () => {
  const all = readdirSync(fileURLToPath(PACKED), { recursive: true, encoding: 'utf8' });
  let throws = 0;
  for (const file of all.filter((name) => name.endsWith('.js'))) throws += throwsIn(file);
  expect(throws).toBeGreaterThan(100);
});

/** Looks up each place of a packed file at which an error is made, and returns how many there are. */
function throwsIn(file: string): number {
  const code = new URL(file, PACKED);
  const map = new SourceMap(JSON.parse(readFileSync(new URL(`${code}.map`), 'utf8')));
  let throws = 0;
  for (const [at, line] of readFileSync(code, 'utf8').split('\n').entries()) {
    const thrown = /throw (?=new (\w+)\()/.exec(line);
    if (thrown === null) continue;
    throws++;
    const found = map.findEntry(at, thrown.index + thrown[0].length);
    if (!('originalSource' in found)) throw new Error(`${file}: nothing is known of ${line}`);
    const source = readFileSync(new URL(found.originalSource, code), 'utf8').split('\n');
    expect(source[found.originalLine], `${file}: ${line}`).toContain(`new ${thrown[1]}(`);
  }
  return throws;
}
