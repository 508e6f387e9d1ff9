/**
 * Planted faults, each of which the model has to find for the right reason. Some are in the model's own shards and
 * endpoints, which ask for them by name; the others change one place of the machine's source, in a copy.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ConsumerMachine } from '../../../src/consumers/machine.js';

/** The names of faults that are planted in the model's own shards and endpoints. */
export type Planted = ReadonlySet<string>;

export interface Mutation {
  /** A file of `src/consumers`, without its ending. */
  readonly file: string;
  /** Stands once in the compiled file, but for white space. */
  readonly from: string;
  readonly to: string;
}

const BUILT = new URL('../../../dist/', import.meta.url);
const MACHINE = fileURLToPath(new URL('consumers/', BUILT));

/** The machine with changed places. @throws Error if a place is not there once */
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

function changed(text: string, { file, from, to }: Mutation): string {
  const words = from.trim().split(/\s+/);
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('\\s+');
  const places = [...text.matchAll(new RegExp(pattern, 'g'))];
  if (places.length !== 1) throw new Error(`${file} has ${places.length} places with ${from}`);
  return text.replace(places[0]![0], () => to);
}
