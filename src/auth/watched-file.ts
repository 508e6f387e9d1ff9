import { WATCHED_FILE_POLL_MS, WATCHED_FILE_SETTLE_MS } from '../protocol/limits/auth.js';
import type { AuthLogger } from './auth-log.js';
import { faultsText } from './auth-options.js';
import { FileWatch } from './file-watch.js';
import type { Fault } from './grants.js';
import { fileFault, type GuardedFile, readGuardedFile, versionOf } from './guarded-file.js';

/**
 * The content of a file that is edited while it is used. If the file is missing, half-written or faulty, the content
 * read before stays in force, and the log says so once. One thread.
 */

export interface WatchedFileOptions<T> {
  readonly path: string;
  /** The file's name in the log, such as `keys file`. */
  readonly name: string;
  /** The command that makes such a file, for error messages. */
  readonly make?: string;
  readonly bytesMax: number;
  readonly log: AuthLogger;
  /** Parses the content. On faults returns `undefined` and appends every fault to `faults`. */
  readonly parse: (text: string, faults: Fault[]) => T | undefined;
}

export class WatchedFile<T> {
  readonly #options: WatchedFileOptions<T>;
  readonly initial: T;
  #watch: FileWatch | undefined;
  #version: string;
  #onContent: (content: T) => void = () => {};
  /** The last complaint about the file, so that it is logged once. */
  #complaint: string | undefined;

  /** Reads the file. If it has faults, returns `undefined` and appends them to `faults`. */
  static open<T>(options: WatchedFileOptions<T>, faults: Fault[]): WatchedFile<T> | undefined {
    let file: GuardedFile;
    try {
      file = readGuardedFile(options.path, options.bytesMax);
    } catch (error) {
      faults.push({ path: '', message: fileFault(error, options.path, options.make) });
      return undefined;
    }
    const content = options.parse(file.bytes.toString('utf8'), faults);
    return content === undefined ? undefined : new WatchedFile(options, file, content);
  }

  private constructor(options: WatchedFileOptions<T>, file: GuardedFile, initial: T) {
    this.#options = options;
    this.#version = file.version;
    this.initial = initial;
    this.#warn(file.warning);
  }

  /** Watches the file, and calls `onContent` with its new content whenever it has changed. */
  watch(onContent: (content: T) => void): void {
    this.#onContent = onContent;
    this.#watch = new FileWatch(this.#options.path, () => this.check(), {
      pollMs: WATCHED_FILE_POLL_MS,
      settleMs: WATCHED_FILE_SETTLE_MS,
    });
  }

  /** Reads the file again if it has changed, and takes its content over if it has no faults. Called by the watch. */
  check(): void {
    const { path, bytesMax, parse } = this.#options;
    let file: GuardedFile;
    try {
      if (versionOf(path) === this.#version) return;
      file = readGuardedFile(path, bytesMax);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // So that the file is read again once it can be, even if it is unchanged.
      this.#version = '';
      this.#complain(code === 'ENOENT' ? `${path} is gone` : (error as Error).message);
      return;
    }
    this.#version = file.version;
    const faults: Fault[] = [];
    const content = parse(file.bytes.toString('utf8'), faults);
    if (content === undefined) {
      this.#complain(`${path} has faults: ${faultsText(faults)}`);
      return;
    }
    this.#complaint = undefined;
    this.#warn(file.warning);
    this.#onContent(content);
  }

  close(): void {
    this.#watch?.close();
  }

  #complain(complaint: string): void {
    if (this.#complaint === complaint) return;
    this.#complaint = complaint;
    const { name, path } = this.#options;
    const message = `the ${name} cannot be used; the content read before stays in force`;
    this.#options.log('warn', message, { path, fault: complaint });
  }

  #warn(warning: string | undefined): void {
    if (warning === undefined) return;
    this.#options.log('warn', `the ${this.#options.name} is not private`, { warning });
  }
}
