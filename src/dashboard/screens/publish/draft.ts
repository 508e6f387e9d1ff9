import type { Event, EventInput, PublishOptions } from 'millrace/client';

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
    attributes: Object.entries(attributes).map(([key, value]) => `${key}=${value}`),
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
  if (attributes.length > 0) input.attributes = Object.fromEntries(attributes.map(pairOf));
  if (id !== '') input.id = id;
  return input;
}

/** An ephemeral event is not stored, so nothing says how durable it is. */
export function optionsOf({ durability, persist }: Draft): PublishOptions {
  return persist ? { durability, persist } : { persist };
}

/** Why a text is no attribute; `undefined` if it is one. */
export function attributeFault(text: string): string | undefined {
  return text.indexOf('=') > 0 ? undefined : `"${text}" is not of the form key=value`;
}

function pairOf(text: string): [string, string] {
  const end = text.indexOf('=');
  return [text.slice(0, end), text.slice(end + 1)];
}
