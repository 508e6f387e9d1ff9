import { Worker } from 'node:worker_threads';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import type { BackupResult } from '../../protocol/operations.js';
import { messageOf } from '../../protocol/thrown.js';
import { threadFlags } from '../../threads/exec-argv.js';
import { threadModule } from '../../threads/packed.js';
import type { BackupProgress } from '../backup.js';
import type { Manifest } from '../directory/manifest.js';
import { CopyTarget } from './copy-target.js';

/** The start data of the backup's thread. */
export interface BackupThreadData {
  readonly from: string;
  readonly to: string;
  readonly manifest: Manifest;
  /**
   * Per shard, one shared number: the head that the shard has told. The copy may contain a batch that was committed and
   * not flushed yet; the backup ends only when the shard has told that head. `undefined` for a shard that no longer
   * runs.
   */
  readonly sharedHeads: readonly (Float64Array | undefined)[];
}

export interface BackupOptions extends BackupThreadData {
  /** Counted up while the backup runs: no shard removes a payload file meanwhile. */
  readonly payloadHolds: Int32Array;
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

export type BackupReport =
  | { readonly report: 'progress'; readonly progress: BackupProgress }
  | { readonly report: 'done'; readonly result: BackupResult }
  | { readonly report: 'failed'; readonly error: ErrorData };

/** The only message to the thread. */
export const BACKUP_ABORT = 'abort';

const THREAD_URL = threadModule('store/upkeep/backup-thread');

/**
 * Copies the logs of a directory in use into a new directory, in a thread of its own: each shard's log as it was at one
 * moment, by SQLite's online backup over a read-only connection. Shards and publishers go on meanwhile. The manifest is
 * written last, so that an unfinished copy cannot be opened. It marks the copy as a backup, so that opening it starts a
 * new epoch.
 */
export class Backup {
  readonly result: Promise<BackupResult>;
  readonly #worker: Worker;

  /** @throws BusError `OPTION_INVALID` if the target holds anything, `STORE_FAILED` if it cannot be made */
  constructor({ payloadHolds, onProgress, ...data }: BackupOptions) {
    const target = CopyTarget.begin(data.to);
    // Before the thread fixes the moment of any copy, so that each file which that moment refers to stays.
    Atomics.add(payloadHolds, 0, 1);
    const worker = startThread(data, () => {
      target.end(false);
      Atomics.sub(payloadHolds, 0, 1);
    });
    this.#worker = worker;
    this.result = new Promise((resolve, reject) => {
      const refuse = (error: BusError): void => {
        target.end(false);
        reject(error);
      };
      const fail = (message: string, cause?: unknown): void =>
        refuse(new BusError('STORE_FAILED', message, { cause }));
      worker.on('message', (report: BackupReport) => {
        if (report.report === 'progress') onProgress?.(report.progress);
        else if (report.report === 'failed') refuse(BusError.from(report.error));
        else {
          target.end(true);
          resolve(report.result);
        }
      });
      worker.on('error', (error) => fail(`the backup's thread died: ${messageOf(error)}`, error));
      worker.on('exit', () => fail(`the backup's thread ended before it was done`));
    });
    // A caller that aborts need not handle the rejection.
    this.result.catch(() => {}).finally(() => Atomics.sub(payloadHolds, 0, 1));
  }

  /** Aborts the backup and removes what was copied. Resolves when that is done. */
  async abort(): Promise<void> {
    this.#worker.postMessage(BACKUP_ABORT);
    await this.result.catch(() => {});
  }
}

function startThread(workerData: BackupThreadData, onFailed: () => void): Worker {
  try {
    return new Worker(THREAD_URL, { workerData, name: 'millrace-backup', ...threadFlags() });
  } catch (error) {
    onFailed();
    throw error;
  }
}
