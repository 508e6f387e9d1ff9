import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { BusError } from '../../protocol/errors.js';
import { isKeptObject } from '../../protocol/kept-object.js';
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

export type KeptName = (typeof KEPT)[number] | typeof ARCHIVE_FILE;

/** Texts are JSON objects. Each is stored with a checksum of itself, since a wrong digit in one is JSON too. */
export class KeptFile implements KeptText {
  readonly file: string;

  constructor(dir: string, name: KeptName) {
    this.file = join(dir, name);
  }

  /** @throws BusError `STORE_CORRUPT` if the checksum does not match, or the error of the system */
  read(): string | undefined {
    let text: string;
    try {
      text = readFileSync(this.file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw storeError(error, this.file, 'reading');
    }
    return checked(this.file, text);
  }

  write(text: string): void {
    try {
      replaceFile(this.file, withChecksum(text));
    } catch (error) {
      throw storeError(error, this.file, 'writing');
    }
  }
}

function withChecksum(text: string): string {
  const value = JSON.parse(text) as object;
  return `${JSON.stringify({ ...value, checksum: checksumOf(value) }, null, 1)}\n`;
}

/**
 * The text without its checksum. One that has none is of an earlier version, or was corrected by hand; whether it is a
 * JSON object, the reader finds out.
 */
function checked(file: string, text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (!isKeptObject(value) || !('checksum' in value)) return text;
  const { checksum, ...kept } = value;
  if (checksum === checksumOf(kept)) return JSON.stringify(kept);
  const reason = 'its checksum does not match: it was damaged, or changed by hand';
  throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
}

/** Covers the fields in their order, but not the white space. */
function checksumOf(value: object): string {
  return crc32(JSON.stringify(value)).toString(16).padStart(8, '0');
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
