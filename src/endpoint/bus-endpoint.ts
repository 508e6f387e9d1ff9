/** The API of a bus in every thread: in the one that opened it and in attached workers. */
import type { AlertInfo, AlertList, AlertRuleInput } from '../protocol/alerts.js';
import type { BusApi } from '../protocol/bus-api.js';
import type { BackupResult, PruneResult, PruneSelection } from '../protocol/operations.js';
import type { BackupProgress } from '../store/backup.js';

export interface BackupOptions {
  /** Aborts the backup with `ABORTED` and removes the partial copy. Default: none. */
  signal?: AbortSignal;
  /** Called with the progress, only in the thread that opened the bus, not in an attached worker. Default: none. */
  onProgress?: (progress: BackupProgress) => void;
}

/** The events to remove, and a signal that ends the removal. */
export interface PruneOptions extends PruneSelection {
  /** Begins no further step once it aborts; removed events stay removed. Default: none. */
  signal?: AbortSignal;
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
  /** The rules that watch the bus, each with its state, and the last changes. */
  alerts(): Promise<AlertList>;
  /**
   * Adds a rule that watches the bus, or replaces the rule of this name. The rule is kept in the data directory.
   *
   * @param rule what it watches for: `{ name: 'quiet', when: 'no event on orders.* for 5 min' }`
   * @returns the rule and its state, once every later event is watched
   * @throws BusError `ALERT_INVALID`, `ALERT_FIXED` for a rule of the bus's options, `LIMIT_EXCEEDED`, `STORE_CORRUPT`,
   *   `STORE_FULL`, `STORE_FAILED`, `BUS_CLOSED`
   */
  setAlert(rule: AlertRuleInput): Promise<AlertInfo>;
  /** Removes a rule; false if there is none. @throws BusError as `setAlert` */
  removeAlert(name: string): Promise<{ readonly removed: boolean }>;
  /**
   * Removes the oldest events that match, in small steps between batches. Subscriptions that had not read them yet get
   * a gap.
   *
   * @param options which events go: one of `before`, `maxEvents` and `maxBytes` is needed
   * @throws BusError `OPTION_INVALID`, `PATTERN_INVALID`, `STORE_FAILED`, `ABORTED`
   */
  prune(options: PruneOptions): Promise<PruneResult>;
}
