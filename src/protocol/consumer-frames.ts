import type {
  AckDurability,
  ConsumerDefinition,
  ConsumerInfo,
  DeadEvent,
  DeadPage,
  HeldKeyPage,
  OpenPage,
  SeekPreview,
} from './consumers.js';
import type { ErrorCode, ErrorData } from './errors.js';
import type { Event, EventInput } from './event.js';
import type { SubscribeFrom } from './subscribe-from.js';

/** The frames about consumers, as far as a client reads or writes them. Types only. */

/** What a client may ask of consumers: the payload of each request. */
export interface ConsumerRequests {
  consumer: { readonly name: string; readonly options?: object };
  consumers: { readonly names?: readonly string[] };
  consumerOpen: { readonly name: string; readonly after?: string; readonly limit?: number };
  consumerDead: { readonly name: string; readonly after?: string; readonly limit?: number };
  consumerHeldKeys: { readonly name: string; readonly after?: string; readonly limit?: number };
  seekPreview: { readonly name: string; readonly from: SubscribeFrom };
  alterConsumer: { readonly name: string; readonly change: WireConsumerChange };
  redrive: {
    readonly name: string;
    readonly ids?: readonly string[];
    readonly dryRun?: boolean;
  };
  join: {
    readonly consumer: string;
    /** The client's own name for the member. */
    readonly member: string;
    readonly concurrency: number;
    readonly prefetch?: boolean;
    readonly name?: string;
  };
  resize: { readonly member: string; readonly concurrency: number };
  leave: { readonly member: string };
  pull: { readonly consumer: string; readonly max?: number; readonly waitMs?: number };
  settle: { readonly settlements: readonly WireSettlement[] };
  /** With the options of `publish` besides. */
  ackAndPublish: { readonly lease: string; readonly events: readonly EventInput[] };
}

export type WireConsumerChange =
  | { readonly kind: 'pause' | 'resume' | 'delete' }
  | { readonly kind: 'seek'; readonly from: SubscribeFrom }
  | { readonly kind: 'skip'; readonly shard: number; readonly sequence: number };

/** A consumer, as the answer to `consumer` tells of it. */
export interface WireConsumer {
  readonly name: string;
  readonly definition: ConsumerDefinition;
  readonly paused: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** An event that is leased to the client. */
export interface WireDelivery {
  readonly lease: string;
  readonly attempt: number;
  /** What is left of the lease, ms. */
  readonly leaseMs: number;
  readonly event: Event;
}

/** One entry of `settle`. */
export interface WireSettlement {
  readonly lease: string;
  readonly kind: 'ack' | 'nak' | 'handBack' | 'term' | 'working';
  /** Of an ack. Default: the consumer's `ackDurability`. */
  readonly durability?: AckDurability;
  /** Of a nak or a hand-back. Default: the consumer's backoff, or at once. */
  readonly delayMs?: number;
  readonly reason?: string;
}

/** What became of one entry of `settle`; `leaseMs`: for how long the lease holds now. */
export type WireOutcome = { readonly leaseMs?: number; readonly code?: undefined } | ErrorData;

/** The fields of a `result` that answer requests about consumers. */
export interface ConsumerResult {
  readonly consumer?: WireConsumer;
  readonly consumers?: readonly ConsumerInfo[];
  readonly page?: OpenPage | HeldKeyPage | DeadPage;
  readonly preview?: SeekPreview;
  readonly redriven?: readonly DeadEvent[];
  /** Of `redrive`: ids of no dead event. */
  readonly unknown?: readonly string[];
  readonly isComplete?: boolean;
  readonly deliveries?: readonly WireDelivery[];
}

/** The payloads of the frames of a server that are about members. `member` is the client's own name for one. */
export interface ConsumerPayloads {
  joined: {
    readonly member: string;
    readonly leaseMs: number;
    readonly ackDurability: AckDurability;
    readonly maxAttempts: number;
  };
  left: { readonly member: string };
  /** In the order of the entries, once all are decided. */
  settled: { readonly results: readonly WireOutcome[] };
  deliveries: { readonly member: string; readonly deliveries: readonly WireDelivery[] };
  leaseLost: { readonly member: string; readonly leases: readonly string[] };
  /** The consumer was deleted, the grant revoked, or the bus closes. */
  memberEnded: { readonly member: string; readonly code: ErrorCode; readonly message: string };
}
