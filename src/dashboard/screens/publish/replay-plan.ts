import {
  type Event,
  type EventInput,
  type GetOptions,
  matchesPattern,
  payloadText,
  type Query,
  withPayloadText,
} from 'millrace/client';
import { BATCH_LENGTH_MAX, BATCH_MAX, BATCH_MS, RATE_MAX } from './bounds.js';

/** What a replay publishes, and how fast. Pure. */
export interface ReplaySettings {
  readonly patterns: readonly string[];
  readonly types: readonly string[];
  readonly sources: readonly string[];
  readonly correlationIds: readonly string[];
  /** RFC 3339, or `''`. */
  readonly since: string;
  readonly until: string;
  /** Only the event with this id, for which patterns and sources count alone; `''`: all that match. */
  readonly id: string;
  readonly target: string;
}

/** Of a copy: the id of the event that it repeats. */
export const REPLAYED_FROM = 'replayedFrom';

const ATTRIBUTES_MAX = 16;

export function replaySettingsOf(parameters: URLSearchParams): ReplaySettings {
  const list = (name: string): readonly string[] => [...new Set(parameters.getAll(name))];
  return {
    patterns: list('topic'),
    types: list('type'),
    sources: list('source'),
    correlationIds: list('correlationId'),
    since: parameters.get('since') ?? '',
    until: parameters.get('until') ?? '',
    id: parameters.get('id') ?? '',
    target: parameters.get('to') ?? '',
  };
}

export function queryOf(settings: ReplaySettings): Query {
  const { patterns, types, sources, correlationIds, since, until } = settings;
  const query: Query = { topic: patterns };
  if (types.length > 0) query.types = types;
  if (sources.length > 0) query.sources = sources;
  if (correlationIds.length > 0) query.correlationIds = correlationIds;
  if (since !== '') query.since = since;
  if (until !== '') query.until = until;
  return query;
}

/** Where to look for the one event with an id: each source may have ids of its own. */
export function sourcesOf({ sources }: ReplaySettings): readonly GetOptions[] {
  return sources.length === 0 ? [{}] : sources.map((source) => ({ source }));
}

/** What is replayed to where, for a person. */
export function sentenceOf({ id, patterns, target }: ReplaySettings): string {
  const what = id === '' ? 'events' : `the event ${id}`;
  return `${what} of ${patterns.join(', ')} to ${target}`;
}

/** Whether the copies are on topics from which the replay reads: another replay would repeat them too. */
export function isLoop({ patterns, target }: ReplaySettings): boolean {
  return target !== '' && patterns.some((pattern) => matchesPattern(pattern, target));
}

/**
 * The copy of an event, with the text of its payload. Its id is new, and the same if this event of the replay is
 * published again, so that the bus stores it once. Its time is that of the replay. An event that has all the attributes
 * it may have gets no mark.
 */
export function copyOf(event: Event, target: string, replayId: string): EventInput {
  const { type, source, correlationId, causationId, attributes = {}, shard, sequence } = event;
  const id = `${replayId}-${shard}-${sequence}`;
  const copy: Omit<EventInput, 'payload'> = { topic: target, type, source, id };
  if (correlationId !== undefined) copy.correlationId = correlationId;
  if (causationId !== undefined) copy.causationId = causationId;
  const hasRoom = REPLAYED_FROM in attributes || Object.keys(attributes).length < ATTRIBUTES_MAX;
  copy.attributes = hasRoom ? { ...attributes, [REPLAYED_FROM]: event.id } : attributes;
  return withPayloadText(copy, payloadText(event));
}

/** The rate that a text says; `undefined` if it says none that a replay takes. */
export function rateOf(text: string): number | undefined {
  const rate = Number(text);
  return Number.isInteger(rate) && rate >= 1 && rate <= RATE_MAX ? rate : undefined;
}

/** How many events one publish takes at a rate per second, so that it covers about a tenth of a second. */
export function batchSizeOf(rate: number): number {
  return Math.max(1, Math.min(BATCH_MAX, Math.floor((rate * BATCH_MS) / 1000)));
}

/** How long to wait before the next event, so that no more than `rate` a second have gone since the start. */
export function waitMs(sinceStartMs: number, published: number, rate: number): number {
  return Math.max(0, (published * 1000) / rate - sinceStartMs);
}

/** Whether a batch takes one more event. */
export function hasRoom(batch: { count: number; length: number }, size: number, next: number) {
  return batch.count === 0 || (batch.count < size && batch.length + next <= BATCH_LENGTH_MAX);
}
