/** Checks the arguments of `query`, `read` and `get`. */

import type { GetOptions, LatestOptions, Query } from '../../protocol/bus-api.js';
import { isTopicDefinition } from '../../protocol/define-topic.js';
import { BusError } from '../../protocol/errors.js';
import { idFault, nameFault } from '../../protocol/event-fields.js';
import { type ParsedFilter, parseFilter, patternList } from '../../protocol/filter.js';
import { QUERY_LIMIT, QUERY_LIMIT_MAX } from '../../protocol/limits/bus-api.js';
import { nameHint } from '../../protocol/name-hint.js';
import { quote } from '../../protocol/quote.js';
import { messageOf } from '../../protocol/thrown.js';
import { parseTimestamp } from '../../protocol/timestamp.js';

export interface ParsedQuery {
  readonly filter: ParsedFilter;
  /** Only events with this id. */
  readonly id?: string;
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly after: string | undefined;
  readonly limit: number | undefined;
  readonly reverse: boolean;
  /** Only the newest event of each topic. */
  readonly latest: boolean;
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
  'latest',
]);

/** @throws BusError `QUERY_INVALID`, and what `parseFilter` throws */
export function parseQuery(query: Query): ParsedQuery {
  if (typeof query !== 'object' || query === null || Array.isArray(query)) {
    throw invalid('', `has to be an object, such as { topic: 'orders.*' }, not ${quote(query)}`);
  }
  for (const field of Object.keys(query)) {
    if (!QUERY_FIELDS.has(field)) throw unknownField(field, QUERY_FIELDS);
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
    latest = false,
  } = query;
  if (after !== undefined && typeof after !== 'string') {
    throw invalid('after', `${quote(after)} is not a cursor`);
  }
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    throw invalid('limit', `${quote(limit)} is not a whole number above 0`);
  }
  if (typeof reverse !== 'boolean') throw invalid('reverse', `${quote(reverse)} is not a boolean`);
  if (typeof latest !== 'boolean') throw invalid('latest', `${quote(latest)} is not a boolean`);
  const topics = patternsOf(topic);
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
    latest,
  };
}

/**
 * The query for the newest event of each topic.
 * @throws BusError `QUERY_INVALID`, and what `parseFilter` throws
 */
export function parseLatest(topic: Query['topic'], options: LatestOptions): ParsedQuery {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid('options', `${quote(options)} is not an object`);
  }
  return parseQuery({ ...options, topic, latest: true });
}

/**
 * The query for the events with an id, the newest first.
 * @throws BusError `QUERY_INVALID`, and what `parseFilter` throws
 */
export function parseLookup(topic: Query['topic'], id: string, options: GetOptions): ParsedQuery {
  if (id === undefined) throw invalid('id', 'is undefined; get takes a topic and an id');
  const fault = idFault('id', id);
  if (fault !== undefined) throw invalid('id', fault);
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid('options', `${quote(options)} is not an object`);
  }
  for (const field of Object.keys(options)) {
    if (field !== 'source') throw unknownField(field, ['source']);
  }
  const { source } = options;
  const sourceFault = source === undefined ? undefined : nameFault('source', source);
  if (sourceFault !== undefined) throw invalid('source', sourceFault);
  const sources = source === undefined ? undefined : [source];
  return {
    filter: parseFilter(defined({ topics: patternsOf(topic), sources })),
    id,
    sinceMs: undefined,
    untilMs: undefined,
    after: undefined,
    limit: undefined,
    reverse: true,
    latest: false,
  };
}

/** The limit of a `query`, which is bounded because the whole answer is in memory. */
export function limitOf(query: ParsedQuery): number {
  const limit = query.limit ?? QUERY_LIMIT;
  if (limit <= QUERY_LIMIT_MAX) return limit;
  throw invalid('limit', `${limit} is over ${QUERY_LIMIT_MAX}; read() streams any number`);
}

function patternsOf(topic: Query['topic'] | undefined): readonly string[] {
  if (topic === undefined) throw invalid('topic', 'there is none; "*" is every topic');
  return isTopicDefinition(topic) || typeof topic === 'string' ? patternList(topic) : topic;
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

function unknownField(field: string, known: Iterable<string>): BusError {
  return invalid(field, `is unknown${nameHint(field, known)}`);
}

function invalid(path: string, message: string): BusError {
  const where = path === '' ? '' : `${path}: `;
  return new BusError('QUERY_INVALID', `query: ${where}${message}`, { details: { path } });
}

/** The object without its undefined fields. */
export function defined<T extends object>(
  object: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
