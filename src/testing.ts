/** Millrace for those who write a store: checks of its two contracts, a bus on it, and a small shared store to compare with. */

export { openBusOn } from './main/open-bus.js';
export type { BackupProgress, BackupResult } from './store/backup.js';
export type { CursorGap, CursorPositions, ResolvedCursor } from './store/cursor-positions.js';
export type {
  BackupRequest,
  HistoryAddress,
  HistoryModule,
  LogStore,
  OpenStore,
  RunningBackup,
  StoreHistory,
  StoreRequest,
} from './store/log-store.js';
export type { Page, PageRequest } from './store/page.js';
export type { PatternTotals, PruneRequest, PruneStep, RetentionRule } from './store/pruning.js';
export {
  type CommittedBatch,
  type LogFollower,
  NOT_AT_HAND,
  type ReadRequest,
  type RingPosition,
  type RingPositions,
  type ShardLog,
  type ShardLogModule,
  type ShardLogOpening,
  type ShardLogSettings,
  type ShardPages,
  type ShardPruning,
  type TopicSummary,
  type TopicTotals,
} from './store/shard-log.js';
export type { StoredRecord } from './store/stored-record.js';
export {
  type Broker,
  type HeldStore,
  type MemoryBrokerOptions,
  memoryBroker,
} from './testing/broker/memory-broker.js';
export { storeChecks } from './testing/store-checks.js';
export type { FreshStore, StoreCheck, StoreUnderTest } from './testing/store-under-test.js';
