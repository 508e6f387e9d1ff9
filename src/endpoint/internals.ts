/**
 * What an endpoint offers to the gateway and to nobody else: under a symbol that no user meets.
 */
import type { BusCounters } from '../link/bus-counters.js';
import type {
  EventHandler,
  GetOptions,
  Query,
  SubscribeOptions,
  Subscription,
  TopicInfo,
} from '../protocol/bus-api.js';
import type { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import type { FilterInput } from '../protocol/filter.js';
import type { Asker } from './asker.js';

export const INTERNALS: unique symbol = Symbol('millrace.internals');

export interface DedupeReach {
  readonly windowMs: number;
  readonly reachMs: number;
}

export interface PositionedSubscription extends Subscription {
  /** What its cursor says, before it is encoded: a position in each shard's log. */
  readonly positions: readonly number[];
}

export interface EndpointInternals {
  /**
   * Publishes an event of the bus's own, on a topic under `$sys.`, if the bus has system events on. Never throws: one
   * that finds no room is lost, as nobody may wait for the bus to speak about itself.
   */
  publishSystem(topic: string, type: string, payload: object): void;
  countConnections(change: number): void;
  /** Tells the bus's `onError`, and `$sys.errors`, of a failure that no promise can carry. */
  report(error: BusError): void;
  /**
   * Asks every shard for a sign of life over this endpoint's own links, once at a time however many call; per shard
   * `undefined`, or what is wrong.
   */
  shardFaults(): Promise<readonly (string | undefined)[]>;
  /** Topics that any of the patterns matches, shard by shard as they are answered, in no order. */
  topicPages(patterns: readonly string[], asker: Asker): AsyncGenerator<readonly TopicInfo[]>;
  /** As the endpoint's own, for one of many. */
  subscribe(
    asker: Asker,
    filter: FilterInput,
    handler: EventHandler,
    options: SubscribeOptions,
  ): PositionedSubscription;
  read(asker: Asker, query: Query): AsyncIterable<Event>;
  /** All events that have the id, the newest first. */
  find(
    asker: Asker,
    topics: readonly string[],
    id: string,
    options: GetOptions,
  ): AsyncIterable<Event>;
  readonly busCounters: BusCounters;
  /** Of a payload's JSON. */
  readonly maxPayloadBytes: number;
  /** Of all shards the shortest, ms; see `ShardLog.dedupeReachMs`. */
  readonly dedupe: DedupeReach;
}

/** `undefined` for an endpoint that is not of this package's making. */
export function internalsOf(endpoint: object): EndpointInternals | undefined {
  return (endpoint as Partial<Record<typeof INTERNALS, EndpointInternals>>)[INTERNALS];
}
