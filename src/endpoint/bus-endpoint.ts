/** The API of a bus as every thread has it that is attached to it. */
import type { BusApi } from '../protocol/bus-api.js';
import type { BackupProgress, BackupResult } from '../store/backup.js';

export interface BackupOptions {
  /** Gives up with `ABORTED`, and removes what was copied. Default: none. */
  signal?: AbortSignal;
  /** Called in the thread that opened the bus; an attached worker's is not called. Default: nobody is told. */
  onProgress?: (progress: BackupProgress) => void;
}

/** What is to be removed, oldest first; at least one of `before`, `maxEvents` and `maxBytes`. */
export interface PruneOptions {
  /** Default `*`: every topic but the bus's own. */
  pattern?: string;
  /** Whatever was recorded before this goes. Default: age removes nothing. */
  before?: Date | string;
  /** At most this many events of all that match stay; 0: none. Each shard keeps an equal share. Default: number removes nothing. */
  maxEvents?: number;
  /** The same for the bytes of events. Default: size removes nothing. */
  maxBytes?: number;
  /** No further step is begun once it aborts; what was removed stays removed. Default: none. */
  signal?: AbortSignal;
}

export interface PruneResult {
  /** Events removed. */
  readonly events: number;
  /** Of their payloads and rows, about. The file does not shrink: its pages are used again. */
  readonly bytes: number;
}

/** What every endpoint can do: the thread that opened the bus, an attached worker, the gateway. */
export interface BusEndpoint extends BusApi {
  /** The identity of the history that is being written: it changes when history cannot go on, as after a restore. */
  readonly epoch: string;
  /** How many shards the bus has. */
  readonly shards: number;
  /**
   * Copies the directory into another one, which must be empty or absent, while everything goes on. Each shard is copied
   * as it is at one moment. One backup at a time. The copy is checked and put to use by `millrace restore`.
   *
   * @param dir of the copy; relative ones are taken from the working directory
   * @param options how to give up, and who is told how far it is
   * @throws BusError `OPTION_INVALID` for a target that holds anything or a bus in memory, `LIMIT_EXCEEDED` for a second
   * backup at the same time, `STORE_FULL`, `STORE_FAILED`, `ABORTED`, `BUS_CLOSED`
   */
  backup(dir: string, options?: BackupOptions): Promise<BackupResult>;
  /**
   * Removes the oldest events that match, in small steps between batches. Subscriptions that had still to read them get
   * a gap.
   *
   * @param options which events go: one of `before`, `maxEvents` and `maxBytes` is needed
   * @throws BusError `OPTION_INVALID`, `PATTERN_INVALID`, `STORE_FAILED`, `ABORTED`
   */
  prune(options: PruneOptions): Promise<PruneResult>;
}
