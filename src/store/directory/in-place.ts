import { statSync } from 'node:fs';
import { BusError } from '../../protocol/errors.js';

/**
 * Notices when open files are removed or replaced, for example by `git clean` or a cleaner of temporary directories.
 * The system accepts further writes to such files and discards them when the files are closed.
 */
const INTERVAL_MS = 25;

/** Identifies a file independently of its name, by inode and device. */
export interface FilePlace {
  readonly ino: number;
  readonly dev: number;
}

/** @throws the system's error if the file is missing */
export function placeOf(file: string): FilePlace {
  const { ino, dev } = statSync(file);
  return { ino, dev };
}

/** @throws BusError `STORE_FAILED` if the file was removed or replaced */
export function assertInPlace(file: string, { ino, dev }: FilePlace): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found !== undefined && found.ino === ino && found.dev === dev) return;
  const what = found === undefined ? 'removed' : 'replaced';
  throw new BusError('STORE_FAILED', `${file} was ${what} while the bus was open`, {
    details: { file },
  });
}

export class InPlace {
  readonly #places: readonly (readonly [file: string, place: FilePlace])[];
  #lookAt = 0;

  /** @throws the system's error if a file is missing */
  constructor(files: readonly string[]) {
    this.#places = files.map((file) => [file, placeOf(file)]);
  }

  /** Checks the files, at most once in 25 ms. @throws BusError `STORE_FAILED` if one was removed or replaced */
  assert(): void {
    const now = performance.now();
    if (now < this.#lookAt) return;
    this.#lookAt = now + INTERVAL_MS;
    for (const [file, place] of this.#places) assertInPlace(file, place);
  }
}
