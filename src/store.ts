/**
 * Millrace for those who write a store: the contracts of a store and of its logs, and what event records and pages are
 * made of. `millrace/testing` checks a store, and `openBus({ store })` opens a bus on it.
 */

export { BusError, type ErrorCode, type ErrorData } from './protocol/errors.js';
export type { Filter } from './protocol/filter.js';
export { SHARED_DEDUPE_MARGIN_MS, SHARED_DEDUPE_WINDOW_MS_MIN } from './protocol/limits/store.js';
export type { BackupResult } from './protocol/operations.js';
export { identityOf } from './record/event-identity.js';
export {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SUPPLIED_TIMESTAMP,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from './record/event-record.js';
export type { BackupProgress } from './store/backup.js';
export {
  type DeadState,
  LETTER_DUE,
  LETTER_SENT,
  NO_LETTER_WANTED,
  REDRIVEN,
  type ShardConsumers,
  type StoredDeadEvent,
  type StoredLane,
} from './store/consumer-states.js';
export {
  type CursorGap,
  type CursorPositions,
  cutToHeads,
  type ResolvedCursor,
} from './store/cursor-positions.js';
export type { FilledEvent, FillRequest, StoreFilling } from './store/filling.js';
export type {
  BackupRequest,
  HistoryAddress,
  HistoryModule,
  KeptText,
  LogStore,
  OpenStore,
  RunningBackup,
  StoreHistory,
  StoreRequest,
} from './store/log-store.js';
export { decodePage, PAGE_PREFIX_BYTES, type Page, type PageRequest } from './store/page.js';
export { type FoundRecord, pageOf } from './store/page-of.js';
export type {
  KeptFrom,
  PatternTotals,
  PruneRequest,
  PruneStep,
  RetentionRule,
} from './store/pruning.js';
export {
  type DuePublish,
  FIRST_WAITING,
  type ShardScheduled,
  type StoredSchedule,
  type WaitingPlace,
  type WaitingPublish,
  type WaitingTimes,
} from './store/scheduled.js';
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
