import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  opendirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { codeOf, messageOf } from '../../protocol/thrown.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import {
  makeDirectory,
  placeFile,
  removeIfPossible,
  syncDirectory,
  TEMPORARY_SUFFIX,
} from './files.js';

/**
 * The payloads that lie in files of their own, beside the log of their shard. The directory of `shard-000.db` is
 * `shard-000.payloads`; a file's name is the SHA-256 of its bytes, in a folder of the first two digits, so that
 * `sha256sum` checks it. Events with equal payloads share a file.
 *
 * A file gets its name only when its bytes are flushed, and `flushNames` makes the names last. A file of which no row
 * says that both were done is never used, whatever it holds: it is written anew, or swept.
 *
 * Only the log's thread writes and removes; any thread may read.
 */
export interface PayloadReference {
  /** SHA-256, 64 lower-case hexadecimal digits. */
  readonly hash: string;
  /** Bytes. */
  readonly length: number;
}

export interface FoundFile {
  readonly path: string;
  /** Undefined of a file that was never completed. */
  readonly hash: string | undefined;
}

/** Errors of a read that a damaged file or disk causes; any other may pass. */
const DAMAGE_CODES = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EIO']);
const FOLDER = /^[0-9a-f]{2}$/;
const NAME = /^([0-9a-f]{64})(\.new)?$/;

export function isPayloadHash(hash: string): boolean {
  return NAME.exec(hash)?.[1] === hash;
}

export function hashOfPayload(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('hex');
}

/** The directory of a log's payload files. */
export function payloadDirectory(databaseFile: string): string {
  return `${databaseFile.replace(/\.db$/, '')}.payloads`;
}

export class PayloadFiles {
  readonly dir: string;
  /** Folders that are known to exist, and whose names are flushed. */
  readonly #made = new Set<string>();

  constructor(databaseFile: string) {
    this.dir = payloadDirectory(databaseFile);
  }

  /** @throws BusError `STORE_CORRUPT` for a text that is no hash, which could name a file anywhere */
  locate(hash: string): string {
    if (!isPayloadHash(hash)) {
      throw damaged(this.dir, `the log names ${quote(hash)}, which is no payload file`);
    }
    return join(this.dir, hash.slice(0, 2), hash);
  }

  /** Writes a file and flushes its bytes. Call `flushNames` before anything refers to it. */
  write(hash: string, payload: Uint8Array): void {
    const file = this.locate(hash);
    try {
      this.#make(dirname(file));
      placeFile(file, payload);
    } catch (error) {
      throw storeError(error, file, 'writing');
    }
  }

  /** Flushes the names of files that were just written. */
  flushNames(hashes: Iterable<string>): void {
    const folders = new Set<string>();
    for (const hash of hashes) folders.add(dirname(this.locate(hash)));
    for (const folder of folders) {
      try {
        syncDirectory(folder);
      } catch (error) {
        throw storeError(error, folder, 'flushing');
      }
    }
  }

  /**
   * Reads a payload into `bytes`, which has room for it, and checks it against its hash.
   * @throws BusError `STORE_CORRUPT` if the file is missing or damaged (see `isMissingPayload`), `STORE_FAILED`
   */
  readInto({ hash, length }: PayloadReference, bytes: Uint8Array, offset: number): void {
    const file = this.locate(hash);
    const fault = readWhole(file, bytes, offset, length);
    if (fault !== undefined) throw damaged(file, fault);
    if (hashOfPayload(bytes.subarray(offset, offset + length)) === hash) return;
    throw damaged(file, 'its bytes do not have the SHA-256 that it is named by');
  }

  /** A copy of a payload. @throws BusError as `readInto` */
  read(reference: PayloadReference): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(reference.length);
    this.readInto(reference, bytes, 0);
    return bytes;
  }

  /** Removes a file; does nothing if it is not there. A power cut may bring it back. */
  remove(path: string): void {
    try {
      unlinkSync(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw storeError(error, path, 'removing');
    }
  }

  /** Removes a file that nothing refers to. Where that fails, the look after the next opening finds it. */
  discard(path: string): void {
    removeIfPossible(path);
  }

  /** All files there, also those that were never completed, one after another: a look at one reads a few more. */
  *list(): Generator<FoundFile> {
    if (!existsSync(this.dir)) return;
    for (const entry of readdirSync(this.dir, { withFileTypes: true })) {
      // A link may lead to the files of another log.
      if (FOLDER.test(entry.name) && !entry.isSymbolicLink()) {
        yield* this.#listFolder(join(this.dir, entry.name));
      }
    }
  }

  *#listFolder(path: string): Generator<FoundFile> {
    const folder = opendirSync(path);
    try {
      for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
        const [, hash, temporary] = NAME.exec(entry.name) ?? [];
        if (hash === undefined) continue;
        yield {
          path: join(path, entry.name),
          hash: temporary === TEMPORARY_SUFFIX ? undefined : hash,
        };
      }
    } finally {
      folder.closeSync();
    }
  }

  #make(folder: string): void {
    if (this.#made.has(folder)) return;
    makeDirectory(folder);
    // It may have been made by a process that died before it flushed the name.
    syncDirectory(dirname(folder));
    syncDirectory(dirname(this.dir));
    this.#made.add(folder);
  }
}

/** Whether a read failed because the file is not there, as when its last event was removed meanwhile. */
export function isMissingPayload(error: unknown): error is BusError {
  return error instanceof BusError && error.details?.payload === 'missing';
}

/** Reads a file of `length` bytes. @returns what is wrong with it */
function readWhole(
  file: string,
  bytes: Uint8Array,
  offset: number,
  length: number,
): string | undefined {
  try {
    // Non-blocking, as opening a pipe would wait for its writer.
    const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const { size } = fstatSync(descriptor);
      if (size !== length) return `it has ${size} bytes, not ${length}`;
      for (let done = 0; done < length; ) {
        const read = readSync(descriptor, bytes, offset + done, length - done, done);
        if (read === 0) return `it ends after ${done} of ${length} bytes`;
        done += read;
      }
      return undefined;
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw missing(file, error);
    if (DAMAGE_CODES.has(codeOf(error))) return messageOf(error);
    throw storeError(error, file, 'reading');
  }
}

function missing(file: string, cause: unknown): BusError {
  const reason = 'it is missing';
  const details = { file, reason, payload: 'missing' };
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details, cause });
}

function damaged(file: string, reason: string): BusError {
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
}
