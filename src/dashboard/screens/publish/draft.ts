import type { Event, EventInput, PublishOptions } from 'millrace/client';
import { attributePair, attributeText } from '../../text/attribute-pair.js';

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

/** @throws SyntaxError if the payload is no JSON */
export function inputOf(draft: Draft): EventInput {
  const { topic, type, source, correlationId, causationId, attributes, id } = draft;
  const input: EventInput = {
    topic: topic.trim(),
    type: type.trim(),
    payload: JSON.parse(draft.payload),
  };
  if (source !== '') input.source = source;
  if (correlationId !== '') input.correlationId = correlationId;
  if (causationId !== '') input.causationId = causationId;
  const pairs = attributes.map(attributePair).filter((pair) => pair !== undefined);
  if (pairs.length > 0) input.attributes = Object.fromEntries(pairs);
  if (id !== '') input.id = id;
  return input;
}

/** An ephemeral event is not stored, so nothing says how durable it is. */
export function optionsOf({ durability, persist }: Draft): PublishOptions {
  return persist ? { durability, persist } : { persist };
}
