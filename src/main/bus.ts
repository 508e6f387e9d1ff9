/** The API of a bus as the thread has it that opened it, and the options of `openBus`. */
import type { MessagePort } from 'node:worker_threads';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type { GatewayHandle, GatewayOptions } from './gateway-options.js';

/** Hand `data` to a worker (as `workerData` or in a message) together with `transferList`. */
export interface BusAttachment {
  readonly data: unknown;
  readonly transferList: MessagePort[];
}

/** The bus, as seen by the thread that opened it. */
export interface Bus extends BusEndpoint {
  attachment(): BusAttachment;
  serve(options?: GatewayOptions): Promise<GatewayHandle>;
}

export type RetentionRule = {
  /** Default `*`. */
  pattern?: string;
  maxAgeMs?: number;
  maxEvents?: number;
  maxBytes?: number;
};

export interface SystemEventsOptions {
  /** Keep them in the log; default false. */
  persist?: boolean;
  healthIntervalMs?: number;
  metricsIntervalMs?: number;
}

export interface BusOptions {
  /** Default `./data`; `:memory:` keeps nothing. */
  dir?: string;
  /** Default: the directory's own count, or for a new one the cores less one, 1 to 16. */
  shards?: number;
  /** The `source` of events that name none; default `millrace`. */
  source?: string;
  /** Default true. */
  defaultPersist?: boolean;
  /** Patterns whose events are always ephemeral. */
  noPersistTopics?: readonly string[];
  retention?: readonly RetentionRule[];
  /** Made by `defineTopic`: payloads that do not fit are refused with `PAYLOAD_INVALID`. */
  topics?: readonly TopicDefinition[];
  /** Bytes of each publish and delivery ring; a power of two; default 4 MiB. */
  ringBytes?: number;
  commitBatchEvents?: number;
  maxPayloadBytes?: number;
  /** How long a publish waits for room before `BACKPRESSURE`; default 10 s. */
  publishWaitMs?: number;
  dedupeWindowMs?: number;
  dedupeIdsMax?: number;
  /** A shard's file may not grow past this; then publishes get `STORE_FULL`. Default: the disk decides. */
  maxShardBytes?: number;
  /**
   * What the bus publishes about itself on `$sys.…`, see docs/OPERATIONS.md; `false`: nothing. Ephemeral by default, and told at
   * intervals (ms; 0: never) of 10 s for `$sys.health`, and never for `$sys.metrics`.
   */
  systemEvents?: boolean | SystemEventsOptions;
  /** Told of failures that no promise can carry, those of `tryPublish` above all. Default: a process warning. */
  onError?: (error: BusError) => void;
}
