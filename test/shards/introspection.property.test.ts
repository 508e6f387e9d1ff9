/** A shard's answers about its topics and subscribers, page by page, against the plain lists of both. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LastsPage, TopicEntry, TopicsPage } from '../../src/link/calls.js';
import {
  FIRST_SUBSCRIBER,
  type SubscribeRequest,
  type SubscriberKey,
} from '../../src/link/subscription-calls.js';
import {
  ANSWERED_PER_TURN,
  LAGS_PER_REPLY,
  SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY,
  TOPICS_PER_REPLY,
} from '../../src/protocol/limits/shards.js';
import { Introspection } from '../../src/shards/introspection.js';
import { type LinkSubscription, Routes } from '../../src/shards/routes.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import {
  CATCHING_UP,
  QUEUED,
  REPLAYING,
  ShardSubscription,
} from '../../src/shards/shard-subscription.js';
import type { ShardLog } from '../../src/store/shard-log.js';
import { subscribeRequest } from './support.js';

const COUNT = 2 * TOPICS_PER_REPLY + 10;

/** Topics of three kinds, some without events; a topic's number is its place. */
const TOPICS: readonly TopicEntry[] = Array.from({ length: COUNT }, (_, n) => ({
  ...{ name: `${['a', 'b', 'c'][n % 3]}.${n}`, events: n % 5, firstSequence: n + 1 },
  ...{ lastSequence: 2 * n + 1, firstAt: 10 * n, lastAt: 20 * n },
}));

function logOf(hasLastSequences = true) {
  const byName = new Map(TOPICS.map((topic) => [topic.name, topic]));
  const log = {
    scanTopics: (after: number, limit: number, visit: (topic: TopicEntry) => void): number => {
      for (const topic of TOPICS.slice(after, after + limit)) visit(topic);
      return after + limit < TOPICS.length ? after + limit : 0;
    },
    topic: (name: string) => byName.get(name),
    ...(hasLastSequences
      ? { lastSequenceOf: (name: string) => byName.get(name)?.lastSequence ?? 0 }
      : {}),
  };
  return log as unknown as ShardLog;
}

const introspectionOf = (log = logOf()) =>
  new Introspection(log, new Routes(), { links: [], lagOf: () => 0 });

/** Asks for page after page, each in a turn of its own. */
function allOf<Page extends { readonly next: number | null }>(
  introspection: Introspection,
  ask: (after: number) => Page,
): Page[] {
  const pages: Page[] = [];
  for (let after: number | null = 0; after !== null; ) {
    introspection.beginTurn();
    const page = ask(after);
    pages.push(page);
    after = page.next;
    expect(pages.length).toBeLessThan(10);
  }
  return pages;
}

/** How many answers of a turn are given before its budget is spent. */
function answeredIn(introspection: Introspection, isEmpty: () => boolean): number {
  introspection.beginTurn();
  let answered = 0;
  while (!isEmpty() && answered <= ANSWERED_PER_TURN) answered++;
  return answered;
}

const names = (from: number, to: number) => TOPICS.slice(from, to).map(({ name }) => name);
const PATTERNS = [
  ['*'],
  ['a.+', 'c.7'],
  ['none.*'],
  ['a.3', 'b.4', 'a.3', 'none', 'b.4', 'a.0'],
  names(0, TOPICS_PER_REPLY),
  names(5, TOPICS_PER_REPLY + 6),
  [...names(0, COUNT), 'a.3'],
] as const;

const isMatching = (patterns: readonly string[], name: string): boolean =>
  patterns.some((one) => one === '*' || one === name || (one === 'a.+' && name.startsWith('a.')));

describe('a question for topics', () => {
  it.each(PATTERNS.map((patterns) => [patterns]))(
    'finds those of %j that have events',
    (patterns) => {
      const introspection = introspectionOf();
      const pages = allOf<TopicsPage>(introspection, (after) =>
        introspection.topics({ patterns, after }),
      );
      const found = new Map(
        pages.flatMap(({ topics }) => topics).map((topic) => [topic.name, topic]),
      );
      const wanted = TOPICS.filter(({ name, events }) => events > 0 && isMatching(patterns, name));
      expect([...found.values()].sort((a, b) => a.firstSequence - b.firstSequence)).toEqual(wanted);
      // A name is looked up once in a page, also where it is asked for more often.
      for (const { topics } of pages) {
        expect(new Set(topics.map(({ name }) => name)).size).toBe(topics.length);
      }
      const examined = patterns.some((one) => /[*+]/.test(one)) ? COUNT : patterns.length;
      expect(pages).toHaveLength(Math.ceil(examined / TOPICS_PER_REPLY));
    },
  );

  it.each([
    ['a scan', ['*'], ANSWERED_PER_TURN / TOPICS_PER_REPLY],
    ['a hundred names', names(0, 100), Math.ceil(ANSWERED_PER_TURN / 100)],
    ['more names than a page has', names(0, COUNT), ANSWERED_PER_TURN / TOPICS_PER_REPLY],
  ])('costs what it examines: %s', (_, patterns, answers) => {
    const introspection = introspectionOf();
    const ask = () => introspection.topics({ patterns, after: 0 });
    expect(answeredIn(introspection, () => ask().topics.length === 0)).toBe(answers);
    expect(ask()).toEqual({ topics: [], next: 0 });
  });
});

