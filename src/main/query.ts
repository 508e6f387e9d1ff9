/** Queries: checked, put to each shard's readers in pages, and merged by the time at which the events were recorded. */
import { isTopicDefinition } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { type ParsedFilter, parseFilter, patternList } from '../protocol/filter.js';
import {
  QUERY_LIMIT,
  QUERY_LIMIT_MAX,
  READ_PAGE_BYTES,
  READ_PAGE_EVENTS,
} from '../protocol/limits.js';
import { PagePosition } from '../protocol/page-position.js';
import { quote } from '../protocol/quote.js';
import { messageOf } from '../protocol/thrown.js';
import { parseTimestamp } from '../protocol/timestamp.js';
import { hasWildcard } from '../protocol/topic.js';
import { shardOf } from '../protocol/topic-hash.js';
import { decodePage } from '../store/page.js';
import { type Asker, ITSELF } from './asker.js';
import type { Query } from './bus.js';
import { RecordDecoder } from './record-decoder.js';
import type { MainServices } from './services.js';

export interface ParsedQuery {
  readonly filter: ParsedFilter;
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly after: string | undefined;
  readonly limit: number | undefined;
  readonly reverse: boolean;
}

const QUERY_FIELDS = new Set([
  'topic',
  'since',
  'until',
  'after',
  'types',
  'sources',
  'correlationIds',
  'attributes',
  'limit',
  'reverse',
]);

/** @throws BusError `QUERY_INVALID`, and what `parseFilter` throws */
export function parseQuery(query: Query): ParsedQuery {
  if (typeof query !== 'object' || query === null || Array.isArray(query)) {
    throw invalid('query', `${quote(query)} is not an object`);
  }
  for (const [field, value] of Object.entries(query)) {
    if (!QUERY_FIELDS.has(field)) throw invalid(field, `unknown field, with value ${quote(value)}`);
  }
  const {
    topic,
    types,
    sources,
    correlationIds,
    attributes,
    after,
    limit,
    reverse = false,
  } = query;
  if (after !== undefined && typeof after !== 'string') {
    throw invalid('after', `${quote(after)} is not a cursor`);
  }
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    throw invalid('limit', `${quote(limit)} is not a whole number above 0`);
  }
  if (typeof reverse !== 'boolean') throw invalid('reverse', `${quote(reverse)} is not a boolean`);
  if (topic === undefined) throw invalid('topic', 'there is none; "*" is every topic');
  const topics = isTopicDefinition(topic) || typeof topic === 'string' ? patternList(topic) : topic;
  const sinceMs = timeOf('since', query.since);
  const untilMs = timeOf('until', query.until);
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs) {
    throw invalid('since', `${isoText(sinceMs)} is after until, ${isoText(untilMs)}`);
  }
  return {
    filter: parseFilter(defined({ topics, types, sources, correlationIds, attributes })),
    sinceMs,
    untilMs,
    after,
    limit,
    reverse,
  };
}

/** For `query`, whose answer is in memory at once. */
export function limitOf(query: ParsedQuery): number {
  const limit = query.limit ?? QUERY_LIMIT;
  if (limit <= QUERY_LIMIT_MAX) return limit;
  throw invalid('limit', `${limit} is over ${QUERY_LIMIT_MAX}; read() streams any number`);
}

interface Found {
  readonly event: Event;
  readonly recordedAt: number;
}

/** What is read of one shard. */
interface ShardRange {
  readonly shard: number;
  readonly after: number;
  readonly until: number;
  readonly pageEvents: number;
  readonly asker: Asker;
}

export class QueryRunner {
  readonly #services: MainServices;
  readonly #heads: () => readonly number[];
  readonly #epoch: string;

  /** `heads` tells each shard's last committed sequence, in the log of `epoch`. */
  constructor(services: MainServices, heads: () => readonly number[], epoch: string) {
    this.#services = services;
    this.#heads = heads;
    this.#epoch = epoch;
  }

  async *read(
    query: ParsedQuery,
    pageEvents = READ_PAGE_EVENTS,
    asker: Asker = ITSELF,
  ): AsyncGenerator<Event> {
    const heads = this.#heads();
    const from =
      query.after === undefined ? undefined : await this.#services.resolveCursor(query.after);
    const positions = from?.positions ?? heads.map(() => 0);
    // Newest first, no position has all that was given before it and nothing else.
    const position = query.reverse
      ? undefined
      : new PagePosition({ epoch: this.#epoch, positions });
    const sources = shardsOf(query.filter, heads.length).map((shard) => {
      const after = positions[shard] ?? 0;
      const until = heads[shard]!;
      return this.#readShard(query, { shard, after, until, pageEvents, asker });
    });
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    for await (const { event } of merge(sources, query.reverse)) {
      yield position?.mark(event) ?? event;
      if (--left === 0) return;
    }
  }

  async *#readShard(
    query: ParsedQuery,
    { shard, pageEvents, asker, ...range }: ShardRange,
  ): AsyncGenerator<Found> {
    const { filter, sinceMs, untilMs, reverse } = query;
    const decoder = new RecordDecoder();
    let { after, until } = range;
    while (after < until) {
      const request = {
        filter,
        after,
        until,
        ...defined({ sinceMs, untilMs }),
        limit: pageEvents,
        limitBytes: READ_PAGE_BYTES,
        reverse,
      };
      const page = await asker.look(0, () => {
        if (asker.isGone) throw new BusError('ABORTED', 'nobody waits for the answer any more');
        return this.#services.page(shard, request);
      });
      const found: Found[] = [];
      decodePage(page, ({ bytes, offset, sequence, recordedAt }) => {
        found.push({ event: decoder.decode(bytes, offset, shard, sequence), recordedAt });
      });
      yield* found;
      if (page.done) return;
      if (reverse) until = page.next;
      else after = page.next;
    }
  }
}

/** The shards that can have what the filter wants. */
export function shardsOf(filter: ParsedFilter, shards: number): number[] {
  if (filter.topics.some(hasWildcard)) return Array.from({ length: shards }, (_, shard) => shard);
  return [...new Set(filter.topics.map((topic) => shardOf(topic, shards)))].sort((a, b) => a - b);
}

/** Merges by recorded time; within a shard the order is the log's. */
async function* merge(
  sources: readonly AsyncGenerator<Found>[],
  reverse: boolean,
): AsyncGenerator<Found> {
  const sign = reverse ? -1 : 1;
  try {
    const heads = await Promise.all(sources.map((source) => source.next()));
    for (;;) {
      let first = -1;
      for (let i = 0; i < heads.length; i++) {
        const head = heads[i]!;
        if (head.done) continue;
        const best = first < 0 ? undefined : heads[first]!;
        const isFirst =
          best === undefined || sign * (head.value.recordedAt - best.value.recordedAt) < 0;
        if (isFirst) first = i;
      }
      if (first < 0) return;
      yield heads[first]!.value;
      heads[first] = await sources[first]!.next();
    }
  } finally {
    await Promise.all(sources.map((source) => source.return(undefined)));
  }
}

function timeOf(field: string, value: Date | string | undefined): number | undefined {
  if (value === undefined) return undefined;
  try {
    return parseTimestamp(value);
  } catch (cause) {
    throw invalid(field, messageOf(cause));
  }
}

function isoText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function invalid(path: string, message: string): BusError {
  return new BusError('QUERY_INVALID', `query: ${path}: ${message}`, { details: { path } });
}

/** Without the fields that are left out. */
function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
