/** The API of a bus as the thread has it that opened it, and the options of `openBus`. */
import type { MessagePort } from 'node:worker_threads';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type { GatewayHandle, GatewayOptions } from './gateway-options.js';

/** Hand `data` to a worker (as `workerData` or in a message) together with `transferList`. */
export interface BusAttachment {
  /** For `attachBus` in the worker. */
  readonly data: unknown;
  /** For the `transferList` of the worker or the message. */
  readonly transferList: MessagePort[];
}

/** The bus, as seen by the thread that opened it. */
export interface Bus extends BusEndpoint {
  /** What one worker needs for `attachBus`: handed over once, with its transfer list. */
  attachment(): BusAttachment;
  /**
   * Serves the bus over WebSocket and HTTP, in a thread of its own.
   *
   * @param options by default `http://127.0.0.1:7400`, for this machine alone
   * @throws BusError `OPTION_INVALID` with every fault in `details.faults`, `INSECURE_BIND`, `LIMIT_EXCEEDED`, `BUS_CLOSED`
   */
  serve(options?: GatewayOptions): Promise<GatewayHandle>;
}

export type RetentionRule = {
  /** The topics that the rule is for. Default `*`. */
  pattern?: string;
  /** Events recorded longer ago than this go. Default: age removes nothing. */
  maxAgeMs?: number;
  /** At most this many events stay, in all shards together. Default: number removes nothing. */
  maxEvents?: number;
  /** At most so many bytes of events stay, in all shards together. Default: size removes nothing. */
  maxBytes?: number;
};

export interface SystemEventsOptions {
  /** Keeps them in the log. Default false. */
  persist?: boolean;
  /** How often `$sys.health` is published; 0: never. Default 10,000. */
  healthIntervalMs?: number;
  /** How often `$sys.metrics` is published; 0: never. Default 0. */
  metricsIntervalMs?: number;
}

export interface BusOptions {
  /** The directory, made if it is not there; `:memory:` keeps nothing. Default `./data`. */
  dir?: string;
  /** Worker threads that share the topics, 1 to 16. Default: the directory's own count, or for a new one the cores less one. */
  shards?: number;
  /** The `source` of events that name none. Default `millrace`. */
  source?: string;
  /** Whether events are stored that do not say. Default true. */
  defaultPersist?: boolean;
  /** Patterns whose events are never stored. Default: none. */
  noPersistTopics?: readonly string[];
  /** What is removed as it gets old or much. Default: nothing. */
  retention?: readonly RetentionRule[];
  /** Made by `defineTopic`: payloads that do not fit are refused with `PAYLOAD_INVALID`. Default: none. */
  topics?: readonly TopicDefinition[];
  /** Bytes of each publish and delivery ring, a power of two from 4 KiB to 256 MiB. Default 4 MiB. */
  ringBytes?: number;
  /** The most events in one commit, 1 to 4096. Default 4096. */
  commitBatchEvents?: number;
  /** The most bytes of a payload's JSON, up to 64 MiB. Default 1 MiB. */
  maxPayloadBytes?: number;
  /** How long a publish waits for room before it is refused with `BACKPRESSURE`. Default 10,000. */
  publishWaitMs?: number;
  /** How long a shard remembers the ids that publishers gave. Default 120,000. */
  dedupeWindowMs?: number;
  /** How many of these ids a shard remembers at most. Default 2,000,000. */
  dedupeIdsMax?: number;
  /** A shard's file may not grow past so many bytes; then publishes get `STORE_FULL`. Default: the disk decides. */
  maxShardBytes?: number;
  /** What the bus publishes about itself on `$sys.…`, see docs/OPERATIONS.md; `false`: nothing. Default true. */
  systemEvents?: boolean | SystemEventsOptions;
  /** Told of failures that no promise can carry, those of `tryPublish` above all. Default: a process warning. */
  onError?: (error: BusError) => void;
}