describe('a question for the newest events of topics', () => {
  it('property: finds those in the range that is asked for', () => {
    const end = fc.integer({ min: 0, max: 2 * COUNT + 2 });
    const request = fc.record({ patterns: fc.constantFrom(...PATTERNS), after: end, until: end });
    fc.assert(
      fc.property(request, fc.boolean(), (asked, hasLastSequences) => {
        const { patterns, after, until } = asked;
        const introspection = introspectionOf(logOf(hasLastSequences));
        const pages = allOf<LastsPage>(introspection, (topic) =>
          introspection.lasts({ ...asked, topic }),
        );
        const isByName = !patterns.some((one) => /[*+]/.test(one));
        const wanted = TOPICS.filter(
          ({ name, events, lastSequence }) =>
            (isByName || events > 0) &&
            isMatching(patterns, name) &&
            lastSequence > after &&
            lastSequence <= until,
        );
        const found = new Set(pages.flatMap(({ sequences }) => sequences));
        expect([...found].sort((a, b) => a - b)).toEqual(
          wanted.map(({ lastSequence }) => lastSequence),
        );
        for (const { sequences } of pages) expect(new Set(sequences).size).toBe(sequences.length);
        const examined = isByName ? patterns.length : COUNT;
        expect(pages).toHaveLength(Math.ceil(examined / TOPICS_PER_REPLY));
      }),
      { numRuns: 20, examples: [[{ patterns: PATTERNS[3], after: 7, until: 9 }, true]] },
    );
  });

  it.each([
    ['a scan', ['*'], ANSWERED_PER_TURN / TOPICS_PER_REPLY],
    ['a hundred names, each twice', [...names(0, 100), ...names(0, 100)], 41],
  ])('costs what it examines: %s', (_, patterns, answers) => {
    const introspection = introspectionOf();
    const ask = () => introspection.lasts({ patterns, topic: 0, after: 0, until: 9e9 });
    expect(answeredIn(introspection, () => ask().sequences.length === 0)).toBe(answers);
    expect(ask()).toEqual({ sequences: [], next: 0 });
  });
});

/** Links with so many subscriptions, the lag of each of which is its number. */
function linksOf(counts: readonly number[], rest: Partial<SubscribeRequest> = {}) {
  const links = counts.map((count, index) => {
    const subscriptions = new Map<number, LinkSubscription>();
    const link = { endpoint: `e${index}`, subscriptions } as unknown as ShardEnd;
    for (let number = 1; number <= count; number++) {
      const request = subscribeRequest(number, ['a'], rest);
      subscriptions.set(number, new ShardSubscription(link, request));
    }
    return link;
  });
  const lagOf = ({ number }: LinkSubscription): number => number;
  const routes = new Routes();
  for (const { subscriptions } of links) {
    for (const subscription of subscriptions.values()) routes.add(subscription, ['a']);
  }
  return { links, routes, introspection: new Introspection(logOf(), routes, { links, lagOf }) };
}

const LONG = 'x'.repeat(SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY / 4);

