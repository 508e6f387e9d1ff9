/** Millrace: a durable, ordered, replayable event bus for Node.js. */

export type { AuthOptions, JwtOptions } from './auth/auth-options.js';
export type { Grants, SubscribeGrant } from './auth/grants.js';
export { type AttachOptions, attachBus } from './endpoint/attach-bus.js';
export type {
  BackupOptions,
  BusEndpoint,
  PruneOptions,
} from './endpoint/bus-endpoint.js';
export {
  type CreateGatewayOptions,
  createGateway,
  type MountedGateway,
} from './gateway/create-gateway.js';
export type {
  Bus,
  BusAttachment,
  BusOptions,
  SystemEventsOptions,
} from './main/bus.js';
export type {
  GatewayHandle,
  GatewayOptions,
  MountOptions,
  TlsOptions,
} from './main/gateway-options.js';
export { openBus } from './main/open-bus.js';
export { type Mirror, type MirrorInfo, type MirrorLog, openMirror } from './mirror/mirror.js';
export type { MirrorOptions, MirrorServer, RemoteBus } from './mirror/mirror-options.js';
export type {
  AlertCondition,
  AlertEvent,
  AlertInfo,
  AlertList,
  AlertRule,
  AlertRuleInput,
  AlertSeverity,
  AlertTransition,
} from './protocol/alerts.js';
export type { ArchiveBucket, ArchiveOptions, ArchiveStats } from './protocol/archive.js';
export type {
  BusApi,
  BusStats,
  ConsumerTotals,
  EventHandler,
  Gap,
  GatewayStats,
  GetOptions,
  Histogram,
  LatestOptions,
  OverflowPolicy,
  Query,
  RequestTotals,
  RetentionRule,
  ShardStats,
  SubscribeOptions,
  SubscriberInfo,
  Subscription,
  SubscriptionEvents,
  TopicInfo,
} from './protocol/bus-api.js';
export type {
  AckDurability,
  AckOptions,
  AttemptFailure,
  Consumer,
  ConsumerBlocked,
  ConsumerDefinition,
  ConsumerEvents,
  ConsumerInfo,
  ConsumerOptions,
  ConsumerOrder,
  ConsumerShard,
  DeadCause,
  DeadEvent,
  DeadPage,
  Delivery,
  DeliveryHandler,
  FailureCause,
  HeldKey,
  HeldKeyPage,
  MemberInfo,
  NakOptions,
  OpenEvent,
  OpenPage,
  OpenState,
  PageOptions,
  PullOptions,
  RedriveOptions,
  RedriveResult,
  Run,
  RunOptions,
  SeekPreview,
} from './protocol/consumers.js';
export {
  defineTopic,
  type PayloadOf,
  type StandardSchema,
  type TopicDefinition,
} from './protocol/define-topic.js';
export { BusError, ERROR_CODES, type ErrorCode } from './protocol/errors.js';
export type {
  Durability,
  Event,
  EventInput,
  Expectation,
  IdScope,
  PublishAck,
  PublishManyOptions,
  PublishOptions,
} from './protocol/event.js';
export { EventFilter, type Filter, type FilterInput, type TypedFilter } from './protocol/filter.js';
export type {
  BackupResult,
  PruneResult,
  PruneSelection,
} from './protocol/operations.js';
export type {
  QuestionContext,
  QuestionHandler,
  RequestOptions,
  Responder,
  RespondOptions,
} from './protocol/requests.js';
export type {
  CancelOptions,
  ScheduledPage,
  ScheduledPublish,
  ScheduledQuery,
} from './protocol/scheduled.js';
export type {
  MissedDueTimes,
  ScheduledEvent,
  ScheduleInfo,
  ScheduleOptions,
  Schedules,
  ShownEvent,
} from './protocol/schedules.js';
export type { SinkFailure, SinkFigures, SinkList, SinkState } from './protocol/sink-figures.js';
export type { SubscribeFrom } from './protocol/subscribe-from.js';
export { matchesPattern } from './protocol/topic.js';
export type { BackupProgress } from './store/backup.js';
export type { LogStore } from './store/log-store.js';
export type { NatsCredentials, NatsStoreOptions, NatsTls } from './store/nats/nats-options.js';
export { natsStore } from './store/nats/nats-store.js';
export type { RedisNode, RedisStoreOptions, RedisTls } from './store/redis/redis-options.js';
export { redisStore } from './store/redis/redis-store.js';
export { EventType } from './vocabulary/event-types.js';
