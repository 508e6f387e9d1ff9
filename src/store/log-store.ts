import type { BackupProgress, BackupResult } from './backup.js';
import type { CursorPositions, ResolvedCursor } from './cursor-positions.js';
import type { Page, PageRequest } from './page.js';

/**
 * A store of logs, as the thread that opens the bus sees it: one log for each shard. What stores and delivers events is the
 * `ShardLog` of each shard's thread, from the module that an open store names. See docs/adr/0030.
 */
export interface LogStore {
  /** For messages: `a bus NAME has no backup`. */
  readonly name: string;
  /**
   * Takes the store for this bus, judges its history, and begins a new epoch where that cannot go on. No shard runs yet.
   * @throws BusError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`, `SHARD_COUNT_MISMATCH`, `OPTION_INVALID`
   */
  open(request: StoreRequest): OpenStore | Promise<OpenStore>;
}

export interface StoreRequest {
  /** As the user gave it; `undefined`: whatever the store has. */
  readonly shards: number | undefined;
  /** For a store that is new, where the user gave none. */
  readonly defaultShards: number;
}

/** Taken by one bus until `close`. */
export interface OpenStore {
  readonly shards: number;
  /** The identity of the history that is being written. */
  readonly epoch: string;
  /** The address of the module that each shard's thread imports: a `ShardLogModule`. */
  readonly shardLog: string;
  /** For `ShardLogOpening.options`: any value that can be cloned. */
  shardOptions(shard: number): unknown;
  /** The logs of all shards are open. */
  ready(): void | Promise<void>;
  /**
   * Where a cursor goes on. `heads`: what the shards have told. A bus does not ask about a cursor of this epoch that is within them:
   * it goes on where it says.
   * @throws BusError `CURSOR_EXPIRED` for an unknown epoch, `CURSOR_INVALID` for another number of shards
   */
  resolveCursor(
    cursor: CursorPositions,
    heads: readonly number[],
  ): ResolvedCursor | Promise<ResolvedCursor>;
  /**
   * Where threads that read history find it: queries and long replays then take none of a shard's time. Left out where only a
   * shard's own thread can look into its log: then its `ShardLog.pages` is asked.
   */
  readonly history?: HistoryAddress;
  /** Capability: a copy is made while the bus goes on. One at a time. */
  readonly backup?: (request: BackupRequest) => RunningBackup;
  /** The shards' threads have ended; `heads`: what they told last. */
  close(heads: readonly number[]): void | Promise<void>;
}

/** How a thread comes to the history of a store. */
export interface HistoryAddress {
  /** The address of a `HistoryModule`. */
  readonly module: string;
  /** For `openHistory`: any value that can be cloned. */
  readonly options: unknown;
}

/** The exports of the module behind `HistoryAddress.module`. Each thread that reads imports it and opens a history of its own. */
export interface HistoryModule {
  openHistory(options: unknown): StoreHistory | Promise<StoreHistory>;
}

/** The logs of all shards, as a thread sees them that reads and never appends. */
export interface StoreHistory {
  /**
   * What is there by now; a shared store waits until a replica that is behind has `headLeast`. The records go to another
   * thread by transfer: no other page may share their memory.
   */
  page(shard: number, request: PageRequest): Page | Promise<Page>;
  /** The last sequence recorded before a time in ms since 1970; 0 if there is none. */
  positionAt(shard: number, timeMs: number): number | Promise<number>;
  /** No look is under way. Called before the shards close their logs, and when nobody has read for some time. */
  close(): void | Promise<void>;
}

export interface BackupRequest {
  /** A directory that is empty or not there. */
  readonly to: string;
  /** Per shard one shared number that goes on changing: the head that it has told. `undefined` for one that runs no more. */
  readonly sharedHeads: readonly (Float64Array | undefined)[];
  readonly onProgress: ((progress: BackupProgress) => void) | undefined;
}

export interface RunningBackup {
  readonly result: Promise<BackupResult>;
  /** Gives it up and removes what was copied. */
  abort(): Promise<void>;
}
