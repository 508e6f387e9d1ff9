import type { Event } from './event.js';
import { payloadTextOf } from './payload-text.js';

/**
 * Converts events to CloudEvents 1.0 in their JSON format; the way back is the HTTP door's. Pure; docs/HTTP.md has the
 * table.
 */

export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
export const CLOUD_EVENT_VERSION = '1.0';
export const CLOUD_EVENT_JSON_DATA = 'application/json';
export const CLOUD_EVENT_NAMES = 'millracenames';
/** Context attributes that become fields of an event, or that only the bus sets. */
export const CLOUD_EVENT_TAKEN = new Set([
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
  'expirytime',
  CLOUD_EVENT_NAMES,
]);

/** Converts an event to a CloudEvent in its JSON format. */
export function cloudEventText(event: Event): string {
  const context = JSON.stringify(contextOf(event));
  return `${context.slice(0, -1)},"data":${payloadTextOf(event)}}`;
}

/** All attributes of the CloudEvent, without its data. */
function contextOf(event: Event): Readonly<Record<string, unknown>> {
  const { attributes = {} } = event;
  const { datacontenttype, dataschema, ...others } = attributes;
  const made: Record<string, unknown> = {
    specversion: CLOUD_EVENT_VERSION,
    id: event.id,
    source: uriReference(event.source),
    type: event.type,
    time: event.timestamp,
    subject: event.topic,
    datacontenttype: datacontenttype ?? CLOUD_EVENT_JSON_DATA,
  };
  if (dataschema !== undefined) made.dataschema = dataschema;
  if (event.correlationId !== undefined) made.correlationid = event.correlationId;
  if (event.causationId !== undefined) made.causationid = event.causationId;
  // The sequence becomes text, because it can exceed the 32 bits of a CloudEvents integer.
  if (event.sequence !== undefined) made.sequence = String(event.sequence);
  if (event.expiresAt !== undefined) made.expirytime = event.expiresAt;
  addExtensions(made, others);
  return made;
}

/**
 * Adds attributes as extensions: `agentId` becomes `agentid`, or `agentid2` where that name is taken. `millracenames`
 * keeps the original keys.
 */
function addExtensions(made: Record<string, unknown>, attributes: Record<string, string>): void {
  const names: Record<string, string> = {};
  for (const [key, value] of Object.entries(attributes)) {
    let extension = key.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    if (extension === '') extension = 'x';
    const isOwn = (name: string): boolean => name === key || !Object.hasOwn(attributes, name);
    const base = extension;
    for (
      let n = 2;
      made[extension] !== undefined || CLOUD_EVENT_TAKEN.has(extension) || !isOwn(extension);
      n++
    ) {
      extension = `${base}${n}`;
    }
    made[extension] = value;
    if (extension !== key) names[extension] = key;
  }
  if (Object.keys(names).length > 0) made[CLOUD_EVENT_NAMES] = JSON.stringify(names);
}

/** Percent-encodes the characters that a URI-reference cannot hold: an event's source may be any text. */
function uriReference(source: string): string {
  return source.replaceAll(/[^\w\-.~:/?#[\]@!$&'()*+,;=%]/gu, encodeURIComponent);
}
