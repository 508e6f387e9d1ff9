import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CalledProcess } from '../called-process.js';
import { pointInto } from '../parts/points.js';

export const BUILT = fileURLToPath(new URL('../../../dist', import.meta.url));

/** Starts `server.js` in a folder, with a build whose shards tell how large their heaps are (`heaps.js`). */
export function startServer(folder, { bus, gateway }) {
  const heaps = join(folder, 'heaps');
  mkdirSync(heaps);
  writeFileSync(join(heaps, 'ask'), '0');
  writeFileSync(join(heaps, 'heaps.jsonl'), '');
  const dist = pointInto(BUILT, join(folder, 'pointed'), ['shard.turn']);
  const options = { dist, dir: join(folder, 'data'), heaps, bus, gateway };
  const preload = new URL('./heaps.js', import.meta.url).href;
  return new CalledProcess(fileURLToPath(new URL('./server.js', import.meta.url)), options, {
    FUZZ_HEAPS: heaps,
    NODE_OPTIONS: `--import ${preload}`,
  }).begin();
}
