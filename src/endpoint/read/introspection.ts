/** Puts together the lists that shards answer page by page. */
import type { TopicsPage } from '../../link/calls.js';
import {
  FIRST_SUBSCRIBER,
  type LagsPage,
  type SubscriberEntry,
  type SubscriberKey,
  type SubscribersPage,
} from '../../link/subscription-calls.js';
import type { SubscriberInfo, TopicInfo } from '../../protocol/bus-api.js';
import { SUBSCRIBERS_LISTED_MAX } from '../../protocol/limits/endpoint.js';
import { type Asker, assertIsThere, ITSELF } from '../asker.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

/** The topics of all shards that match, sorted by name. */
export async function allTopics(
  ends: readonly EndpointEnd[],
  pattern: string,
): Promise<TopicInfo[]> {
  const perShard = await Promise.all(
    ends.map(async (end) => {
      const found: TopicInfo[] = [];
      for await (const page of topicsOf(end, [pattern], ITSELF)) found.push(...page);
      return found;
    }),
  );
  return perShard.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Topics that any of the patterns matches, shard by shard, in no order. */
export async function* topicPages(
  ends: readonly EndpointEnd[],
  patterns: readonly string[],
  asker: Asker,
): AsyncGenerator<TopicInfo[]> {
  for (const end of ends) yield* topicsOf(end, patterns, asker);
}

/** The matching topics of one shard; asks for a page only when the last one was taken. */
async function* topicsOf(
  end: EndpointEnd,
  patterns: readonly string[],
  asker: Asker,
): AsyncGenerator<TopicInfo[]> {
  for (let after: number | null = 0; after !== null; ) {
    const request = { patterns, after };
    const page: TopicsPage = await asker.readInTurn(0, () => {
      assertIsThere(asker);
      return end.call('topics', () => request);
    });
    yield page.topics.map(({ firstAt, lastAt, ...topic }) => ({
      ...topic,
      shard: end.shard,
      firstAt: new Date(firstAt).toISOString(),
      lastAt: new Date(lastAt).toISOString(),
    }));
    after = page.next;
  }
}

export async function subscribersOf(end: EndpointEnd, topic: string): Promise<SubscriberInfo[]> {
  const found: SubscriberInfo[] = [];
  for (let after: SubscriberKey | null = FIRST_SUBSCRIBER; after !== null; ) {
    const request = { topic, after };
    const page: SubscribersPage = await end.call('subscribers', () => request);
    found.push(...page.subscribers.map(infoOf));
    after = page.next;
  }
  return found;
}

/** The subscriptions furthest behind. Adds up the shares that each shard holds; the mode is that of the worst shard. */
export async function furthestBehind(ends: readonly EndpointEnd[]): Promise<SubscriberInfo[]> {
  const live = ends.filter(({ failure }) => failure === undefined);
  const perShard = await Promise.all(live.map(furthestBehindIn));
  const byId = new Map<string, SubscriberInfo>();
  for (const one of perShard.flat()) {
    const known = byId.get(one.id);
    if (known === undefined) byId.set(one.id, one);
    else byId.set(one.id, together(known, one));
  }
  const all = [...byId.values()].sort((a, b) => b.lag - a.lag);
  return all.slice(0, SUBSCRIBERS_LISTED_MAX);
}

async function furthestBehindIn(end: EndpointEnd): Promise<readonly SubscriberInfo[]> {
  const request = { limit: SUBSCRIBERS_LISTED_MAX };
  for (;;) {
    const page: SubscribersPage = await end.call('laggards', () => request);
    if (page.next === null) return page.subscribers.map(infoOf);
  }
}

/** A subscription with a name, and how many events it is behind in all shards together. */
export interface NamedLag {
  readonly name: string;
  readonly lag: number;
}

/** All subscriptions that are behind and whose names any of the patterns matches. */
export async function lagsOf(
  ends: readonly EndpointEnd[],
  names: readonly string[],
): Promise<NamedLag[]> {
  const byId = new Map<string, NamedLag>();
  const add = async (end: EndpointEnd): Promise<void> => {
    for (let after: SubscriberKey | null = FIRST_SUBSCRIBER; after !== null; ) {
      const request = { names, after };
      const page: LagsPage = await end.call('lags', () => request);
      for (const { endpoint, subscription, name, lag } of page.lags) {
        const id = `${endpoint}-${subscription}`;
        byId.set(id, { name, lag: lag + (byId.get(id)?.lag ?? 0) });
      }
      after = page.next;
    }
  };
  await Promise.all(ends.filter(({ failure }) => failure === undefined).map(add));
  return [...byId.values()];
}

function infoOf({ since, ...entry }: SubscriberEntry): SubscriberInfo {
  return { ...(entry as Omit<SubscriberInfo, 'since'>), since: new Date(since).toISOString() };
}

function together(a: SubscriberInfo, b: SubscriberInfo): SubscriberInfo {
  const { lagMs: _, ...worst } = a.lag >= b.lag ? a : b;
  const isAgeKnown = a.lagMs !== undefined && b.lagMs !== undefined;
  return {
    ...worst,
    queued: a.queued + b.queued,
    dropped: a.dropped + b.dropped,
    lag: a.lag + b.lag,
    ...(isAgeKnown && { lagMs: Math.max(a.lagMs, b.lagMs) }),
    slow: a.slow + b.slow,
    since: a.since < b.since ? a.since : b.since,
  };
}
