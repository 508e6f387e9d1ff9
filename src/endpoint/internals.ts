/**
 * The part of an endpoint that only the gateway uses, under a symbol that the package does not export.
 */
import type { BusCounters } from '../link/bus-counters.js';
import type { AnswerOf, RequestOf, TallyAnswer, TallyRequest } from '../link/calls.js';
import type {
  EventHandler,
  Gap,
  GetOptions,
  Query,
  SubscribeOptions,
  Subscription,
  TopicInfo,
} from '../protocol/bus-api.js';
import type { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import type { FilterInput, ParsedFilter } from '../protocol/filter.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import type { Asker } from './asker.js';
import type { ClientConsumers } from './consume/client-consumers.js';
import type { EndpointGateways } from './gateways.js';
import type { ClientLater } from './later/client-later.js';
import type { ShardCall } from './links/control-sender.js';
import type { OpenerChecks } from './publish/opener-checks.js';
import type { NamedLag } from './read/introspection.js';

export type { ListedConsumer as KnownConsumer } from '../link/consumer-shapes.js';
export type { ClientConsumers } from './consume/client-consumers.js';
export type { ClientDelivery, ClientMember, ClientTaker } from './consume/client-member.js';
export type { Pulled } from './consume/client-pull.js';
export type { Settled, Settling } from './consume/settling.js';
export type { ClientLater } from './later/client-later.js';
export { DoorFailure, RawAnswer } from './request/questions.js';

export const INTERNALS: unique symbol = Symbol('millrace.internals');

export interface DedupeReach {
  readonly windowMs: number;
  readonly reachMs: number;
}

export interface PositionedSubscription extends Subscription {
  /** The cursor before it is encoded: a position in each shard's log. */
  readonly positions: readonly number[];
}

export interface EndpointInternals {
  /**
   * Publishes an event of the bus's own, on a topic under `$sys.`, if system events are on. Never throws: an event that
   * finds no room is lost, because system events must not make anybody wait.
   */
  publishSystem(topic: string, type: string, payload: object): void;
  countConnections(change: number): void;
  /** Reports a failure that no promise can carry to the bus's `onError` and on `$sys.errors`. */
  report(error: BusError): void;
  /**
   * Asks every shard for a sign of life over this endpoint's own links; concurrent calls share one question per shard.
   * Returns per shard the fault, or `undefined` if it answers.
   */
  shardFaults(): Promise<readonly (string | undefined)[]>;
  /** Topics that any of the patterns matches, shard by shard, in no order. */
  topicPages(patterns: readonly string[], asker: Asker): AsyncGenerator<readonly TopicInfo[]>;
  /** As the endpoint's own `subscribe`, for one of many askers. */
  subscribe(
    asker: Asker,
    filter: FilterInput,
    handler: EventHandler,
    options: SubscribeOptions,
  ): PositionedSubscription;
  /** As the endpoint's own `read`; all events of a page have to be taken before the next page is asked for. */
  pages(asker: Asker, query: Query): AsyncIterable<Iterable<Event>>;
  /** All events that have the id, the newest first. */
  find(
    asker: Asker,
    topics: readonly string[],
    id: string,
    options: GetOptions,
  ): AsyncIterable<Event>;
  /** Durable consumers, for the clients of a gateway. */
  readonly consumers: ClientConsumers;
  /** What is published later, for the clients of a gateway. */
  readonly later: ClientLater;
  /** The gateways over this endpoint, and the way to all others. */
  readonly gateways: EndpointGateways;
  /** Counts events in one shard, for alerts; only the opener's endpoint may ask. */
  tally(shard: number, request: TallyRequest): Promise<TallyAnswer>;
  /** All subscriptions of these names that are behind; `*` in a name stands for any text. */
  lags(names: readonly string[]): Promise<readonly NamedLag[]>;
  /** Calls a shard over this endpoint's link; `request` is made anew for a thread that replaces a dead one. */
  callShard<N extends ShardCall>(
    shard: number,
    name: N,
    request: () => RequestOf<N>,
  ): Promise<AnswerOf<N>>;
  /** As `callShard`, where the shard's consumers are served. */
  callDesk<N extends ShardCall>(
    shard: number,
    name: N,
    request: () => RequestOf<N>,
  ): Promise<AnswerOf<N>>;
  /** By shard, the position behind which a durable consumer begins; `onGap` is told what a cursor has missed. */
  startPositions(
    filter: ParsedFilter,
    from: SubscribeFrom,
    onGap: (gap: Gap) => void,
  ): Promise<readonly number[]>;
  readonly busCounters: BusCounters;
  /** The limit for a payload's JSON. */
  readonly maxPayloadBytes: number;
  /** Checks payloads by the opener's definitions; undefined if this endpoint has all of them. */
  readonly openerChecks: OpenerChecks | undefined;
  /** The shortest of all shards, ms; see `ShardLog.dedupeReachMs`. */
  readonly dedupe: DedupeReach;
}

/** `undefined` for an endpoint that this copy of the package did not make. */
export function internalsOf(endpoint: object): EndpointInternals | undefined {
  return (endpoint as Partial<Record<typeof INTERNALS, EndpointInternals>>)[INTERNALS];
}
