import { statSync } from 'node:fs';
import { BusError } from '../../protocol/errors.js';

/**
 * Notices that files which are open were removed or replaced: by `git clean`, by what empties a temporary directory. The
 * system lets one go on writing to them, and all of it is gone when they are closed.
 */
const INTERVAL_MS = 25;

/** A file by what the system calls it, whatever its name. */
export interface FilePlace {
  readonly ino: number;
  readonly dev: number;
}

/** @throws the system's error if it is not there */
export function placeOf(file: string): FilePlace {
  const { ino, dev } = statSync(file);
  return { ino, dev };
}

/** @throws BusError `STORE_FAILED` if the file is not the one that it was */
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

  /** The files must be there. */
  constructor(files: readonly string[]) {
    this.#places = files.map((file) => [file, placeOf(file)]);
  }

  /** Looks at most every 25 ms. @throws BusError `STORE_FAILED` */
  assert(): void {
    const now = performance.now();
    if (now < this.#lookAt) return;
    this.#lookAt = now + INTERVAL_MS;
    for (const [file, place] of this.#places) assertInPlace(file, place);
  }
}
