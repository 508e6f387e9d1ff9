import {
  PAYLOAD_FILES_PER_STEP,
  PAYLOAD_REMOVAL_RETRY_MS,
} from '../../../protocol/limits/store.js';
import type { FoundFile, PayloadFiles } from '../../directory/payload-files.js';
import type { Database } from '../driver/driver.js';
import type { RoomBeside } from './claimed-payloads.js';
import type { LeftoverFiles } from './leftover-files.js';
import type { PayloadTable } from './payload-table.js';

export interface PayloadUpkeepOptions {
  readonly table: PayloadTable;
  readonly files: PayloadFiles;
  readonly leftovers: LeftoverFiles;
  readonly room: RoomBeside;
  /** More than 0 while somebody copies the log: no file that the copy may refer to is removed. */
  readonly holds?: Int32Array | undefined;
  /** Monotonic, ms; for tests. */
  readonly now?: () => number;
}

/**
 * Removes payload files that no event refers to, outside batches and in bounded steps. Those of removed events wait in
 * the table. Those that earlier processes left behind are found by a look at all files, once after each opening.
 */
export class PayloadUpkeep {
  readonly #database: Database;
  readonly #table: PayloadTable;
  readonly #files: PayloadFiles;
  readonly #leftovers: LeftoverFiles;
  readonly #room: RoomBeside;
  readonly #holds: Int32Array | undefined;
  readonly #now: () => number;
  /** Undefined when the look is over. */
  #found: Iterator<FoundFile> | undefined;
  #retryAt = 0;

  constructor(database: Database, options: PayloadUpkeepOptions) {
    this.#database = database;
    this.#table = options.table;
    this.#files = options.files;
    this.#leftovers = options.leftovers;
    this.#room = options.room;
    this.#holds = options.holds;
    this.#now = options.now ?? (() => performance.now());
    this.#found = database.memory ? undefined : options.files.list();
  }

  /** Whether `remove` has something to do. */
  get isRemovalDue(): boolean {
    if (this.#table.unused === 0 && !this.#leftovers.isDue) return false;
    return !this.#isHeld && this.#now() >= this.#retryAt;
  }

  /** Whether `sweep` has something to do. */
  get isSweepDue(): boolean {
    return this.#found !== undefined && !this.#isHeld;
  }

  /**
   * Removes some files to which no event refers, and forgets them. Call it when every commit is flushed: otherwise a
   * power cut could bring back an event without its file.
   */
  remove(): void {
    const leftovers = this.#leftovers.isDue ? this.#leftovers.take(PAYLOAD_FILES_PER_STEP) : [];
    for (const hash of leftovers) {
      if (!this.#table.has(hash)) this.#files.discard(this.#files.locate(hash));
    }
    const unused = this.#table.someUnused(PAYLOAD_FILES_PER_STEP);
    // A commit that failed may be found yet, and have taken such a file into use again.
    const free = unused.filter((hash) => !this.#leftovers.isHeld(hash));
    const removed = free.filter((hash) => this.#isRemoved(hash));
    if (removed.length > 0) this.#forget(removed);
    // What is left cannot be removed, or its rows are damaged.
    if (removed.length === 0 && this.#table.unused > 0) {
      this.#retryAt = this.#now() + PAYLOAD_REMOVAL_RETRY_MS;
    }
  }

  /** Looks at some of the files that were there, and removes those that the table does not have. */
  sweep(): void {
    // A file that the table lacks may then be of a commit that is found later.
    if (this.#leftovers.isOverfull) this.#endSweep();
    for (let looked = 0; looked < PAYLOAD_FILES_PER_STEP; looked++) {
      const file = this.#next();
      if (file === undefined) break;
      const { path, hash } = file;
      const isKept = hash !== undefined && (this.#table.has(hash) || this.#leftovers.has(hash));
      if (!isKept) this.#files.discard(path);
    }
  }

  close(): void {
    this.#endSweep();
  }

  get #isHeld(): boolean {
    return this.#holds !== undefined && Atomics.load(this.#holds, 0) > 0;
  }

  /** The next file; `undefined` at the end, or where a folder cannot be listed, which is left to the next opening. */
  #next(): FoundFile | undefined {
    try {
      const next = this.#found?.next();
      if (next?.done === false) return next.value;
    } catch {
      // Told by nobody, as files that stay harm nobody.
    }
    this.#endSweep();
    return undefined;
  }

  #endSweep(): void {
    this.#found?.return?.();
    this.#found = undefined;
  }

  /** A file that cannot be removed is tried again later; that must not end the log. */
  #isRemoved(hash: string): boolean {
    try {
      this.#files.remove(this.#files.locate(hash));
      return true;
    } catch {
      return false;
    }
  }

  #forget(hashes: readonly string[]): void {
    const forget = (): void => {
      for (const hash of hashes) this.#table.forget(hash);
      this.#table.finish();
    };
    try {
      this.#database.transaction(forget).immediate();
    } catch (error) {
      this.#table.rollback();
      throw error;
    }
    this.#table.commit();
    this.#room.bytesBeside = this.#table.bytes;
  }
}
