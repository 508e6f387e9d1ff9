/**
 * The log of SQLite with planted faults: a copy of the built files in which one place is changed. Everything outside
 * `store/sqlite`, and its driver, is as it was built.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { changed, type Mutation } from '../../support/changed-text.js';

const BUILT = fileURLToPath(new URL('../../../dist/store/sqlite', import.meta.url));
const DRIVER = join(BUILT, 'driver');

/** Imports a module of the copy, by its path in `src/store/sqlite`. */
export type Importer = <T>(file: string) => Promise<T>;

/** Runs `use` with the changed copy; `mutation` is of a file in `src/store/sqlite`. @throws Error if the place is not there once */
export async function withMutated<T>(
  mutation: Mutation | undefined,
  use: (load: Importer) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-mutated-'));
  try {
    // The copy's modules are those of a package of this kind.
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    for (const name of readdirSync(BUILT, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.js') || name.startsWith('driver')) continue;
      const source = join(BUILT, name);
      let text = readFileSync(source, 'utf8');
      if (mutation !== undefined && name === `${mutation.file}.js`) text = changed(text, mutation);
      const target = join(folder, name);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, withImports(text, source));
    }
    return await use((file) => import(/* @vite-ignore */ pathToFileURL(join(folder, file)).href));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Relative imports of what is not copied lead to the built files. */
function withImports(text: string, source: string): string {
  return text
    .replace(/from '(\.[^']+)'/g, (whole, path: string) => {
      const file = resolve(dirname(source), path);
      const isCopied = file.startsWith(`${BUILT}/`) && !file.startsWith(DRIVER);
      return isCopied ? whole : `from '${pathToFileURL(file).href}'`;
    })
    .replace(/^\/\/# sourceMappingURL.*$/m, '');
}
