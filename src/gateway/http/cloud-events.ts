import type { IncomingHttpHeaders } from 'node:http';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput } from '../../protocol/event.js';
import { PAYLOAD_TEXT, payloadTextOf, type WithPayloadText } from '../../protocol/payload-text.js';
import { quote } from '../../protocol/quote.js';
import { withPath } from './event-bodies.js';

/**
 * CloudEvents 1.0 to events and back, in its JSON format and its HTTP binding. Pure; docs/HTTP.md has the table.
 *
 * Two things that one side has and the other has not are carried along, so that nothing is lost on the way there and
 * back: the kind and schema of the data (attributes of the same names), and attribute keys that cannot name an
 * extension (extension `millracenames`: JSON, extension to key).
 */

export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

const SPEC_VERSION = '1.0';
const JSON_DATA = 'application/json';
const NAMES = 'millracenames';
const NAME = /^[a-z0-9]+$/;
const HEADER_PREFIX = 'ce-';
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
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

type Context = Readonly<Record<string, unknown>> & WithPayloadText;

/** The payload, and its JSON text where it has one. */
interface Data {
  readonly value: unknown;
  readonly text: string | undefined;
}
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
  const { data = null, [PAYLOAD_TEXT]: text } = context;
  return fromContext(context, { value: data, text }, path, topic);
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
  data: Data,
  dataType: string,
  topic?: string,
): EventInput {
  const context: Record<string, unknown> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(HEADER_PREFIX)) continue;
    const text = Array.isArray(value) ? value.join(', ') : (value ?? '');
    context[header.slice(HEADER_PREFIX.length)] = decodeHeader(header, rawText(text));
  }
  delete context.data;
  if (dataType !== '') context.datacontenttype = dataType;
  return fromContext(context, data, '', topic);
}

/** The CloudEvent that stands for an event, in its JSON format. */
export function cloudEventText(event: Event): string {
  const context = JSON.stringify(contextOf(event));
  return `${context.slice(0, -1)},"data":${payloadTextOf(event)}}`;
}

/** All of it but the data. */
function contextOf(event: Event): Readonly<Record<string, unknown>> {
  const { attributes = {} } = event;
  const { datacontenttype, dataschema, ...others } = attributes;
  const made: Record<string, unknown> = {
    specversion: SPEC_VERSION,
    id: event.id,
    source: uriReference(event.source),
    type: event.type,
    time: event.timestamp,
    subject: event.topic,
    datacontenttype: datacontenttype ?? JSON_DATA,
  };
  if (dataschema !== undefined) made.dataschema = dataschema;
  if (event.correlationId !== undefined) made.correlationid = event.correlationId;
  if (event.causationId !== undefined) made.causationid = event.causationId;
  // Text: a sequence can be larger than the 32 bits that a CloudEvents integer has.
  if (event.sequence !== undefined) made.sequence = String(event.sequence);
  addExtensions(made, others);
  return made;
}

function fromContext(
  context: Context,
  data: Data,
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
  const input: Writable<EventInput> & WithPayloadText = {
    topic: topic as string,
    type: type as string,
    payload: data.value,
    id: id as string,
    source: source as string,
  };
  if (data.text !== undefined) input[PAYLOAD_TEXT] = data.text;
  if (time !== undefined && time !== null) input.timestamp = inUtc(time) as string;
  if (correlationid !== undefined) {
    input.correlationId = plainText('correlationid', correlationid, path);
  }
  if (causationid !== undefined) input.causationId = plainText('causationid', causationid, path);
  const attributes = attributesOf(context, path);
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
    attributes[names[name] ?? name] = plainText(name, value, path);
  }
  return attributes;
}

/** The text of an extension. A number that was another one before it was parsed is refused: as text it would stay. */
function plainText(name: string, value: unknown, path: string): string {
  const isExact = typeof value !== 'number' || Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (!isExact) {
    throw fault(path, name, `${name} is a number beyond 2^53, ${value}: give it as text`);
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  throw fault(path, name, `${name} is ${quote(value)}, and not text, a number or a boolean`);
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

/** Node makes a character of each byte of a header; what is UTF-8 is meant as such. */
function rawText(value: string): string {
  try {
    return UTF_8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
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
