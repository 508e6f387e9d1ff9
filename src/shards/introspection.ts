/**
 * Answers endpoints' calls about a shard's topics and subscribers, page by page. All calls of a turn share one budget;
 * a call that finds it spent gets an empty page and is repeated, so that events do not wait for a long list.
 */
import type {
  LastsPage,
  LastsRequest,
  PatternsAfter,
  TopicEntry,
  TopicsPage,
} from '../link/calls.js';
import {
  FIRST_SUBSCRIBER,
  type LagsPage,
  type LagsRequest,
  type SubscriberEntry,
  type SubscriberKey,
  type SubscribersPage,
  type SubscriptionLag,
} from '../link/subscription-calls.js';
import {
  ANSWERED_PER_TURN,
  LAGS_PER_REPLY,
  SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY,
  SUBSCRIBERS_PER_REPLY,
  TOPICS_PER_REPLY,
} from '../protocol/limits/shards.js';
import { NamePatterns } from '../protocol/name-patterns.js';
import { PatternSet } from '../protocol/pattern-set.js';
import { hasWildcard } from '../protocol/topic.js';
import type { ShardLog } from '../store/shard-log.js';
import type { LinkSubscription, RouteLeg, Routes } from './routes.js';
import type { ShardEnd } from './shard-end.js';
import { MODE_NAMES } from './shard-subscription.js';

/** The shard's knowledge of its subscribers. */
export interface SubscriberSource {
  readonly links: readonly ShardEnd[];
  lagOf(subscription: LinkSubscription): number;
}

export class Introspection {
  readonly #log: ShardLog;
  readonly #routes: Routes;
  readonly #source: SubscriberSource;
  #names = new NamePatterns([]);
  #left = 0;

  constructor(log: ShardLog, routes: Routes, source: SubscriberSource) {
    this.#source = source;
    this.#log = log;
    this.#routes = routes;
  }

  beginTurn(): void {
    this.#left = ANSWERED_PER_TURN;
  }

  topics({ patterns, after }: PatternsAfter): TopicsPage {
    if (this.#left <= 0) return { topics: [], next: after };
    if (!patterns.some(hasWildcard)) return this.#topicsByName(patterns, after);
    const wanted = new PatternSet(patterns);
    const names: string[] = [];
    const next = this.#log.scanTopics(after, TOPICS_PER_REPLY, ({ name, events }) => {
      if (events > 0 && wanted.covers(name)) names.push(name);
    });
    this.#left -= TOPICS_PER_REPLY;
    return { topics: this.#entries(names), next: next === 0 ? null : next };
  }

  /** Where the newest event of each matching topic is. */
  lasts({ patterns, topic, after, until }: LastsRequest): LastsPage {
    if (this.#left <= 0) return { sequences: [], next: topic };
    const sequences: number[] = [];
    const add = (last: number): void => {
      if (last > after && last <= until) sequences.push(last);
    };
    if (!patterns.some(hasWildcard)) {
      const end = topic + TOPICS_PER_REPLY;
      const names = new Set(patterns.slice(topic, end));
      for (const name of names) add(this.#lastOf(name));
      this.#left -= names.size;
      return { sequences, next: end < patterns.length ? end : null };
    }
    const wanted = new PatternSet(patterns);
    const next = this.#log.scanTopics(topic, TOPICS_PER_REPLY, ({ name, events, lastSequence }) => {
      const isInside = events > 0 && lastSequence > after && lastSequence <= until;
      if (isInside && wanted.covers(name)) sequences.push(lastSequence);
    });
    this.#left -= TOPICS_PER_REPLY;
    return { sequences, next: next === 0 ? null : next };
  }

