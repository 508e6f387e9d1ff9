import type { IncomingHttpHeaders } from 'node:http';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput } from '../../protocol/event.js';
import { quote } from '../../protocol/quote.js';
import { withPath } from './event-bodies.js';

/**
 * CloudEvents 1.0 to events and back, in its JSON format and its HTTP binding. Pure; docs/HTTP.md has the table.
 *
 * Three things that one side has and the other has not are carried along, so that nothing is lost on the way there and back: a type
 * that is not snake_case (attribute `cetype`), the kind and schema of the data (attributes of the same names), and attribute keys that
 * cannot name an extension (extension `millracenames`: JSON, extension to key).
 */

export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

const SPEC_VERSION = '1.0';
const JSON_DATA = 'application/json';
const ORIGINAL_TYPE = 'cetype';
const NAMES = 'millracenames';
const NAME = /^[a-z0-9]+$/;
const HEADER_PREFIX = 'ce-';
/** Context attributes that become fields, or are the bus's own to give. */
const TAKEN = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'time',
  'subject',
  'data',
  'data_base64',
  'correlationid',
  'causationid',
  'sequence',
  'sequencetype',
  NAMES,
]);

type Context = Readonly<Record<string, unknown>>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * An event from a CloudEvent as JSON. `topic`: for one without a subject.
 *
 * @throws BusError `EVENT_INVALID`, `PAYLOAD_INVALID`, with `details.path`
 */
export function fromCloudEvent(value: unknown, path: string, topic?: string): EventInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fault(path, '', `${quote(value)} is not an object`);
  }
  const context = value as Context;
  if (Object.hasOwn(context, 'data_base64')) {
    const details = { field: 'data_base64' };
    const message = 'data_base64 is binary; payloads are JSON';
    throw withPath(new BusError('PAYLOAD_INVALID', message, { details }), path);
  }
  return fromContext(context, context.data ?? null, path, topic);
}

/** Whether a request whose body is no CloudEvent by its type carries one in its headers. */
export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined || headers['ce-type'] !== undefined;
}

/**
 * An event from the headers of binary mode. `dataType` is the body's `Content-Type`.
 *
 * @throws BusError `EVENT_INVALID` with `details.path`
 */
export function fromBinaryMode(
  headers: IncomingHttpHeaders,
  data: unknown,
  dataType: string,
  topic?: string,
): EventInput {
  const context: Record<string, unknown> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(HEADER_PREFIX)) continue;
    const text = Array.isArray(value) ? value.join(', ') : (value ?? '');
    context[header.slice(HEADER_PREFIX.length)] = decodeHeader(header, text);
  }
  delete context.data;
  if (dataType !== '') context.datacontenttype = dataType;
  return fromContext(context, data, '', topic);
}

/** The CloudEvent that stands for an event, ready for `JSON.stringify`. */
export function toCloudEvent(event: Event): Readonly<Record<string, unknown>> {
  const { attributes = {} } = event;
  const { [ORIGINAL_TYPE]: original, datacontenttype, dataschema, ...others } = attributes;
  const isOriginal = original !== undefined && snakeCase(original) === event.type;
  const made: Record<string, unknown> = {
    specversion: SPEC_VERSION,
    id: event.id,
    source: uriReference(event.source),
    type: isOriginal ? original : event.type,
    time: event.timestamp,
    subject: event.topic,
    datacontenttype: datacontenttype ?? JSON_DATA,
  };
  if (dataschema !== undefined) made.dataschema = dataschema;
  if (event.correlationId !== undefined) made.correlationid = event.correlationId;
  if (event.causationId !== undefined) made.causationid = event.causationId;
  // Text: a sequence can be larger than the 32 bits that a CloudEvents integer has.
  if (event.sequence !== undefined) made.sequence = String(event.sequence);
  const left = isOriginal || original === undefined ? others : { ...others, cetype: original };
  addExtensions(made, left);
  made.data = event.payload;
  return made;
}

