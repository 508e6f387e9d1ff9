import type { GetOptions, Query } from '../protocol/bus-api.js';
import { isTopicDefinition } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { QUERY_LIMIT, QUERY_LIMIT_MAX } from '../protocol/limits/bus-api.js';
import { READ_PAGE_EVENTS } from '../protocol/limits/endpoint.js';
import {
  type LogShape,
  PagePosition,
  pageStart,
  pageStartBefore,
} from '../protocol/page-position.js';
import { quote } from '../protocol/quote.js';
import { parseTimestamp } from '../protocol/timestamp.js';
import type { Result } from '../protocol/wire.js';
import type { Requests } from './requests.js';

/**
 * Queries over a connection. `query` is one request. `read` asks for one page after the other, each behind the last
 * event of the page before, and only when the reader has come to the end of that page. So it can be long and slow, and
 * can go on over several connections.
 */

/** How a client reads events. */
export interface ReadOptions {
  /**
   * `payloadText` gives the payload of each event as its sender wrote it, which takes the client more time for each
   * page. Default false: it gives what JavaScript holds, where 2^53 + 1 is rounded.
   */
  readonly keepPayloadText?: boolean;
}

/** @throws BusError `QUERY_INVALID` for a limit over 10,000; any refusal of the server */
export async function query<P>(
  requests: Requests,
  log: () => LogShape,
  query: Query<P>,
  options: ReadOptions,
): Promise<Event<P>[]> {
  const limit = limitOf(query) ?? QUERY_LIMIT;
  if (limit > QUERY_LIMIT_MAX) {
    throw invalid(`limit ${limit} is over ${QUERY_LIMIT_MAX}; read() streams any number`);
  }
  const answer = await requests.ask('query', frameText(query, { limit }), wishesOf(options));
  const { events = [] } = answer;
  if (query.reverse !== true) passed(answer, log(), query.after);
  return [...events] as Event<P>[];
}

/** @throws BusError any refusal of the server */
export async function get<P>(
  requests: Requests,
  topic: Query<P>['topic'],
  id: string,
  options: GetOptions,
): Promise<Event<P> | undefined> {
  const { events = [] } = await requests.ask(
    'get',
    JSON.stringify({ ...options, topic: patternsOf(topic), id }),
    { keepsTexts: true },
  );
  return events[0] as Event<P> | undefined;
}

/**
 * Reads any number of events. With `reverse` there is no cursor to go on from, so that is one page of up to 10,000
 * events.
 */
export async function* read<P>(
  requests: Requests,
  log: () => LogShape,
  wanted: Query<P>,
  options: ReadOptions,
): AsyncGenerator<Event<P>, void, undefined> {
  const limit = limitOf(wanted);
  if (wanted.reverse === true) {
    if (limit === undefined || limit > QUERY_LIMIT_MAX) {
      throw invalid(`with reverse a limit of at most ${QUERY_LIMIT_MAX} is needed`);
    }
    yield* await query<P>(requests, log, wanted, options);
    return;
  }
  let { after } = wanted;
  let left = limit ?? Number.POSITIVE_INFINITY;
  while (left > 0) {
    const asked = Math.min(left, READ_PAGE_EVENTS);
    const text = frameText(
      wanted,
      after === undefined ? { limit: asked } : { limit: asked, after },
    );
    const answer = await requests.ask('query', text, wishesOf(options));
    const { events = [] } = answer;
    after = passed(answer, log(), after).cursor;
    yield* events as Event<P>[];
    left -= events.length;
    if (events.length < asked) return;
  }
}

/**
 * Passes a page's events and gives them their cursors. If the server does not say where the page ends and the page
 * began behind a cursor of an earlier epoch, its events get no cursors: some positions of that cursor may be void.
 */
function passed(
  { events = [], cursor }: Result,
  log: LogShape,
  after: string | undefined,
): PagePosition {
  const start = cursor === undefined ? pageStart(log, after) : pageStartBefore(events, cursor);
  const position = new PagePosition(start);
  for (const event of events) {
    if (cursor !== undefined || start.epoch === log.epoch) position.mark(event);
    else position.pass(event);
  }
  return position;
}

function wishesOf({ keepPayloadText = false }: ReadOptions): { readonly keepsTexts: boolean } {
  return { keepsTexts: keepPayloadText };
}

function frameText(query: Query, page: { limit: number; after?: string }): string {
  const { topic, since, until, ...fields } = query;
  const asked = { topic: patternsOf(topic), ...fields, ...page };
  return JSON.stringify({ ...asked, since: time(since), until: time(until) });
}

function patternsOf(topic: Query['topic']): string | readonly string[] {
  return isTopicDefinition(topic) ? topic.pattern : topic;
}

function time(value: Date | string | undefined): string | undefined {
  return value === undefined ? undefined : new Date(parseTimestamp(value)).toISOString();
}

function limitOf(query: Query): number | undefined {
  if (typeof query !== 'object' || query === null) {
    throw invalid(`query ${quote(query)} is not an object`);
  }
  const { limit } = query;
  if (limit === undefined || (Number.isSafeInteger(limit) && limit > 0)) return limit;
  throw invalid(`limit ${quote(limit)} is not a whole number above 0`);
}

function invalid(message: string): BusError {
  return new BusError('QUERY_INVALID', message);
}
