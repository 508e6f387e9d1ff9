import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../protocol/thrown.js';
import type { KeptText } from '../log-store.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { copyOwnFile, replaceFile } from './files.js';

/** The files that a directory keeps beside its logs. Those of `KEPT` go along with a copy of the logs. */

/** The rules of alerts; `src/alerts` knows what is in it. */
export const ALERTS_FILE = 'alerts.json';
/** The list of durable consumers; `src/store/consumer-list.ts` knows what is in it. */
export const CONSUMERS_FILE = 'consumers.json';

/**
 * Where the archive was begun; `src/archive/known-place.ts` knows what is in it. It stays with the directory: a copy
 * may have another archive.
 */
export const ARCHIVE_FILE = 'archive.json';

const KEPT = [ALERTS_FILE, CONSUMERS_FILE] as const;

export class KeptFile implements KeptText {
  readonly file: string;

  constructor(dir: string, name: (typeof KEPT)[number] | typeof ARCHIVE_FILE) {
    this.file = join(dir, name);
  }

  read(): string | undefined {
    try {
      return readFileSync(this.file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw storeError(error, this.file, 'reading');
    }
  }

  write(text: string): void {
    try {
      replaceFile(this.file, text);
    } catch (error) {
      throw storeError(error, this.file, 'writing');
    }
  }
}

/**
 * Copies the files of one directory into another, those that it has. To be called when the logs are copied: a change of
 * a consumer is in the file before any log knows of it.
 */
export function copyKept(from: string, to: string): void {
  for (const name of KEPT) {
    const source = join(from, name);
    if (existsSync(source)) copyOwnFile(source, join(to, name));
  }
}

/** Removes what `copyKept` has copied. */
export function removeKept(dir: string): void {
  for (const name of KEPT) rmSync(join(dir, name), { force: true });
}
