import type { IncomingHttpHeaders } from 'node:http';
import {
  CLOUD_EVENT_JSON_DATA as JSON_DATA,
  CLOUD_EVENT_NAMES as NAMES,
  CLOUD_EVENT_VERSION as SPEC_VERSION,
  CLOUD_EVENT_TAKEN as TAKEN,
} from '../../protocol/cloud-event.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import { PAYLOAD_TEXT, type WithPayloadText } from '../../protocol/payload-text.js';
import { quote } from '../../protocol/quote.js';
import { zonedTimeMs } from '../../protocol/timestamp.js';
import { withPath } from './event-bodies.js';

/**
 * Converts CloudEvents 1.0, in their JSON format and HTTP binding, to events; `protocol/cloud-event.ts` converts events to
 * them. Pure; docs/HTTP.md has the table.
 *
 * Each side has something that the other lacks; it is carried along, so that a round trip loses nothing. The content
 * type and the schema of a CloudEvent's data become attributes of the same names. Attribute keys of an event that
 * cannot name an extension are kept in the extension `millracenames`: JSON, from extension to key.
 */

export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

const NAME = /^[a-z0-9]+$/;
const HEADER_PREFIX = 'ce-';
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

type Context = Readonly<Record<string, unknown>> & WithPayloadText;

/** The payload, and its JSON text where that is known. */
interface Data {
  readonly value: unknown;
  readonly text: string | undefined;
}
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Converts a CloudEvent in its JSON format to an event. `topic` is used where the CloudEvent has no subject.
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

/** Whether the headers of a request carry a CloudEvent, whose data is then the body. */
export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined || headers['ce-type'] !== undefined;
}

/**
 * Converts a CloudEvent in binary mode (headers, and the body as `data`) to an event. `dataType` is the body's
 * `Content-Type`.
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

function fromContext(
  context: Context,
  data: Data,
  path: string,
  fallbackTopic: string | undefined,
): EventInput {
  const { specversion, id, source, type, time, subject, correlationid, causationid } = context;
  const { expirytime } = context;
  if (specversion !== SPEC_VERSION) {
    throw fault(path, 'specversion', `specversion ${quote(specversion)} is not "${SPEC_VERSION}"`);
  }
  for (const field of ['id', 'source', 'type'] as const) {
    if (typeof context[field] === 'string' && context[field] !== '') continue;
    throw fault(path, field, `${field} ${quote(context[field])} is not text, or is empty`);
  }
  const topic = subject ?? fallbackTopic;
  if (topic === undefined) {
    const message = 'the topic is missing: there is neither a subject nor a parameter topic';
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
  if (expirytime !== undefined && expirytime !== null) {
    input.expiresAt = inUtc(expirytime) as string;
  }
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

/** The text of an extension. A number beyond 2^53 is refused: parsing has rounded it, so its text would be wrong. */
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

/** Parses the extension `millracenames`: from the names of extensions to attribute keys. */
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

/**
 * Converts a time of any zone to UTC, as events have it. A text that is not a time is returned as it is; the bus
 * refuses it.
 */
function inUtc(time: unknown): unknown {
  if (typeof time !== 'string' || time.endsWith('Z')) return time;
  const ms = zonedTimeMs(time.toUpperCase());
  return Number.isNaN(ms) ? time : new Date(ms).toISOString();
}

/** Node decodes headers as ISO-8859-1; a value whose bytes are valid UTF-8 is decoded as that instead. */
function rawText(value: string): string {
  try {
    return UTF_8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/** Decodes percent-encoded UTF-8 (HTTP binding, 3.1.3.2). Earlier versions of the binding quoted values. */
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
