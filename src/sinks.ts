/** Millrace's sinks: programs that run on consumers, or feed a bus, each by one call. */

export { BusError, type ErrorCode, type ErrorData } from './protocol/errors.js';
export { type AuditInfo, audit } from './sinks/audit/audit.js';
export type { AuditOptions } from './sinks/audit/audit-options.js';
export type { TrailHead } from './sinks/audit/trail.js';
export { type ForwardInfo, forward } from './sinks/forward/forward.js';
export type { ForwardConnection, ForwardOptions } from './sinks/forward/forward-options.js';
export {
  type Enqueue,
  type OutboxInfo,
  type OutboxOptions,
  outbox,
  prepareOutbox,
} from './sinks/outbox/outbox.js';
export {
  type Projection,
  type ProjectionInfo,
  type ProjectOptions,
  type ProjectStoreOptions,
  project,
} from './sinks/project/project.js';
export type {
  ProjectionStore,
  SqliteDatabase,
  SqliteStatement,
} from './sinks/project/projection-store.js';
export type { Sink, SinkBus, SinkInfo, SinkOptions, SinkState } from './sinks/sink.js';
export type { ProjectionModule, SinkContext, SinkModule } from './sinks/sink-module.js';
export type { Resolve } from './sinks/webhook/call.js';
export { type WebhookInfo, webhook } from './sinks/webhook/webhook.js';
export type { WebhookEndpoint, WebhookOptions } from './sinks/webhook/webhook-options.js';
