import type { Asker } from '../../endpoint/asker.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { Query } from '../../protocol/bus-api.js';
import { CLOUD_EVENT_TYPE, cloudEventText } from '../../protocol/cloud-event.js';
import { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import { patternList } from '../../protocol/filter.js';
import { QUERY_LIMIT } from '../../protocol/limits/bus-api.js';
import { PagePosition, pageStart } from '../../protocol/page-position.js';
import { readFor } from '../asking.js';
import type { Pages } from '../pages.js';
import { assertMayRead } from '../permissions.js';
import { Refusal } from '../refusal.js';
import { CLOUD_EVENT_BATCH_TYPE } from './cloud-events.js';
import {
  CURSOR_HEADER,
  type Exchange,
  headerOf,
  JSON_TYPE,
  NDJSON_TYPE,
  sendText,
} from './exchange.js';
import { ATTRIBUTE_PARAMETERS, attributesOf, patternsOf } from './filter-parameters.js';
import type { HttpContext } from './http-context.js';
import { sendList } from './list-answer.js';
import { negotiate } from './media-types.js';

/**
 * `GET /v1/events`: history, as a list of any length, streamed no faster than the client takes it. `GET /v1/latest`: the
 * same of the newest event of each topic.
 */
const KNOWN = ['topic', 'since', 'until', 'after', ...ATTRIBUTE_PARAMETERS, 'limit', 'reverse'];
const OFFERED = [JSON_TYPE, NDJSON_TYPE, CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE] as const;

export async function queryEvents(exchange: Exchange, context: HttpContext): Promise<void> {
  await answerQuery(exchange, context, queryOf(exchange));
}

export async function queryLatest(exchange: Exchange, context: HttpContext): Promise<void> {
  await answerQuery(exchange, context, { ...queryOf(exchange), latest: true });
}

async function answerQuery(exchange: Exchange, context: HttpContext, query: Query): Promise<void> {
  const { request, principal } = exchange;
  const type = negotiate(headerOf(request, 'accept'), OFFERED);
  assertMayRead(principal, patternList(query.topic));
  exchange.rates.query();
  await exchange.budget.query((asker) => answer(exchange, context, query, type, asker));
}

async function answer(
  exchange: Exchange,
  context: HttpContext,
  query: Query,
  type: string,
  asker: Asker,
): Promise<void> {
  const { response, principal } = exchange;
  const { endpoint, texts } = context;
  const position = new AnswerPosition(endpoint, query);
  const pages = readFor(endpoint, asker, query);
  const visible = (event: Event): Event => (principal.redacts ? principal.redact(event) : event);
  if (type === CLOUD_EVENT_TYPE) {
    const event = await only(pages, query);
    position.pass(event);
    const text = cloudEventText(visible(event));
    sendText(response, 200, CLOUD_EVENT_TYPE, text, position.headers);
    return;
  }
  const textOf =
    type === CLOUD_EVENT_BATCH_TYPE
      ? (event: Event) => cloudEventText(visible(event))
      : (event: Event) => texts.of(principal).of(event).text;
  const passed = (event: Event): string => {
    position.pass(event);
    return textOf(event);
  };
  const trailing = (): Record<string, string> => position.headers;
  await sendList(exchange, context, { pages, textOf: passed }, { type, trailing });
}

/** @throws BusError `QUERY_INVALID` */
function queryOf({ parameters }: Exchange): Query {
  parameters.assertKnown(KNOWN);
  const query: Query = {
    topic: patternsOf(parameters),
    limit: parameters.count('limit') ?? QUERY_LIMIT,
  };
  const since = parameters.one('since');
  const until = parameters.one('until');
  const after = parameters.one('after');
  const types = parameters.all('type');
  const sources = parameters.all('source');
  const correlationIds = parameters.all('correlationId');
  const attributes = attributesOf(parameters);
  const reverse = parameters.flag('reverse');
  if (since !== undefined) query.since = since;
  if (until !== undefined) query.until = until;
  if (after !== undefined) query.after = after;
  if (types !== undefined) query.types = types;
  if (sources !== undefined) query.sources = sources;
  if (correlationIds !== undefined) query.correlationIds = correlationIds;
  if (attributes !== undefined) query.attributes = attributes;
  if (reverse !== undefined) query.reverse = reverse;
  return query;
}

/** The one event of a query with limit 1. @throws Refusal 406 for another limit, BusError `NOT_FOUND` */
async function only(pages: Pages<Event>, { limit }: Query): Promise<Event> {
  if (limit !== 1) {
    const message = `${CLOUD_EVENT_TYPE} is one event; ask with limit=1, or for ${CLOUD_EVENT_BATCH_TYPE}`;
    throw new Refusal(406, 'MESSAGE_INVALID', message, { path: 'accept' });
  }
  for await (const [event] of pages) if (event !== undefined) return event;
  throw new BusError('NOT_FOUND', 'no event matches the query');
}

/**
 * The cursor after the last event of the answer; with `after=` that cursor, a query or a stream continues there. There
 * is no such cursor in reverse order. There is none either for an answer without events to a query after a cursor of an
 * earlier epoch, of whose positions some may no longer be valid.
 */
class AnswerPosition {
  readonly #position: PagePosition | undefined;
  #last: Event | undefined;

  constructor(endpoint: BusEndpoint, { after, reverse }: Query) {
    const start = pageStart(endpoint, after);
    const counts = reverse !== true && start.epoch === endpoint.epoch;
    this.#position = counts ? new PagePosition(start) : undefined;
  }

  pass(event: Event): void {
    this.#last = event;
    // The position is counted here because events of an endpoint that the user made have no cursors.
    this.#position?.pass(event);
  }

  get headers(): Record<string, string> {
    const cursor = this.#last?.cursor ?? this.#position?.cursor;
    return cursor === undefined ? {} : { [CURSOR_HEADER]: cursor };
  }
}
