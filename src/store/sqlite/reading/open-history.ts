/** The `HistoryModule` of the SQLite store, which a reader's thread imports. */
import type { StoreHistory } from '../../log-store.js';
import type { Page, PageRequest } from '../../page.js';
import { openForReading, shardFile } from '../connection/schema.js';
import type { Database } from '../driver/driver.js';
import { RecentValues } from '../fields/recent-values.js';
import { PageReader } from './page-reader.js';

export interface SqliteHistoryOptions {
  /** The directory of the logs, an absolute path. */
  readonly dir: string;
  /** By shard: memory that the log's thread shares. Default: none, so that events behind the index are read. */
  readonly recentValues?: readonly SharedArrayBuffer[];
}

export function openHistory(options: unknown): SqliteHistory {
  const { dir, recentValues } = options as SqliteHistoryOptions;
  return new SqliteHistory(dir, recentValues);
}

interface OpenReader {
  readonly database: Database;
  readonly pages: PageReader;
}

/**
 * Reads the logs of a directory over read-only connections, each opened by the first look into its log. A look is
 * short, so that no checkpoint waits long for it.
 */
export class SqliteHistory implements StoreHistory {
  readonly #dir: string;
  readonly #recentValues: readonly SharedArrayBuffer[];
  /** Open readers by shard. */
  readonly #open = new Map<number, OpenReader>();

  constructor(dir: string, recentValues: readonly SharedArrayBuffer[] = []) {
    this.#dir = dir;
    this.#recentValues = recentValues;
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

  /** Runs a look. After an error the next look starts on a fresh connection. */
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
    const memory = this.#recentValues[shard];
    const recent = memory && new RecentValues(memory);
    const reader = { database, pages: new PageReader(database, file, shard, recent) };
    this.#open.set(shard, reader);
    return reader;
  }
}
