import type { BusCounters } from '../link/bus-counters.js';
import type {
  BusStats,
  GetOptions,
  LatestOptions,
  Query,
  RetentionRule,
  SubscriberInfo,
  TopicInfo,
} from '../protocol/bus-api.js';
import type { Event } from '../protocol/event.js';
import type { PruneResult } from '../protocol/operations.js';
import {
  type CancelOptions,
  checkCancel,
  parseScheduledQuery,
  type ScheduledPage,
  type ScheduledQuery,
} from '../protocol/scheduled.js';
import { SINK_PLACE } from '../protocol/sink-figures.js';
import { assertPattern, assertTopic } from '../protocol/topic.js';
import { shardOf } from '../protocol/topic-hash.js';
import type { PruneOptions } from './bus-endpoint.js';
import { cancelScheduled, scheduledPage } from './later/scheduled.js';
import type { EndpointEnd } from './links/endpoint-end.js';
import { MainCalls } from './main-calls.js';
import { parsePruneOptions } from './options.js';
import { pruneShards } from './prune.js';
import { allTopics, furthestBehind, subscribersOf } from './read/introspection.js';
import { parseLatest, parseLookup, parseQuery } from './read/parse-query.js';
import type { QueryRunner } from './read/query.js';
import type { EndpointSinks } from './sinks.js';
import { busStats } from './stats.js';

/** The parts of an endpoint that its reading calls use. */
export interface Reading {
  readonly ends: readonly EndpointEnd[];
  /** The links to where the shards' consumers are served. */
  readonly deskEnds: readonly EndpointEnd[];
  readonly queries: QueryRunner;
  readonly busCounters: BusCounters;
  /** How many first segments of a topic decide its shard; 0: all of it does. */
  readonly segments: number;
  /** The `elapsedMs` at which the bus was opened. */
  readonly openedAt: number;
  readonly retention: readonly RetentionRule[];
}

/** The calls of an endpoint that read the log, list what the shards hold, and take back what is old or not due yet. */
export abstract class ReadCalls extends MainCalls {
  abstract readonly epoch: string;
  protected abstract readonly reading: Reading;
  abstract readonly [SINK_PLACE]: EndpointSinks;

  async query<P = unknown>(query: Query): Promise<Event<P>[]> {
    this.assertOpen();
    return this.reading.queries.query(parseQuery(query)) as Promise<Event<P>[]>;
  }

  read<P = unknown>(query: Query): AsyncIterable<Event<P>> {
    this.assertOpen();
    return this.reading.queries.read(parseQuery(query)) as AsyncIterable<Event<P>>;
  }

  latest<P = unknown>(
    topic: Query<P>['topic'],
    options: LatestOptions = {},
  ): AsyncIterable<Event<P>> {
    this.assertOpen();
    return this.reading.queries.read(parseLatest(topic, options)) as AsyncIterable<Event<P>>;
  }

  async get<P = unknown>(
    topic: Query<P>['topic'],
    id: string,
    options: GetOptions = {},
  ): Promise<Event<P> | undefined> {
    this.assertOpen();
    const found = this.reading.queries.first(parseLookup(topic, id, options));
    return found as Promise<Event<P> | undefined>;
  }

  async subscribers(topic?: string): Promise<SubscriberInfo[]> {
    this.assertOpen();
    const { ends, segments } = this.reading;
    if (topic === undefined) return furthestBehind(ends);
    assertTopic(topic);
    return subscribersOf(ends[shardOf(topic, ends.length, segments)]!, topic);
  }

  async topics(pattern = '*'): Promise<TopicInfo[]> {
    this.assertOpen();
    assertPattern(pattern);
    return allTopics(this.reading.ends, pattern);
  }

  async scheduled(query: ScheduledQuery = {}): Promise<ScheduledPage> {
    this.assertOpen();
    return scheduledPage(this.reading.ends, parseScheduledQuery(query));
  }

  async cancel(id: string, options: CancelOptions = {}): Promise<boolean> {
    this.assertOpen();
    checkCancel(id, options);
    const { topic } = options;
    if (topic !== undefined) assertTopic(topic);
    const { ends, segments } = this.reading;
    const shardOfTopic = (name: string): number => shardOf(name, ends.length, segments);
    return cancelScheduled(ends, shardOfTopic, id, options);
  }

  async stats(): Promise<BusStats> {
    this.assertOpen();
    const { ends, deskEnds, openedAt, retention, busCounters } = this.reading;
    const controls = ends.map(({ control }) => control);
    const desks = deskEnds.map(({ control }) => control);
    const sinks = await this[SINK_PLACE].all();
    return busStats(this.epoch, openedAt, busCounters, { controls, desks }, retention, sinks);
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    this.assertOpen();
    return pruneShards(this.reading.ends, parsePruneOptions(options));
  }
}
