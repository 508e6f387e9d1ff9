import type { Database } from '../driver/driver.js';

/** For `max_page_count`: SQLite raises this to the file's current size, so that the file stops growing. */
const PAGES_AS_THEY_ARE = 1;

/** How far a log's file may grow. Files beside it count towards the same bound. */
export class PageLimit {
  readonly #database: Database;
  readonly #pageBytes: number;
  readonly #maxBytes: number | undefined;
  #bytesBeside = 0;
  #pages: number;
  #isFrozen = false;

  /** `maxBytes`: of the file and of the files beside it. Default: no bound but SQLite's own. */
  constructor(database: Database, maxBytes: number | undefined, pageBytes: number) {
    this.#database = database;
    this.#pageBytes = pageBytes;
    this.#maxBytes = maxBytes;
    this.#pages =
      maxBytes === undefined ? this.#pragma('max_page_count') : Math.ceil(maxBytes / pageBytes);
    this.allowGrowth();
  }

  /** Bytes that the files beside the log take now. */
  set bytesBeside(bytes: number) {
    if (this.#maxBytes === undefined || bytes === this.#bytesBeside) return;
    this.#bytesBeside = bytes;
    this.#pages = Math.max(
      PAGES_AS_THEY_ARE,
      Math.ceil((this.#maxBytes - bytes) / this.#pageBytes),
    );
    if (!this.#isFrozen) this.allowGrowth();
  }

  /** Whether files of so many bytes, beside the log's file as it is, are within the bound. */
  fitsBeside(bytes: number): boolean {
    if (this.#maxBytes === undefined) return true;
    return this.#pragma('page_count') * this.#pageBytes + bytes <= this.#maxBytes;
  }

  /** The file may grow up to the bound, or up to its size where it is larger. */
  allowGrowth(): void {
    this.#isFrozen = false;
    this.#pragma(`max_page_count = ${this.#pages}`);
  }

  stopGrowth(): void {
    this.#isFrozen = true;
    this.#pragma(`max_page_count = ${PAGES_AS_THEY_ARE}`);
  }

  #pragma(text: string): number {
    return Number(this.#database.pragma(text, { simple: true }));
  }
}
