import { type Event, type EventInput, type PublishOptions, withPayloadText } from 'millrace/client';
import { attributeFault, attributePair, attributeText } from '../../text/attribute-pair.js';

/** An event as the form holds it: texts, as they were typed. Pure. */
export interface Draft {
  readonly topic: string;
  readonly type: string;
  /** JSON. */
  readonly payload: string;
  readonly source: string;
  readonly correlationId: string;
  readonly causationId: string;
  /** `key=value`. */
  readonly attributes: readonly string[];
  readonly id: string;
  readonly durability: 'synced' | 'written';
  readonly persist: boolean;
}

export const EMPTY_DRAFT: Draft = {
  topic: '',
  type: '',
  payload: '{}',
  source: '',
  correlationId: '',
  causationId: '',
  attributes: [],
  id: '',
  durability: 'synced',
  persist: true,
};

/** Publishes the event anew: without its id and its time. */
export function draftOf(event: Event, payload: string): Draft {
  const { topic, type, source, correlationId = '', causationId = '', attributes = {} } = event;
  return {
    ...EMPTY_DRAFT,
    topic,
    type,
    payload,
    source,
    correlationId,
    causationId,
    attributes: Object.entries(attributes).map((pair) => attributeText(...pair)),
    persist: event.sequence !== undefined,
  };
}

/** The event to publish, with the payload as it is typed. @throws BusError `PAYLOAD_INVALID` if it is no JSON */
export function inputOf(draft: Draft): EventInput {
  const { topic, type, source, correlationId, causationId, attributes, id } = draft;
  const input: Omit<EventInput, 'payload'> = { topic: topic.trim(), type: type.trim() };
  if (source !== '') input.source = source;
  if (correlationId !== '') input.correlationId = correlationId;
  if (causationId !== '') input.causationId = causationId;
  const pairs = attributes.map(attributePair).filter((pair) => pair !== undefined);
  if (pairs.length > 0) input.attributes = Object.fromEntries(pairs);
  if (id !== '') input.id = id;
  return withPayloadText(input, draft.payload);
}

/** Why the attributes cannot be those of an event; `undefined` if they can. */
export function attributesFault({ attributes }: Draft): string | undefined {
  const keys = new Set<string>();
  for (const text of attributes) {
    const [key = ''] = attributePair(text) ?? [];
    if (key === '') return attributeFault(text);
    if (keys.has(key)) return `The attribute ${key} is given twice.`;
    keys.add(key);
  }
  return undefined;
}

/** An ephemeral event is not stored, so nothing says how durable it is. */
export function optionsOf({ durability, persist }: Draft): PublishOptions {
  return persist ? { durability, persist } : { persist };
}
