import { BusError } from './errors.js';
import type { EventInput } from './event.js';
import {
  attributeKeyFault,
  attributeValueFault,
  containerName,
  idFault,
  nameFault,
  typeFault,
} from './event-fields.js';
import { ATTRIBUTES_MAX } from './limits/events.js';
import { nameHint } from './name-hint.js';
import { quote } from './quote.js';
import { timestampFault } from './timestamp.js';
import { publishTopicFault } from './topic.js';

/**
 * Checks events to be published, except their payloads (see `payload.ts`). This runs on every publish, so a valid event
 * costs no allocation. Measured: 0.09 µs with topic, type and source, 0.14 µs with attributes, 0.25 µs with an id and a
 * timestamp.
 */

type EventField = keyof EventInput;

const FIELDS: readonly EventField[] = [
  'topic',
  'type',
  'payload',
  'source',
  'correlationId',
  'causationId',
  'attributes',
  'id',
  'timestamp',
  'expiresAt',
];

/**
 * A field that is `undefined` counts as left out.
 * @throws BusError `TOPIC_INVALID`, or `EVENT_INVALID` with the field in `details.field`
 */
export function checkEventInput(input: unknown): asserts input is EventInput {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new BusError('EVENT_INVALID', shapeFault(input));
  }
  const event = input as Record<EventField, unknown>;
  checkFieldNames(event);
  const { topic, type, source, correlationId, causationId, attributes, id, timestamp } = event;
  const { expiresAt } = event;
  const topicFault = publishTopicFault(topic);
  if (topicFault !== undefined) {
    throw new BusError('TOPIC_INVALID', topicFault, { details: { topic: quote(topic) } });
  }
  if (type === undefined)
    throw invalid('type', 'type is undefined; an event has one, such as "order_created"');
  checked('type', typeFault(type));
  if (source !== undefined) checked('source', nameFault('source', source));
  if (correlationId !== undefined) {
    checked('correlationId', nameFault('correlationId', correlationId));
  }
  if (causationId !== undefined) checked('causationId', idFault('causationId', causationId));
  if (attributes !== undefined) checkAttributes(attributes);
  if (id !== undefined) checked('id', idFault('id', id));
  if (timestamp !== undefined) checked('timestamp', timestampFault(timestamp));
  if (expiresAt !== undefined) checked('expiresAt', timestampFault(expiresAt, 'expiresAt'));
}

function shapeFault(input: unknown): string {
  const several = Array.isArray(input) ? '; publishMany takes several' : '';
  return `an event is an object { topic, type, payload }, not ${quote(input)}${several}`;
}

function checkFieldNames(event: object): void {
  for (const field in event) {
    switch (field) {
      case 'topic':
      case 'type':
      case 'payload':
      case 'source':
      case 'correlationId':
      case 'causationId':
      case 'attributes':
      case 'id':
      case 'timestamp':
      case 'expiresAt':
        continue;
      default:
        throw invalid(
          field,
          `the event has an unknown field ${quote(field)}${nameHint(field, FIELDS)}`,
        );
    }
  }
}

function checkAttributes(attributes: unknown): void {
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) {
    throw invalid('attributes', `attributes ${quote(attributes)} is not an object of strings`);
  }
  let count = 0;
  for (const key in attributes) {
    if (++count > ATTRIBUTES_MAX) {
      throw invalid('attributes', `there are more than ${ATTRIBUTES_MAX} attributes`);
    }
    const keyFault = attributeKeyFault(key);
    if (keyFault !== undefined) throw invalid('attributes', keyFault);
    const value = (attributes as Record<string, unknown>)[key];
    const fault = attributeValueFault('attribute', value);
    if (fault !== undefined) throw invalid('attributes', `${fault} (key ${quote(key)})`);
  }
  // Checked last, and only if there are no keys, so that valid attributes do not pay for it.
  const container = count === 0 ? containerName(attributes) : undefined;
  if (container !== undefined) {
    throw invalid('attributes', `attributes are a ${container}, not an object of strings`);
  }
}

function checked(field: EventField, fault: string | undefined): void {
  if (fault !== undefined) throw invalid(field, fault);
}

function invalid(field: string, message: string): BusError {
  return new BusError('EVENT_INVALID', message, { details: { field } });
}
