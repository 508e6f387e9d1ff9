import type { Event, Filter, Query, SubscribeFrom } from 'millrace/client';
import { attributePair } from '../../text/attribute-pair.js';

/** What the Stream shows, as the address says it. Pure. */
export interface StreamSettings {
  readonly topics: readonly string[];
  readonly types: readonly string[];
  readonly categories: readonly string[];
  readonly sources: readonly string[];
  readonly correlationIds: readonly string[];
  /** `key=value`. */
  readonly attributes: readonly string[];
  /** An expression of the search language. */
  readonly search: string;
  /** Where a live stream begins: `now`, `earliest`, `last:100`, `since:TIME`, `after:CURSOR`. */
  readonly from: string;
  /** What is stored, instead of what happens. */
  readonly isHistory: boolean;
  /** The bounds of a search through history, RFC 3339; `''`: none. Recorded at or after, and before. */
  readonly since: string;
  readonly until: string;
}

/** The parameters of the address that hold lists. */
export const LISTS = {
  topics: 'topic',
  types: 'type',
  categories: 'category',
  sources: 'source',
  correlationIds: 'correlationId',
  attributes: 'attribute',
} as const satisfies Partial<Record<keyof StreamSettings, string>>;

export type ListName = keyof typeof LISTS;

export const FROM_DEFAULT = 'last:100';

/** The largest N of `last:N`: as many rows as the list keeps. */
export const LAST_MAX = 20_000;

/** Stands in the address for a pause before the server has said where the stream began. */
const PAUSED_AT_START = 'start';

export function settingsOf(parameters: URLSearchParams): StreamSettings {
  const list = (name: ListName): readonly string[] => [...new Set(parameters.getAll(LISTS[name]))];
  return {
    topics: list('topics'),
    types: list('types'),
    categories: list('categories'),
    sources: list('sources'),
    correlationIds: list('correlationIds'),
    attributes: list('attributes'),
    search: parameters.get('search') ?? '',
    from: parameters.get('from') ?? FROM_DEFAULT,
    isHistory: parameters.get('in') === 'history',
    since: parameters.get('since') ?? '',
    until: parameters.get('until') ?? '',
  };
}

/** How many filters there are besides the topics. */
export function filterCount(settings: StreamSettings): number {
  const { types, categories, sources, correlationIds, attributes } = settings;
  return [types, categories, sources, correlationIds, attributes].filter(({ length }) => length > 0)
    .length;
}

/** The filter of a subscription. `topics` stand in where the address names none. */
export function filterOf(settings: StreamSettings, topics: readonly string[]): Filter {
  const filter: Filter = { topics: settings.topics.length > 0 ? settings.topics : topics };
  if (settings.types.length > 0) filter.types = settings.types;
  if (settings.categories.length > 0) filter.categories = settings.categories;
  if (settings.sources.length > 0) filter.sources = settings.sources;
  if (settings.correlationIds.length > 0) filter.correlationIds = settings.correlationIds;
  if (settings.attributes.length > 0) filter.attributes = attributesOf(settings.attributes);
  return filter;
}

/** The query of a search through history; categories are left to `inCategories`. */
export function queryOf(settings: StreamSettings, granted: readonly string[]): Query {
  const { topics, categories: _, ...filter } = filterOf(settings, granted);
  const query: Query = { topic: topics, ...filter };
  if (settings.since !== '') query.since = settings.since;
  if (settings.until !== '') query.until = settings.until;
  return query;
}

/**
 * The parameters of a replay of the events that these settings show. `undefined` where it would take others as well: it
 * knows no search, categories and attributes.
 */
export function replayOf(
  settings: StreamSettings,
  readable: readonly string[],
): Readonly<Record<string, string | readonly string[]>> | undefined {
  const { topics, types, sources, correlationIds, isHistory, from, since, until } = settings;
  const { search, categories, attributes } = settings;
  if (search !== '' || categories.length > 0 || attributes.length > 0) return undefined;
  const time = /^since:(.*)/s.exec(from)?.[1] ?? '';
  return {
    mode: 'replay',
    topic: topics.length > 0 ? topics : readable,
    type: types,
    source: sources,
    correlationId: correlationIds,
    since: isHistory ? since : time,
    until: isHistory ? until : '',
  };
}

/** Whether an event is of one of the categories; of any where there are none. */
export function inCategories(categories: readonly string[], { type }: Event): boolean {
  return categories.length === 0 || categories.includes(type.split(/[_.]/, 1)[0]!);
}

/** `undefined` for a text that says no place to begin from. */
export function fromOf(text: string): SubscribeFrom | undefined {
  if (text === 'now' || text === 'earliest') return text;
  const [kind, value = ''] = text.split(/:(.*)/s);
  if (kind === 'last') {
    const last = Number(value);
    return Number.isInteger(last) && last > 0 && last <= LAST_MAX ? { last } : undefined;
  }
  if (kind === 'since') {
    const time = new Date(value);
    return Number.isNaN(time.getTime()) ? undefined : { since: time };
  }
  return kind === 'after' && value !== '' ? { after: value } : undefined;
}

/** The place of a paused stream in the address, whose cursor is `''` before the server has said where it began. */
export function pausedText(cursor: string): string {
  return cursor === '' ? PAUSED_AT_START : cursor;
}

/** `undefined`: the address has no place of a paused stream. */
export function pausedCursor(text: string | null): string | undefined {
  return text === PAUSED_AT_START ? '' : (text ?? undefined);
}

function attributesOf(pairs: readonly string[]): Record<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const [key, value] of pairs.map(attributePair).filter((pair) => pair !== undefined)) {
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return Object.fromEntries(values);
}
