import { constants } from 'node:fs';
import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { codeOf, messageOf } from '../../protocol/thrown.js';
import {
  makeDirectory,
  placeFile,
  syncDirectory,
  TEMPORARY_SUFFIX,
} from '../../store/directory/files.js';
import type { ArchiveTarget, TargetObject } from './target.js';

/** An archive in a directory, which may be on another disk or a network's. */
export class DirectoryTarget implements ArchiveTarget {
  readonly setting = 'archive.dir';
  readonly #dir: string;

  /** `dir` is an absolute path. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  locate(name: string): string {
    return join(this.#dir, name);
  }

  /** Writes a temporary file, flushes it, renames it and flushes the directory. */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    const file = this.locate(name);
    try {
      makeDirectory(dirname(file));
      // Synchronous, since this thread has nothing else to do, and in one piece: a retry begins from nothing.
      placeFile(file, bytes);
      syncDirectory(dirname(file));
    } catch (error) {
      throw this.#failed(error, file, 'writing');
    }
  }

  async get(name: string): Promise<Buffer | undefined> {
    const file = this.locate(name);
    try {
      return await readFile(file);
    } catch (error) {
      return this.#missing(error, file);
    }
  }

  async range(name: string, offset: number, length: number): Promise<Buffer | undefined> {
    const file = this.locate(name);
    try {
      const handle = await open(file, constants.O_RDONLY);
      try {
        const bytes = Buffer.allocUnsafeSlow(length);
        const { bytesRead } = await handle.read(bytes, 0, length, offset);
        return bytes.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    } catch (error) {
      return this.#missing(error, file);
    }
  }

  async list(prefix: string): Promise<readonly TargetObject[]> {
    const dir = this.locate(prefix);
    try {
      const names = (await readdir(dir)).filter((name) => !name.endsWith(TEMPORARY_SUFFIX)).sort();
      const found: TargetObject[] = [];
      for (const name of names) {
        // An object may be removed meanwhile.
        const bytes = await stat(join(dir, name)).then(({ size }) => size, absent);
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
      await rm(file, { force: true });
      syncDirectory(dirname(file));
    } catch (error) {
      this.#missing(error, file);
    }
  }

  async clean(prefix: string): Promise<void> {
    const dir = this.locate(prefix);
    try {
      const names = await readdir(dir);
      for (const name of names) if (name.endsWith(TEMPORARY_SUFFIX)) await rm(join(dir, name));
    } catch (error) {
      this.#missing(error, dir);
    }
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
