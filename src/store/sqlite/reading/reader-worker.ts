import { move, transferableSymbol, valueSymbol } from 'piscina';
import { BusError, type ErrorData } from '../../../protocol/errors.js';
import { SHARDS_MAX } from '../../../protocol/limits.js';
import { messageOf } from '../../../protocol/thrown.js';
import type { Page, PageRequest } from '../../page.js';
import { openForReading, shardFile } from '../connection/schema.js';
import type { Database } from '../driver/driver.js';
import { PageReader } from './page-reader.js';

/**
 * The task of a reader thread: one look into one shard's log over a read-only connection, which stays open for the next
 * one. An error crosses as data, since a thread boundary strips an error of its code.
 */
export type ReaderTask =
  | { readonly dir: string; readonly shard: number; readonly request: PageRequest }
  | { readonly dir: string; readonly shard: number; readonly timeMs: number };

export type ReaderAnswer =
  | { readonly page: Page }
  | { readonly position: number }
  | { readonly error: ErrorData };

interface OpenReader {
  readonly database: Database;
  readonly pages: PageReader;
}

const open = new Map<string, OpenReader>();

export default function readerTask(task: ReaderTask): unknown {
  try {
    const { pages } = readerOf(task.dir, task.shard);
    if ('timeMs' in task) return { position: pages.positionAt(task.timeMs) };
    const page = pages.page(task.request);
    return move({
      get [transferableSymbol]() {
        return page.records;
      },
      get [valueSymbol]() {
        return { page };
      },
    });
  } catch (error) {
    forget(task);
    return { error: errorData(error) };
  }
}

function readerOf(dir: string, shard: number): OpenReader {
  const file = shardFile(dir, shard);
  const found = open.get(file);
  if (found !== undefined) return found;
  if (open.size >= SHARDS_MAX) closeAll();
  const database = openForReading(file, shard);
  const reader = { database, pages: new PageReader(database, file, shard) };
  open.set(file, reader);
  return reader;
}

/** After an error the next task starts on a fresh connection. */
function forget(task: ReaderTask): void {
  const file = shardFile(task.dir, task.shard);
  open.get(file)?.database.close();
  open.delete(file);
}

function closeAll(): void {
  for (const { database } of open.values()) database.close();
  open.clear();
}

function errorData(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  const message = messageOf(error);
  return { code: 'STORE_FAILED', message };
}

process.once('exit', closeAll);
