import type { BusCounters } from '../link/bus-counters.js';
import type { EventHandler, SubscribeOptions } from '../protocol/bus-api.js';
import type { BusError } from '../protocol/errors.js';
import type { FilterInput } from '../protocol/filter.js';
import { type Asker, ITSELF } from './asker.js';
import type { ClientConsumers } from './consume/client-consumers.js';
import type { EndpointGateways } from './gateways.js';
import type { EndpointInternals, PositionedSubscription } from './internals.js';
import type { ClientLater } from './later/client-later.js';
import type { EndpointEnd } from './links/endpoint-end.js';
import type { SignsOfLife } from './links/signs-of-life.js';
import type { OpenerChecks } from './publish/opener-checks.js';
import type { Publisher } from './publish/publisher.js';
import type { HistorySource } from './read/history-source.js';
import { lagsOf, topicPages } from './read/introspection.js';
import { parseLookup, parseQuery } from './read/parse-query.js';
import type { QueryRunner } from './read/query.js';
import { dedupeReach } from './stats.js';
import { startPositions } from './subscribe/start-positions.js';

/** The parts of an endpoint of which its internals are made. */
export interface InternalParts {
  readonly ends: readonly EndpointEnd[];
  readonly publisher: Publisher;
  readonly deskEnds: readonly EndpointEnd[];
  readonly queries: QueryRunner;
  readonly history: HistorySource;
  readonly signs: SignsOfLife;
  readonly clientConsumers: ClientConsumers;
  readonly later: ClientLater;
  readonly gateways: EndpointGateways;
  readonly busCounters: BusCounters;
  /** The share of `busCounters` in which this endpoint counts. */
  readonly share: number;
  readonly openerChecks: OpenerChecks | undefined;
  readonly maxPayloadBytes: number;
  /** @throws BusError `BUS_CLOSED` */
  assertOpen(): void;
  isClosed(): boolean;
  report(error: BusError): void;
  subscribe(
    filter: FilterInput,
    handler: EventHandler,
    options: SubscribeOptions,
    asker: Asker,
  ): PositionedSubscription;
}

export function endpointInternals(parts: InternalParts): EndpointInternals {
  const { ends, deskEnds, publisher, queries, history, busCounters } = parts;
  return {
    publishSystem: (topic, type, payload) => publisher.publishSystem(topic, type, payload),
    countConnections: (change) => busCounters.addConnections(parts.share, change),
    report: (error) => parts.report(error),
    shardFaults: () => parts.signs.faults(),
    topicPages: (patterns, asker) => {
      parts.assertOpen();
      return topicPages(ends, patterns, asker);
    },
    subscribe: (asker, filter, handler, options) =>
      parts.subscribe(filter, handler, options, asker),
    pages: (asker, query) => {
      parts.assertOpen();
      return queries.pages(parseQuery(query), asker);
    },
    find: (asker, topics, id, options) => {
      parts.assertOpen();
      return queries.read(parseLookup(topics, id, options), asker, 1);
    },
    consumers: parts.clientConsumers,
    later: parts.later,
    gateways: parts.gateways,
    lags: (names) => lagsOf(ends, names),
    tally: (shard, request) => ends[shard]!.call('tally', () => request),
    callShard: (shard, name, request) => ends[shard]!.call(name, request),
    callDesk: (shard, name, request) => deskEnds[shard]!.call(name, request),
    startPositions: (filter, from, onGap) => {
      const heads = ends.map(({ control }) => control.head);
      const isOver = (): boolean => parts.isClosed();
      return startPositions(history, heads, { filter, from, asker: ITSELF, isOver, onGap });
    },
    busCounters,
    maxPayloadBytes: parts.maxPayloadBytes,
    openerChecks: parts.openerChecks,
    get dedupe() {
      return dedupeReach(ends.map(({ control }) => control));
    },
  };
}