  /** 0 for a topic that never had an event. The event may be pruned. */
  #lastOf(topic: string): number {
    return this.#log.lastSequenceOf?.(topic) ?? this.#log.topic(topic)?.lastSequence ?? 0;
  }

  /**
   * The matching subscriptions in order. A page costs as much as an event on the topic: it goes through all of them.
   */
  subscribers(topic: string, after: SubscriberKey): SubscribersPage {
    if (this.#left <= 0) return { subscribers: [], next: after };
    const route = this.#routes.of(topic);
    this.#left -= Math.max(1, route.subscriptions.size);
    const subscribers: SubscriberEntry[] = [];
    let length = 0;
    let last = after;
    for (const subscription of inOrder(route.legs, after)) {
      const isFull =
        subscribers.length === SUBSCRIBERS_PER_REPLY ||
        length >= SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY;
      if (isFull) return { subscribers, next: last };
      subscribers.push(this.#describe(subscription));
      for (const pattern of subscription.filter.topics) length += pattern.length;
      last = { endpoint: subscription.link.endpoint, subscription: subscription.number };
    }
    return { subscribers, next: null };
  }

  /**
   * The `limit` subscribers that are furthest behind. Looks at all of them, as the gauges do several times a second.
   */
  laggards(limit: number): SubscribersPage {
    if (this.#left <= 0) return { subscribers: [], next: FIRST_SUBSCRIBER };
    const all: { subscription: LinkSubscription; lag: number }[] = [];
    for (const { subscriptions } of this.#source.links) {
      for (const subscription of subscriptions.values()) {
        all.push({ subscription, lag: this.#source.lagOf(subscription) });
      }
    }
    this.#left -= Math.max(1, all.length);
    const subscribers: SubscriberEntry[] = [];
    let length = 0;
    for (const { subscription } of all.sort((a, b) => b.lag - a.lag).slice(0, limit)) {
      if (length >= SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY) break;
      subscribers.push(this.#describe(subscription));
      for (const pattern of subscription.filter.topics) length += pattern.length;
    }
    return { subscribers, next: null };
  }

  /** The lags of all subscriptions of these names, in order. A page goes through all subscriptions, as `laggards`. */
  lags({ names, after }: LagsRequest): LagsPage {
    if (this.#left <= 0) return { lags: [], next: after };
    if (!this.#names.isOf(names)) this.#names = new NamePatterns(names);
    const legs = this.#source.links.map((link) => ({
      link,
      subscriptions: [...link.subscriptions.values()],
    }));
    this.#left -= legs.reduce((sum, { subscriptions }) => sum + subscriptions.length, 1);
    const lags: SubscriptionLag[] = [];
    for (const subscription of inOrder(legs, after)) {
      const { name, number, link } = subscription;
      const lag = name === undefined ? 0 : this.#source.lagOf(subscription);
      if (lag === 0 || !this.#names.matches(name!)) continue;
      lags.push({ endpoint: link.endpoint, subscription: number, name: name!, lag });
      if (lags.length === LAGS_PER_REPLY) return { lags, next: lags[lags.length - 1]! };
    }
    return { lags, next: null };
  }

  /** Looks up each name, without a scan of all topics. `after`: how many of the names are answered. */
  #topicsByName(names: readonly string[], after: number): TopicsPage {
    const end = after + TOPICS_PER_REPLY;
    const topics = this.#entries([...new Set(names.slice(after, end))]);
    this.#left -= Math.min(names.length - after, TOPICS_PER_REPLY);
    return { topics, next: end < names.length ? end : null };
  }

  #entries(names: readonly string[]): TopicEntry[] {
    const entries: TopicEntry[] = [];
    for (const name of names) {
      const topic = this.#log.topic(name);
      if (topic === undefined || topic.events === 0) continue;
      const { events, firstSequence, lastSequence, firstAt, lastAt } = topic;
      entries.push({ name, events, firstSequence, lastSequence, firstAt, lastAt });
    }
    return entries;
  }

  #describe(subscription: LinkSubscription): SubscriberEntry {
    const { link, number, name, filter, overflow, mode, queued, dropped } = subscription;
    const { slow, since, client, waitingSince } = subscription;
    return {
      id: `${link.endpoint}-${number}`,
      ...(name === undefined ? {} : { name }),
      endpoint: link.endpoint,
      topics: filter.topics,
      overflow,
      mode: MODE_NAMES[mode]!,
      queued,
      dropped,
      lag: this.#source.lagOf(subscription),
      ...(waitingSince === undefined ? {} : { lagMs: ageOf(waitingSince) }),
      slow,
      since,
      ...client,
    };
  }
}

/** Recorded time may be ahead of the system clock. */
function ageOf(waitingSince: number): number {
  return waitingSince === 0 ? 0 : Math.max(0, Math.round(Date.now() - waitingSince));
}

/** The subscriptions after `after`, by endpoint and number. */
function* inOrder(
  legs: readonly RouteLeg[],
  after: SubscriberKey,
): Generator<LinkSubscription, void, undefined> {
  const sorted = [...legs].sort((a, b) => (a.link.endpoint < b.link.endpoint ? -1 : 1));
  for (const { link, subscriptions } of sorted) {
    if (link.endpoint < after.endpoint) continue;
    const passed = link.endpoint === after.endpoint ? after.subscription : 0;
    const left = subscriptions.filter(({ number }) => number > passed);
    yield* left.sort((a, b) => a.number - b.number);
  }
}
