/**
 * Planted faults, each of which the model has to find for the right reason. Some are in the model's own shards and
 * endpoints, which ask for them by name; the others change one place of the machine's source, in a copy.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ConsumerMachine } from '../../../src/consumers/machine.js';
import { changed, type Mutation } from '../../support/changed-text.js';

/** The names of faults that are planted in the model's own shards and endpoints. */
export type Planted = ReadonlySet<string>;

const BUILT = new URL('../../../dist/', import.meta.url);
const MACHINE = fileURLToPath(new URL('consumers/', BUILT));

/** The machine with changed places, in files of `src/consumers`. @throws Error if a place is not there once */
export async function mutated(mutations: readonly Mutation[]): Promise<typeof ConsumerMachine> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-machine-'));
  try {
    for (const file of readdirSync(MACHINE).filter((name) => name.endsWith('.js'))) {
      const text = mutations
        .filter((one) => `${one.file}.js` === file)
        .reduce(changed, readFileSync(join(MACHINE, file), 'utf8'))
        .replaceAll("from '../", `from '${BUILT}`)
        .replace(/(from '\.\/[\w-]+)\.js'/g, "$1.mjs'")
        .replace(/^\/\/# sourceMappingURL.*$/m, '');
      writeFileSync(join(folder, file.replace(/\.js$/, '.mjs')), text);
    }
    const { ConsumerMachine: Machine } = await import(
      /* @vite-ignore */ pathToFileURL(join(folder, 'machine.mjs')).href
    );
    return Machine;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
