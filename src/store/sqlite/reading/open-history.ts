/** The module that a reader's thread imports where SQLite is the store: a `HistoryModule`. */
import type { StoreHistory } from '../../log-store.js';
import type { Page, PageRequest } from '../../page.js';
import { openForReading, shardFile } from '../connection/schema.js';
import type { Database } from '../driver/driver.js';
import { PageReader } from './page-reader.js';

export interface SqliteHistoryOptions {
  /** Absolute. */
  readonly dir: string;
}

export function openHistory(options: unknown): SqliteHistory {
  const { dir } = options as SqliteHistoryOptions;
  return new SqliteHistory(dir);
}

interface OpenReader {
  readonly database: Database;
  readonly pages: PageReader;
}

/**
 * The logs of a directory over read-only connections, each opened by the first look into its log. A look is short, so no
 * checkpoint waits for it for long.
 */
export class SqliteHistory implements StoreHistory {
  readonly #dir: string;
  /** By shard. */
  readonly #open = new Map<number, OpenReader>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  page(shard: number, request: PageRequest): Page {
    return this.#look(shard, (pages) => pages.page(request));
  }

  positionAt(shard: number, timeMs: number): number {
    return this.#look(shard, (pages) => pages.positionAt(timeMs));
  }

  close(): void {
    for (const { database } of this.#open.values()) database.close();
    this.#open.clear();
  }

  /** After an error the next look starts on a fresh connection. */
  #look<T>(shard: number, look: (pages: PageReader) => T): T {
    try {
      return look(this.#readerOf(shard).pages);
    } catch (error) {
      this.#open.get(shard)?.database.close();
      this.#open.delete(shard);
      throw error;
    }
  }

  #readerOf(shard: number): OpenReader {
    const found = this.#open.get(shard);
    if (found !== undefined) return found;
    const file = shardFile(this.#dir, shard);
    const database = openForReading(file, shard);
    const reader = { database, pages: new PageReader(database, file, shard) };
    this.#open.set(shard, reader);
    return reader;
  }
}
