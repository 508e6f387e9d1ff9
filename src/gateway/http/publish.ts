import { CLOUD_EVENT_TYPE } from '../../protocol/cloud-event.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput, PublishAck, PublishManyOptions } from '../../protocol/event.js';
import { isExpectation } from '../../protocol/expectation.js';
import { JsonScanner } from '../../protocol/json-scanner.js';
import { quote } from '../../protocol/quote.js';
import {
  assertStillHolds,
  cursorBefore,
  permittedEvents,
  withoutUnreadable,
} from '../permissions.js';
import { PublishLane } from '../publish-lane.js';
import { Refusal } from '../refusal.js';
import { type ParsedJson, parseEvents, parseJson, withBody } from './body.js';
import {
  CLOUD_EVENT_BATCH_TYPE,
  fromBinaryMode,
  fromCloudEvent,
  isBinaryMode,
} from './cloud-events.js';
import { eventOf, eventsOf, withPath } from './event-bodies.js';
import {
  CURSOR_HEADER,
  type Exchange,
  headerOf,
  JSON_TYPE,
  NDJSON_TYPE,
  sendText,
} from './exchange.js';
import type { HttpContext } from './http-context.js';
import { isJsonType, type MediaType, negotiate, parseMediaType } from './media-types.js';
import { publishLines } from './publish-lines.js';
import { publishOptions } from './publish-options.js';

/**
 * `POST /v1/events`, in all its forms. A body that is one event or an array is published as a whole or not at all;
 * NDJSON lines are published as they arrive.
 */
const KNOWN = [
  'durability',
  'persist',
  'topic',
  'atomic',
  'expect',
  'deliverAt',
  'delayMs',
  'ttlMs',
];
const IDENTITY = 'identity';

export async function publish(exchange: Exchange, context: HttpContext): Promise<void> {
  const { request, parameters } = exchange;
  parameters.assertKnown(KNOWN);
  const options = publishOptions(exchange);
  const encoding = headerOf(request, 'content-encoding') ?? IDENTITY;
  if (encoding.toLowerCase() !== IDENTITY) {
    throw unsupported(`content-encoding ${quote(encoding)} is not read here`);
  }
  const type = parseMediaType(headerOf(request, 'content-type'));
  checkCharset(type);
  if (type.name === NDJSON_TYPE || type.name === 'application/jsonl') {
    if (options.atomic !== undefined || options.expect !== undefined) throw linesOnTerms();
    return publishLines(exchange, context, options);
  }
  const accept = negotiate(headerOf(request, 'accept'), [JSON_TYPE, NDJSON_TYPE]);
  const { parse, isCloudEvents } = readerOf(exchange, type);
  // The specification of CloudEvents, 1.0.2: source and id together are unique for each distinct event.
  if (isCloudEvents) options.idScope = 'source';
  const acks = await withBody(exchange, (body) =>
    publishAll(exchange, context, parse(body), options),
  );
  sendAcks(exchange, acks, accept);
}

const NO_DATA = { value: null, text: 'null' };

/** Parses a body that is itself a payload, as in binary mode. */
function dataOf(body: Buffer): ParsedJson {
  const { value, text } = parseJson(body, 'the body');
  return { value, text: new JsonScanner(text).value() };
}

interface BodyReader {
  readonly isCloudEvents: boolean;
  parse(body: Buffer): EventInput[];
}

