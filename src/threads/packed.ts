import { existsSync } from 'node:fs';

/**
 * The URL of a module that a thread begins with, or imports by its URL: its packed form where the build has one
 * (`scripts/threads.config.js`), which loads in a third of the time.
 *
 * @param path below the folder of the build, without its extension
 */
export function threadModule(path: string): URL {
  const packed = new URL(`../packed/${path}.js`, import.meta.url);
  return existsSync(packed) ? packed : new URL(`../${path}.js`, import.meta.url);
}
