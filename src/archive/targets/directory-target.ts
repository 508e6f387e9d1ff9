import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { ARCHIVE_NOTE_BYTES_MAX } from '../../protocol/limits/archive.js';
import { codeOf, messageOf } from '../../protocol/thrown.js';
import {
  makeDirectory,
  placeFile,
  syncDirectory,
  TEMPORARY_SUFFIX,
} from '../../store/directory/files.js';
import type { ArchiveTarget, TargetObject } from './target.js';

/** Reads of a file of the archive itself: a link might lead out of it. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0);

/** An archive in a directory, which may be on another disk or a network's. */
export class DirectoryTarget implements ArchiveTarget {
  readonly setting = 'archive.dir';
  readonly #dir: string;

  /** `dir` is an absolute path. */
  constructor(dir: string) {
    this.#dir = resolve(dir);
  }

  locate(name: string): string {
    return join(this.#dir, name);
  }

  /** Writes a temporary file, flushes it, renames it and flushes the directory. */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    const file = this.locate(name);
    try {
      makeDirectory(dirname(file));
      await this.#assertOwn(dirname(file));
      // Synchronous, since this thread has nothing else to do, and in one piece: a retry begins from nothing.
      placeFile(file, bytes);
      syncDirectory(dirname(file));
    } catch (error) {
      throw this.#failed(error, file, 'writing');
    }
  }

  async get(name: string, bytesMax = ARCHIVE_NOTE_BYTES_MAX): Promise<Buffer | undefined> {
    return this.#read(name, async (handle, size) => {
      if (size > bytesMax) throw new Error(`it has ${size} bytes; ${bytesMax} is the limit`);
      return handle.readFile();
    });
  }

  async range(name: string, offset: number, length: number): Promise<Buffer | undefined> {
    return this.#read(name, async (handle, size) => {
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, size - offset)));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
      return bytes.subarray(0, bytesRead);
    });
  }

  async list(prefix: string): Promise<readonly TargetObject[]> {
    const dir = this.locate(prefix);
    try {
      await this.#assertOwn(dir);
      const names = (await readdir(dir)).filter((name) => !name.endsWith(TEMPORARY_SUFFIX)).sort();
      const found: TargetObject[] = [];
      for (const name of names) {
        // An object may be removed meanwhile.
        const bytes = await lstat(join(dir, name)).then(({ size }) => size, absent);
        if (bytes !== undefined) found.push({ name: prefix + name, bytes });
      }
      return found;
    } catch (error) {
      return this.#missing(error, dir) ?? [];
    }
  }

  async remove(name: string): Promise<void> {
    const file = this.locate(name);
    try {
      await this.#assertOwn(dirname(file));
      await rm(file, { force: true });
      syncDirectory(dirname(file));
    } catch (error) {
      this.#missing(error, file);
    }
  }

  async clean(prefix: string): Promise<void> {
    const dir = this.locate(prefix);
    try {
      await this.#assertOwn(dir);
      const names = await readdir(dir);
      for (const name of names) if (name.endsWith(TEMPORARY_SUFFIX)) await rm(join(dir, name));
    } catch (error) {
      this.#missing(error, dir);
    }
  }

  /** Reads of a file, and of nothing else that has its name: a pipe would be waited for, and a device does not end. */
  async #read(
    name: string,
    read: (handle: FileHandle, size: number) => Promise<Buffer>,
  ): Promise<Buffer | undefined> {
    const file = this.locate(name);
    try {
      await this.#assertOwn(dirname(file));
      const handle = await open(file, READ_FLAGS);
      try {
        const stats = await handle.stat();
        if (!stats.isFile()) throw new Error('it is no file');
        return await read(handle, stats.size);
      } finally {
        await handle.close();
      }
    } catch (error) {
      return this.#missing(error, file);
    }
  }

  /**
   * A folder of the archive that is a link would have this process write, clean up and remove in another folder. The archive
   * itself may be one, as its operator likes.
   */
  async #assertOwn(dir: string): Promise<void> {
    if (resolve(dir) === this.#dir) return;
    if (!(await lstat(resolve(dir))).isDirectory()) throw new Error(`${dir} is no directory`);
  }

  #missing(error: unknown, file: string): undefined {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw this.#failed(error, file, 'reading');
  }

  #failed(error: unknown, file: string, doing: string): BusError {
    const code = codeOf(error);
    const message = `${this.setting}: ${doing} ${file}: ${messageOf(error)}`;
    const details = { setting: this.setting, file, cause: code };
    return new BusError('ARCHIVE_FAILED', message, { details, cause: error });
  }
}

function absent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  throw error;
}
