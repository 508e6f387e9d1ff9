/** Millrace: a durable, ordered, replayable event bus for Node.js. */

export type { AuthOptions, Grants, JwtOptions, SubscribeGrant } from './auth/auth-options.js';
export {
  type CreateGatewayOptions,
  createGateway,
  type MountedGateway,
} from './gateway/create-gateway.js';
export { type AttachOptions, attachBus } from './main/attach-bus.js';
export type {
  BackupOptions,
  BackupProgress,
  BackupResult,
  Bus,
  BusAttachment,
  BusEndpoint,
  BusOptions,
  BusStats,
  EventHandler,
  Gap,
  GatewayHandle,
  GatewayOptions,
  GatewayStats,
  GetOptions,
  Histogram,
  MountOptions,
  OverflowPolicy,
  PruneOptions,
  PruneResult,
  Query,
  RetentionRule,
  ShardStats,
  SubscribeFrom,
  SubscribeOptions,
  SubscriberInfo,
  Subscription,
  SubscriptionEvents,
  SystemEventsOptions,
  TlsOptions,
  TopicInfo,
} from './main/bus.js';
export { openBus } from './main/open-bus.js';
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
  IdScope,
  PublishAck,
  PublishOptions,
} from './protocol/event.js';
export { EventFilter, type Filter, type FilterInput, type TypedFilter } from './protocol/filter.js';
export { EventType } from './vocabulary/event-types.js';