describe('a question for subscribers', () => {
  it('finds those that are furthest behind', () => {
    const { introspection } = linksOf([3, 5, 4]);
    introspection.beginTurn();
    const ids = (limit: number) => introspection.laggards(limit).subscribers.map(({ id }) => id);
    expect(ids(3)).toEqual(['e1-5', 'e1-4', 'e2-4']);
    expect(ids(0)).toEqual([]);
    expect(ids(100)).toHaveLength(12);
    expect(introspection.laggards(1)).toMatchObject({ next: null, subscribers: [{ lag: 5 }] });
  });

  it('has no more patterns in an answer than it may', () => {
    const { introspection } = linksOf([10], { filter: { topics: [LONG, LONG] } });
    introspection.beginTurn();
    expect(introspection.laggards(10).subscribers).toHaveLength(2);
    const page = introspection.subscribers('a', FIRST_SUBSCRIBER);
    expect(page.subscribers.map(({ id }) => id)).toEqual(['e0-1', 'e0-2']);
    expect(page.next).toEqual({ endpoint: 'e0', subscription: 2 });
  });

  it.each([
    [[], ANSWERED_PER_TURN, ANSWERED_PER_TURN],
    [[500, 1], Math.ceil(ANSWERED_PER_TURN / 501), Math.ceil(ANSWERED_PER_TURN / 502)],
  ])('costs what it looks at, of links with %j subscriptions', (counts, all, lags) => {
    const { introspection } = linksOf(counts, { name: 'n' });
    const isRefused = (page: { readonly next: SubscriberKey | null }) =>
      page.next === FIRST_SUBSCRIBER;
    const start = FIRST_SUBSCRIBER;
    const answered = (ask: () => { readonly next: SubscriberKey | null }) =>
      answeredIn(introspection, () => isRefused(ask()));
    expect(answered(() => introspection.laggards(1))).toBe(all);
    expect(answered(() => introspection.subscribers('a', start))).toBe(all);
    expect(answered(() => introspection.lags({ names: ['*'], after: start }))).toBe(lags);
  });

  it('has all that is known of each', () => {
    const client = { remote: 'there' } as unknown as NonNullable<SubscribeRequest['client']>;
    const { introspection, links } = linksOf([1], { name: 'n', since: 12, client });
    const subscription = links[0]!.subscriptions.get(1)!;
    const entry = () => {
      introspection.beginTurn();
      return introspection.laggards(1).subscribers[0];
    };
    const known = {
      ...{ id: 'e0-1', name: 'n', endpoint: 'e0', topics: ['a'], overflow: 'catch-up' },
      ...{ dropped: 0, lag: 1, since: 12, remote: 'there' },
    };
    expect(entry()).toEqual({ ...known, mode: 'live', queued: 0, slow: 0, lagMs: 0 });
    subscription.link.state = () => undefined;
    const record = Buffer.alloc(1);
    // One of them waits since ten seconds; recorded time may be ahead of the clock by which the next is.
    for (const by of [-10_000, 60_000]) {
      const queuedAt = Date.now() + by;
      subscription.enqueue({ topic: 'a', sequence: 1, record, expiry: 0, queuedAt }, 0);
    }
    const { lagMs, ...rest } = entry()!;
    expect(rest).toEqual({ ...known, mode: 'queued', queued: 2, slow: 1 });
    expect(lagMs).toBeGreaterThanOrEqual(10_000);
    subscription.shift();
    expect(entry()).toMatchObject({ queued: 1, lagMs: 0 });
    subscription.shift();
    subscription.mode = CATCHING_UP;
    expect(entry()).toEqual({ ...known, mode: 'catching-up', queued: 0, slow: 1 });
    subscription.mode = REPLAYING;
    expect(entry()).toEqual({ ...known, mode: 'replaying', queued: 0, slow: 1 });
    subscription.mode = QUEUED;
    expect(entry()).toMatchObject({ lagMs: 0 });
  });

  it('leaves out the name and the client of one that has none', () => {
    const { introspection } = linksOf([1]);
    introspection.beginTurn();
    const [entry] = introspection.laggards(1).subscribers;
    expect(Object.keys(entry!).sort()).toEqual([
      'dropped',
      'endpoint',
      'id',
      'lag',
      'lagMs',
      'mode',
      'overflow',
      'queued',
      'since',
      'slow',
      'topics',
    ]);
  });
});

describe('a question for lags', () => {
  it('has no subscription without a name, and asks for the names of the last question', () => {
    const { introspection, links } = linksOf([3]);
    const named = linksOf([2], { name: 'n' }).links[0]!.subscriptions.get(2)!;
    (links[0]!.subscriptions as Map<number, LinkSubscription>).set(4, named);
    introspection.beginTurn();
    const ask = (...wanted: string[]) =>
      introspection.lags({ names: wanted, after: FIRST_SUBSCRIBER }).lags;
    expect(ask('*')).toEqual([{ endpoint: 'e0', subscription: 2, name: 'n', lag: 2 }]);
    expect(ask('m')).toEqual([]);
    expect(ask('n')).toHaveLength(1);
  });

  it('goes on behind a full page', () => {
    const { introspection } = linksOf([LAGS_PER_REPLY], { name: 'n' });
    introspection.beginTurn();
    const page = introspection.lags({ names: ['n'], after: FIRST_SUBSCRIBER });
    expect(page.lags).toHaveLength(LAGS_PER_REPLY);
    expect(page.next).toMatchObject({ endpoint: 'e0', subscription: LAGS_PER_REPLY });
    expect(introspection.lags({ names: ['n'], after: page.next! })).toEqual({
      lags: [],
      next: null,
    });
  });
});