function fromContext(
  context: Context,
  payload: unknown,
  path: string,
  fallbackTopic: string | undefined,
): EventInput {
  const { specversion, id, source, type, time, subject, correlationid, causationid } = context;
  if (specversion !== SPEC_VERSION) {
    throw fault(path, 'specversion', `specversion ${quote(specversion)} is not "${SPEC_VERSION}"`);
  }
  for (const field of ['id', 'source', 'type'] as const) {
    if (typeof context[field] === 'string' && context[field] !== '') continue;
    throw fault(path, field, `${field} ${quote(context[field])} is not text, or empty`);
  }
  const topic = subject ?? fallbackTopic;
  if (topic === undefined) {
    const message = 'there is no subject, which is the topic, nor a parameter topic';
    throw fault(path, 'subject', message);
  }
  const snake = snakeCase(type as string);
  const input: Writable<EventInput> = {
    topic: topic as string,
    type: snake,
    payload,
    id: id as string,
    source: source as string,
  };
  if (time !== undefined && time !== null) input.timestamp = inUtc(time) as string;
  if (correlationid !== undefined) input.correlationId = String(correlationid);
  if (causationid !== undefined) input.causationId = String(causationid);
  const attributes = attributesOf(context, path);
  if (snake !== type) attributes[ORIGINAL_TYPE] = type as string;
  if (Object.keys(attributes).length > 0) input.attributes = attributes;
  return input;
}

function attributesOf(context: Context, path: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  const names = namesOf(context[NAMES], path);
  for (const [name, value] of Object.entries(context)) {
    if (TAKEN.has(name) || value === null || value === undefined) continue;
    if (name === 'datacontenttype' && value === JSON_DATA) continue;
    if (!NAME.test(name)) {
      throw fault(path, name, `${quote(name)} cannot name an attribute of a CloudEvent`);
    }
    const kind = typeof value;
    if (kind !== 'string' && kind !== 'number' && kind !== 'boolean') {
      throw fault(path, name, `${name} is ${quote(value)}, and not text, a number or a boolean`);
    }
    attributes[names[name] ?? name] = String(value);
  }
  return attributes;
}

/** The keys for which extensions stand. */
function namesOf(text: unknown, path: string): Record<string, string> {
  if (text === undefined) return {};
  const refusal = fault(path, NAMES, `${NAMES} ${quote(text)} is not a JSON object of texts`);
  let names: unknown;
  try {
    names = JSON.parse(String(text));
  } catch {
    throw refusal;
  }
  if (typeof names !== 'object' || names === null || Array.isArray(names)) throw refusal;
  const known = Object.create(null) as Record<string, string>;
  for (const [extension, key] of Object.entries(names)) {
    if (typeof key !== 'string' || key === '__proto__') throw refusal;
    known[extension] = key;
  }
  return known;
}

/** `agentId` becomes the extension `agentid`; what takes no other one's place. */
function addExtensions(made: Record<string, unknown>, attributes: Record<string, string>): void {
  const names: Record<string, string> = {};
  for (const [key, value] of Object.entries(attributes)) {
    let extension = key.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    if (extension === '') extension = 'x';
    const isOwn = (name: string): boolean => name === key || !Object.hasOwn(attributes, name);
    const base = extension;
    for (
      let n = 2;
      made[extension] !== undefined || TAKEN.has(extension) || !isOwn(extension);
      n++
    ) {
      extension = `${base}${n}`;
    }
    made[extension] = value;
    if (extension !== key) names[extension] = key;
  }
  if (Object.keys(names).length > 0) made[NAMES] = JSON.stringify(names);
}

/** `com.example.orderPlaced.v2` becomes `com_example_order_placed_v2`. */
function snakeCase(type: string): string {
  return type
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '');
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/** CloudEvents have times of any zone, events of one; what is no time stays for the bus to refuse. */
function inUtc(time: unknown): unknown {
  if (typeof time !== 'string' || !RFC_3339.test(time) || time.endsWith('Z')) return time;
  const ms = Date.parse(time.toUpperCase());
  return Number.isNaN(ms) ? time : new Date(ms).toISOString();
}

/** What a URI-reference cannot hold as it is. A source may be any text. */
function uriReference(source: string): string {
  return source.replaceAll(/[^\w\-.~:/?#[\]@!$&'()*+,;=%]/gu, encodeURIComponent);
}

/** HTTP binding, 3.1.3.2: percent-encoded UTF-8; quotes are of its earlier versions. */
function decodeHeader(header: string, value: string): string {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  const text = isQuoted ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
  try {
    return text.replaceAll(/(?:%[\da-f]{2})+/gi, decodeURIComponent);
  } catch {
    const message = `header ${header} ${quote(value)} is not percent-encoded UTF-8`;
    throw fault('', header.slice(HEADER_PREFIX.length), message);
  }
}

function fault(path: string, field: string, message: string): unknown {
  return withPath(new BusError('EVENT_INVALID', message, { details: { field } }), path);
}
