import type { Filter } from '../../protocol/filter.js';
import { quote } from '../../protocol/quote.js';
import { invalid, type Parameters } from './parameters.js';

/** The filter parameters that queries and streams share, besides `topic`; each may be repeated. */
export const ATTRIBUTE_PARAMETERS = ['type', 'source', 'correlationId', 'attribute'] as const;

/** The values of `topic`. @throws BusError `QUERY_INVALID` where there is none */
export function patternsOf(parameters: Parameters): readonly string[] {
  const patterns = parameters.all('topic');
  if (patterns !== undefined) return patterns;
  throw invalid('topic', 'parameter topic is missing; topic=* is every topic');
}

/** `attribute=agentId=7`: the first `=` ends the key. @throws BusError `QUERY_INVALID` */
export function attributesOf(parameters: Parameters): Record<string, string[]> | undefined {
  const pairs = parameters.all('attribute');
  if (pairs === undefined) return undefined;
  // In an object without a prototype, `__proto__` is an ordinary key, which the bus then refuses.
  const attributes = Object.create(null) as Record<string, string[]>;
  for (const pair of pairs) {
    const end = pair.indexOf('=');
    if (end < 0) throw invalid('attribute', `attribute ${quote(pair)} is not key=value`);
    const values = (attributes[pair.slice(0, end)] ??= []);
    values.push(pair.slice(end + 1));
  }
  return attributes;
}

/** The filter of a stream. @throws BusError `QUERY_INVALID` */
export function filterOf(parameters: Parameters): Filter {
  const filter: Filter = { topics: patternsOf(parameters) };
  const types = parameters.all('type');
  const categories = parameters.all('category');
  const sources = parameters.all('source');
  const correlationIds = parameters.all('correlationId');
  const attributes = attributesOf(parameters);
  if (types !== undefined) filter.types = types;
  if (categories !== undefined) filter.categories = categories;
  if (sources !== undefined) filter.sources = sources;
  if (correlationIds !== undefined) filter.correlationIds = correlationIds;
  if (attributes !== undefined) filter.attributes = attributes;
  return filter;
}