/** @throws Refusal 415 */
function readerOf({ request, parameters }: Exchange, { name }: MediaType): BodyReader {
  const topic = parameters.one('topic');
  if (name === CLOUD_EVENT_TYPE) {
    const parse = (body: Buffer): EventInput[] => [
      checked(fromCloudEvent(parseEvents(body, 'the body', 'data'), '', topic), ''),
    ];
    return { parse, isCloudEvents: true };
  }
  if (name === CLOUD_EVENT_BATCH_TYPE) {
    const toEvent = (value: unknown, path: string): EventInput =>
      checked(fromCloudEvent(value, path, topic), path);
    const parse = (body: Buffer): EventInput[] =>
      eventsOf(parseEvents(body, 'the body', 'data'), toEvent);
    return { parse, isCloudEvents: true };
  }
  const isBinary = isBinaryMode(request.headers);
  const isDataless = isBinary && name === '' && !hasBody(request.headers);
  if (!isDataless && !isJsonType(name)) throw unsupported(unsupportedText(name));
  if (isBinary) {
    const parse = (body: Buffer): EventInput[] => {
      const data = body.length === 0 ? NO_DATA : dataOf(body);
      return [checked(fromBinaryMode(request.headers, data, name, topic), '')];
    };
    return { parse, isCloudEvents: true };
  }
  if (topic !== undefined) {
    const message = 'parameter topic is for CloudEvents without a subject';
    throw new BusError('QUERY_INVALID', message, { details: { path: 'topic' } });
  }
  const parse = (body: Buffer): EventInput[] => {
    const value = parseEvents(body, 'the body');
    return Array.isArray(value) ? eventsOf(value, eventOf) : [eventOf(value, '')];
  };
  return { parse, isCloudEvents: false };
}

/** Checks the event that a CloudEvent was converted to. */
function checked(input: EventInput, path: string): EventInput {
  return eventOf(input, path);
}

async function publishAll(
  { principal, rates }: Exchange,
  { endpoint }: HttpContext,
  inputs: readonly EventInput[],
  { expect, atomic, ...options }: PublishManyOptions,
): Promise<PublishAck[]> {
  const events = permittedEvents(principal, inputs);
  rates.publish(events.length);
  const lane = new PublishLane(endpoint, () => assertStillHolds(principal));
  try {
    const isAlone = events.length === 1 && atomic !== true;
    if (isAlone && expect === undefined) return [await lane.publish(events[0]!, options)];
    if (isAlone && isExpectation(expect)) {
      return [await lane.publish(events[0]!, { ...options, expect })];
    }
    const terms = {
      ...(atomic === undefined ? {} : { atomic }),
      ...(expect === undefined ? {} : { expect }),
    };
    return await lane.publishMany(events, { ...options, ...terms });
  } catch (error) {
    const told = withoutUnreadable(principal, error);
    const index = told instanceof BusError ? told.details?.index : undefined;
    throw typeof index === 'number' ? withPath(told, String(index)) : told;
  }
}

function linesOnTerms(): BusError {
  const message = 'atomic and expect are for a JSON body: lines are published as they arrive';
  return new BusError('OPTION_INVALID', message, { details: { path: 'atomic' } });
}

/**
 * Answers with the acks and a cursor after which all reactions to these events follow: the cursor after a single event,
 * or in front of several. A principal that may read nothing gets no cursor.
 */
function sendAcks(
  { response, principal }: Exchange,
  acks: readonly PublishAck[],
  type: string,
): void {
  const isLines = type === NDJSON_TYPE;
  const text = isLines
    ? acks.map((ack) => `${JSON.stringify(ack)}\n`).join('')
    : JSON.stringify(acks);
  const before = cursorBefore(principal, acks);
  const cursor = acks.length === 1 && before !== undefined ? acks[0]!.cursor : before;
  sendText(response, 200, type, text, cursor === undefined ? {} : { [CURSOR_HEADER]: cursor });
}

function hasBody(headers: Exchange['request']['headers']): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function checkCharset({ charset }: MediaType): void {
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8') return;
  throw unsupported(`charset ${quote(charset)} is not read here; JSON is UTF-8`);
}

function unsupportedText(name: string): string {
  const given =
    name === '' ? 'there is no content-type' : `content-type ${quote(name)} is not read`;
  const known = [JSON_TYPE, NDJSON_TYPE, CLOUD_EVENT_TYPE, CLOUD_EVENT_BATCH_TYPE].join(', ');
  return `${given}; send one of ${known}`;
}

function unsupported(message: string): Refusal {
  return new Refusal(415, 'MESSAGE_INVALID', message, { path: 'content-type' });
}
