/** The API of a bus in the thread that opened it, and the options of `openBus`. */
import type { MessagePort } from 'node:worker_threads';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { AlertRuleInput } from '../protocol/alerts.js';
import type { ArchiveOptions } from '../protocol/archive.js';
import type { RetentionRule } from '../protocol/bus-api.js';
import type { TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import type { LogStore } from '../store/log-store.js';
import type { GatewayHandle, GatewayOptions } from './gateway-options.js';

/** An attachment for one worker: send it `data`, as `workerData` or in a message, together with `transferList`. */
export interface BusAttachment {
  /** The argument of `attachBus` in the worker. */
  readonly data: unknown;
  /** The `transferList` for the worker or the message. */
  readonly transferList: MessagePort[];
}

/** The bus, as seen by the thread that opened it. */
export interface Bus extends BusEndpoint {
  /** Makes an attachment, with which one worker attaches to the bus through `attachBus`. */
  attachment(): BusAttachment;
  /**
   * Serves the bus over WebSocket and HTTP, in a thread of its own.
   *
   * @param options by default the gateway listens on `http://127.0.0.1:7400` and serves this machine alone
   * @throws BusError `OPTION_INVALID` with every fault in `details.faults`, `INSECURE_BIND`, `LIMIT_EXCEEDED`,
   *   `BUS_CLOSED`
   */
  serve(options?: GatewayOptions): Promise<GatewayHandle>;
}

export interface SystemEventsOptions {
  /** Stores system events in the log. Default false. */
  persist?: boolean;
  /** The interval of `$sys.health`, ms; 0: never. Default 10,000. */
  healthIntervalMs?: number;
  /** The interval of `$sys.metrics`, ms; 0: never. Default 0. */
  metricsIntervalMs?: number;
}

export interface BusOptions {
  /** The directory of the logs, made if it does not exist; `:memory:` stores nothing on disk. Default `./data`. */
  dir?: string;
  /**
   * Keeps the logs in the place of `dir`: a broker, made by `natsStore` or `redisStore`, or a store of your own. Several buses
   * may share the history of a broker. Default: a directory.
   */
  store?: LogStore;
  /**
   * Worker threads that share the topics, 1 to 16. Default: the directory's own number; for a new one, cores minus 1.
   */
  shards?: number;
  /**
   * Lets topics with the same first segments, 1 to 16, share a shard, so that atomic groups may have several of them. Fixed
   * when the directory is made. Default: the directory's own; for a new one, the whole topic decides.
   */
  shardBy?: { readonly segments: number };
  /** The `source` of events that name none. Default `millrace`. */
  source?: string;
  /** Stores events whose publish has no `persist` option. Default true. */
  defaultPersist?: boolean;
  /** Patterns whose events are never stored. Default: none. */
  noPersistTopics?: readonly string[];
  /** Rules that remove old or excess events. Default: none. */
  retention?: readonly RetentionRule[];
  /**
   * Takes what retention removes, before it is removed, and gives it back to everybody who reads history. Default: what
   * is removed is gone.
   */
  archive?: ArchiveOptions;
  /** Made by `defineTopic`: payloads that do not fit are refused with `PAYLOAD_INVALID`. Default: none. */
  topics?: readonly TopicDefinition[];
  /** Bytes of each publish and delivery ring, a power of two from 4 KiB to 256 MiB. Default 4 MiB. */
  ringBytes?: number;
  /** The most events in one commit, 1 to 4096. Default 4096. */
  commitBatchEvents?: number;
  /** The most bytes of a payload's JSON, up to 64 MiB. Default 1 MiB. */
  maxPayloadBytes?: number;
  /** How long a publish waits for room before it is refused with `BACKPRESSURE`, ms. Default 10,000. */
  publishWaitMs?: number;
  /** How long a shard remembers ids that publishers supplied, ms. Default 120,000. */
  dedupeWindowMs?: number;
  /** How many of these ids a shard remembers at most. Default 2,000,000. */
  dedupeIdsMax?: number;
  /**
   * The most bytes of a shard's file and its payload files; beyond, publishes get `STORE_FULL`. Default: no limit but the
   * disk.
   */
  maxShardBytes?: number;
  /**
   * Payloads of more bytes of JSON go to files beside the log, 16 KiB to 64 MiB; 256 KiB is a good value. In memory it has
   * no effect. Default: none does.
   */
  claimCheckBytes?: number;
  /** Rules that watch the bus, beside those that `setAlert` adds; nobody may change them. Default: none. */
  alerts?: readonly AlertRuleInput[];
  /** System events on `$sys.…`, see docs/OPERATIONS.md; `false` turns them off. Default true. */
  systemEvents?: boolean | SystemEventsOptions;
  /** Called for failures that no promise can carry, above all those of `tryPublish`. Default: a process warning. */
  onError?: (error: BusError) => void;
}
