/** Millrace over a connection: the calls of the bus, for browsers and Node. */

export type {
  BusClient,
  ClientEvents,
  CoalescedSubscribeOptions,
  CoalescedSubscription,
} from './client/bus-client.js';
export type { CoalescedEvent, CoalesceOptions } from './client/coalescer.js';
export { connect } from './client/connect.js';
export type { ConnectOptions } from './client/options.js';
export type { ClientPublishManyOptions, ClientPublishOptions } from './client/publisher.js';
export type { ReadOptions } from './client/query-frames.js';
export type { ClientState, StateChange } from './client/reconnector.js';
export type { ClientSubscribeOptions } from './client/subscribe-options.js';
export type { SubscriptionHandle as ClientSubscription } from './client/subscription.js';
export { parseAlertRule } from './protocol/alert-rule.js';
export { alertText, parseAlertText } from './protocol/alert-text.js';
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
export type {
  BusApi,
  BusStats,
  ConsumerTotals,
  EventHandler,
  Gap,
  GatewayStats,
  GetOptions,
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
  ConsumerMessages,
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
export { findJsonFault, type JsonFault } from './protocol/json-fault.js';
export type {
  AccessInfo,
  BackupResult,
  ConnectionInfo,
  ConnectionList,
  DefinitionInfo,
  FigureSample,
  Figures,
  FiguresOptions,
  Percentiles,
  PruneResult,
  PruneSelection,
  ShardFigures,
} from './protocol/operations.js';
export { payloadTextOf as payloadText, withPayloadText } from './protocol/payload-text.js';
export type {
  QuestionContext,
  QuestionHandler,
  RequestOptions,
  Responder,
  RespondOptions,
} from './protocol/requests.js';
export type { SinkFailure, SinkFigures, SinkList, SinkState } from './protocol/sink-figures.js';
export type { SubscribeFrom } from './protocol/subscribe-from.js';
export { matchesPattern } from './protocol/topic.js';
export type { Welcome as ServerInfo, WireLimits as ServerLimits } from './protocol/wire.js';
export { EventType } from './vocabulary/event-types.js';
