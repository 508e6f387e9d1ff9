/** The API of a bus in every thread: in the one that opened it and in attached workers. */
import type { BusApi } from '../protocol/bus-api.js';
import type { BackupProgress, BackupResult } from '../store/backup.js';

export interface BackupOptions {
  /** Aborts the backup with `ABORTED` and removes the partial copy. Default: none. */
  signal?: AbortSignal;
  /** Called with the progress, only in the thread that opened the bus, not in an attached worker. Default: none. */
  onProgress?: (progress: BackupProgress) => void;
}

/** Which events to remove, oldest first; at least one of `before`, `maxEvents` and `maxBytes`. */
export interface PruneOptions {
  /** Default `*`: every topic but the bus's own. */
  pattern?: string;
  /** Removes events recorded before this time. Default: age removes nothing. */
  before?: Date | string;
  /** Keeps at most this many matching events, 0 or more; each shard keeps an equal share. Default: no limit. */
  maxEvents?: number;
  /** Keeps at most this many bytes of matching events; each shard keeps an equal share. Default: no limit. */
  maxBytes?: number;
  /** Begins no further step once it aborts; removed events stay removed. Default: none. */
  signal?: AbortSignal;
}

export interface PruneResult {
  /** Events removed. */
  readonly events: number;
  /** Roughly the bytes of their payloads and rows. The file does not shrink: its pages are used again. */
  readonly bytes: number;
}

/** The API of every endpoint: of the thread that opened the bus, of an attached worker, of the gateway. */
export interface BusEndpoint extends BusApi {
  /** The identity of the history that is being written. Changes when history cannot go on, as after a restore. */
  readonly epoch: string;
  /** How many shards the bus has. */
  readonly shards: number;
  /**
   * Copies the directory into another one, which must be empty or absent, while the bus goes on working. Each shard is
   * copied as it is at one moment. One backup runs at a time. `millrace restore` checks the copy and puts it to use.
   *
   * @param dir the directory of the copy; a relative path starts at the working directory
   * @param options an abort signal and a progress callback
   * @throws BusError `OPTION_INVALID` for a target that holds anything or a bus in memory, `LIMIT_EXCEEDED` for a
   *   second backup at the same time, `STORE_FULL`, `STORE_FAILED`, `ABORTED`, `BUS_CLOSED`
   */
  backup(dir: string, options?: BackupOptions): Promise<BackupResult>;
  /**
   * Removes the oldest events that match, in small steps between batches. Subscriptions that had not read them yet get
   * a gap.
   *
   * @param options which events go: one of `before`, `maxEvents` and `maxBytes` is needed
   * @throws BusError `OPTION_INVALID`, `PATTERN_INVALID`, `STORE_FAILED`, `ABORTED`
   */
  prune(options: PruneOptions): Promise<PruneResult>;
}
