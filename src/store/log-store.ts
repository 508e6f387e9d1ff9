import type { BackupResult } from '../protocol/operations.js';
import type { BackupProgress } from './backup.js';
import type { CursorPositions, ResolvedCursor } from './cursor-positions.js';
import type { FillRequest, StoreFilling } from './filling.js';
import type { Lineage } from './lineage.js';
import type { Page, PageRequest } from './page.js';

/**
 * A store of logs, as the thread that opens the bus sees it: one log for each shard. The `ShardLog` of each shard's
 * thread stores and delivers the events; it comes from the module that an open store names. See docs/adr/0030.
 */
export interface LogStore {
  /** Stands in messages: `a bus NAME has no backup`. */
  readonly name: string;
  /**
   * Takes the store for this bus, judges its history, and begins a new epoch where that history cannot go on. No shard
   * runs yet. It fails within a time of its own choice where it reaches no broker: `openBus` waits for it.
   * @throws BusError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`, `SHARD_COUNT_MISMATCH`, `OPTION_INVALID`
   */
  open(request: StoreRequest): OpenStore | Promise<OpenStore>;
  /**
   * Capability: the store takes the events of another one, if it is empty or an unfinished filling from the same history.
   * @throws BusError `OPTION_INVALID` if it holds anything else, and as `open`
   */
  fill?(request: FillRequest): Promise<StoreFilling>;
}

export interface StoreRequest {
  /** The number that the user gave; `undefined`: the store decides. */
  readonly shards: number | undefined;
  /** A new store takes this number where the user gave none. */
  readonly defaultShards: number;
  /** How a new store divides topics among its shards; undefined: by the whole topic. */
  readonly shardBy?: ShardBy | undefined;
}

/** How topics are divided among shards: those with the same first segments share one. */
export interface ShardBy {
  readonly segments: number;
}

/** A store that one bus has taken, until `close`. */
export interface OpenStore {
  readonly shards: number;
  /** Fixed when the store was made. Default: the whole topic decides its shard. */
  readonly shardBy?: ShardBy | undefined;
  /** The identity of the history that is being written. */
  readonly epoch: string;
  /**
   * What the store's own ack is worth to a publish that asks for the most: `synced`, the event survives a loss of power;
   * `replicated`, a quorum of the broker's nodes has it, or as many replicas as the store was told; `written`, one node has it.
   * The bus's acks name it. Default: `synced`.
   */
  readonly durability?: 'synced' | 'replicated' | 'written';
  /** The address of the module that each shard's thread imports: a `ShardLogModule`. */
  readonly shardLog: string;
  /** The value for `ShardLogOpening.options`; it must be possible to clone it. */
  shardOptions(shard: number): unknown;
  /** Called when the logs of all shards are open. */
  ready(): void | Promise<void>;
  /**
   * Says where a cursor goes on. `heads` are those that the shards have told. A bus does not ask about a cursor of this
   * epoch that is within them: such a cursor goes on where it says. A shared store may know of a head that this node
   * has not heard of yet.
   * @throws BusError `CURSOR_EXPIRED` for an unknown epoch, `CURSOR_INVALID` for another number of shards
   */
  resolveCursor(
    cursor: CursorPositions,
    heads: readonly number[],
  ): ResolvedCursor | Promise<ResolvedCursor>;
  /**
   * Where threads that read history find it: queries and long replays then take none of a shard's time. A store leaves
   * it out where only a shard's own thread can look into its log: the bus then asks `ShardLog.pages`.
   */
  readonly history?: HistoryAddress;
  /** Capability: the store makes a copy while the bus goes on, one at a time. */
  readonly backup?: (request: BackupRequest) => RunningBackup;
  /** Capability: the store keeps the rules of alerts; without it they are kept in memory. */
  readonly alerts?: KeptText;
  /**
   * Capability: the store keeps the list of durable consumers, whose states its logs keep (`ShardLog.consumers`);
   * without it there are no consumers.
   */
  readonly consumers?: KeptText;
  /**
   * Capability of a shared store, in the place of `consumers`: what its broker keeps and carries for the durable consumers of
   * all nodes. One node serves them, in threads of their own; see docs/adr/0086. Needs `history` too.
   */
  readonly consumerBroker?: ConsumerBrokerAddress;
  /** Capability: its logs may keep large payloads in files (`ShardLogSettings.claimCheckBytes`). */
  readonly payloadFiles?: true;
  /** Capability: what this history is, for an archive beside it; without it there is none. Needs `history` too. */
  readonly lineage?: Lineage;
  /** Goes with `lineage`: the note of where this history's archive was begun. */
  readonly archivePlace?: KeptText;
  /**
   * Called when the shards' threads have ended; `heads` are the last that they told. `Bus.close` waits for it, however
   * long.
   */
  close(heads: readonly number[]): void | Promise<void>;
}

/** A text that a store keeps beside its logs. Both methods throw a `BusError`. */
export interface KeptText {
  /** Its name for messages. */
  readonly file: string;
  /** Undefined if none was written. */
  read(): string | undefined;
  /** Replaces the text in one step, durably; after an error the old one stays. */
  write(text: string): void;
}

/** The way by which a thread comes to the history of a store. */
export interface HistoryAddress {
  /** The address of a `HistoryModule`. */
  readonly module: string;
  /** The argument of `openHistory`; it must be possible to clone it. */
  readonly options: unknown;
}

/** The way by which a thread comes to what a broker keeps for durable consumers. */
export interface ConsumerBrokerAddress {
  /** The address of a `ConsumerBrokerModule`. */
  readonly module: string;
  /** The argument of `openConsumerBroker`; it must be possible to clone it. */
  readonly options: unknown;
}

/**
 * The exports of the module behind `HistoryAddress.module`. Each thread that reads imports it and opens a history of
 * its own.
 */
export interface HistoryModule {
  openHistory(options: unknown): StoreHistory | Promise<StoreHistory>;
}

/** The logs of all shards, as a thread sees them that reads and never appends. */
export interface StoreHistory {
  /**
   * Looks at the events that are there by now; a shared store waits until a replica that is behind has `headLeast`. The
   * records go to another thread by transfer: no other page may share their memory.
   */
  page(shard: number, request: PageRequest): Page | Promise<Page>;
  /** The last sequence recorded before a time in ms since 1970; 0 if there is none. */
  positionAt(shard: number, timeMs: number): number | Promise<number>;
  /**
   * Called before the shards close their logs, and when nobody has read for some time. A bus that closes waits 2 s for
   * the looks that are under way and for this call, and then ends the thread.
   */
  close(): void | Promise<void>;
}

export interface BackupRequest {
  /** A directory that is empty or not there. */
  readonly to: string;
  /** For each shard one shared number, its head, which goes on changing; `undefined` for a shard that runs no more. */
  readonly sharedHeads: readonly (Float64Array | undefined)[];
  readonly onProgress: ((progress: BackupProgress) => void) | undefined;
}

export interface RunningBackup {
  readonly result: Promise<BackupResult>;
  /** Gives the copy up and removes its files. */
  abort(): Promise<void>;
}
