import { isTopicDefinition, type TopicDefinition } from './define-topic.js';
import { BusError } from './errors.js';
import { categoryOf } from './event.js';
import {
  attributeKeyFault,
  attributeValueFault,
  categoryFault,
  containerName,
  nameFault,
  typeFault,
} from './event-fields.js';
import { ATTRIBUTES_MAX, FILTER_VALUES_MAX, PATTERNS_PER_FILTER_MAX } from './limits/events.js';
import { nameHint } from './name-hint.js';
import { quote } from './quote.js';
import { patternFault } from './topic.js';

/**
 * Filters of subscriptions and queries. A user's filter is parsed once into a checked, frozen one. A predicate tests
 * all of it except the topics, which are matched by the trie of patterns.
 */

/** Between fields `and`, within one field `or`. */
export interface Filter {
  /** Patterns, of which one has to match: `+` is one segment, `*` at the end one or more. */
  topics: readonly string[];
  /** One of these event types. Default: any. */
  types?: readonly string[];
  /**
   * One of these categories, what stands before a type's first `_` or `.`: `agent` of `agent_log` and `agent.log`.
   * Default: any.
   */
  categories?: readonly string[];
  /** One of these sources. Default: any. */
  sources?: readonly string[];
  /** One of these correlation ids. Default: any. */
  correlationIds?: readonly string[];
  /** For each key, one of the values. Default: any. */
  attributes?: Readonly<Record<string, readonly string[]>>;
}

/** A pattern, patterns or a whole filter: the forms that a frame can hold. */
export type FilterData = string | readonly string[] | Filter;

/** A filter for the topics of a definition, which types the payloads of its events. */
export interface TypedFilter<P = unknown> extends Omit<Filter, 'topics'> {
  topics: TopicDefinition<P>;
}

/** A pattern, patterns, a whole filter, or a definition, alone or in place of a filter's topics. */
export type FilterInput<P = unknown> = FilterData | TypedFilter<P> | TopicDefinition<P>;

/** A checked filter: frozen, without repeated values, every list with at least one. Safe to clone or send as JSON. */
export type ParsedFilter = Readonly<Filter>;

/** The fields of an event that a predicate may read; each is read only if the filter names it. */
export interface EventFields {
  readonly type: string;
  readonly source: string;
  readonly correlationId?: string | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
}

export type EventPredicate = (fields: EventFields) => boolean;

/** Ready-made filters over every topic. */
export const EventFilter = {
  all: (): Filter => ({ topics: ['*'] }),
  forAgent: (id: string): Filter => withAttribute('agentId', id),
  forTask: (id: string): Filter => withAttribute('taskId', id),
  forWorkflow: (id: string): Filter => withAttribute('workflowId', id),
  forCategories: (...categories: string[]): Filter => ({ topics: ['*'], categories }),
} as const;

/** The first fault of a value at a path of the filter, or `undefined`. */
type ValueFault = (path: string, value: unknown) => string | undefined;

const LIST_FIELDS = {
  types: (path, value) => prefixed(path, typeFault(value)),
  categories: (path, value) => prefixed(path, categoryFault(value)),
  sources: nameFault,
  correlationIds: nameFault,
} as const satisfies Record<string, ValueFault>;

type ListField = keyof typeof LIST_FIELDS;

/**
 * Checks a filter and makes it canonical. An empty list is refused, as it would match nothing.
 * @throws BusError `FILTER_INVALID`, or `PATTERN_INVALID` for a malformed pattern; `details.path`
 *   says where
 */
export function parseFilter(input: unknown): ParsedFilter {
  if (typeof input === 'string' || isArray(input) || isTopicDefinition(input)) {
    return Object.freeze({ topics: parsePatterns('filter', patternList(input)) });
  }
  if (!isObject(input)) {
    throw invalid('filter', `filter ${quote(input)} is not a pattern, patterns or a filter`);
  }
  if (input.topics === undefined) {
    throw invalid('topics', 'the filter has no topics; "*" is every topic');
  }
  const topics = isTopicDefinition(input.topics) ? patternList(input.topics) : input.topics;
  if (!isArray(topics)) throw invalid('topics', `topics ${quote(topics)} is not an array`);
  const filter: Filter = { topics: parsePatterns('topics', topics) };
  for (const field of Object.keys(input)) {
    const value = input[field];
    if (field === 'topics' || value === undefined) continue;
    if (isListField(field)) filter[field] = parseList(field, value, LIST_FIELDS[field]);
    else if (field === 'attributes') filter.attributes = parseAttributes(value);
    else throw invalid(field, unknownField(field));
  }
  return Object.freeze(filter);
}

function unknownField(field: string): string {
  const hint = nameHint(field, ['topics', ...Object.keys(LIST_FIELDS), 'attributes']);
  return `the filter has an unknown field ${quote(field)}${hint}`;
}

/** The patterns of a filter's or a query's topics, as given. */
export function patternList<T>(
  topics: string | readonly T[] | TopicDefinition,
): readonly (T | string)[] {
  if (typeof topics === 'string') return [topics];
  return isTopicDefinition(topics) ? [topics.pattern] : topics;
}

/**
 * The predicate for the fields of an event other than its topic, or `undefined` if the filter has only topics. It reads
 * the cheap fields first, and last the attributes, which may have to be parsed.
 */
export function compilePredicate(filter: ParsedFilter): EventPredicate | undefined {
  const tests: EventPredicate[] = [];
  const { types, categories, sources, correlationIds, attributes } = filter;
  if (types !== undefined) {
    const wanted = new Set(types);
    tests.push((fields) => wanted.has(fields.type));
  }
  if (categories !== undefined) {
    const wanted = new Set(categories);
    tests.push((fields) => wanted.has(categoryOf(fields.type)));
  }
  if (sources !== undefined) {
    const wanted = new Set(sources);
    tests.push((fields) => wanted.has(fields.source));
  }
  if (correlationIds !== undefined) {
    const wanted: Set<string | undefined> = new Set(correlationIds);
    tests.push((fields) => wanted.has(fields.correlationId));
  }
  if (attributes !== undefined) tests.push(attributesPredicate(attributes));
  return allOf(tests);
}

function attributesPredicate(wanted: Readonly<Record<string, readonly string[]>>): EventPredicate {
  const keys = Object.keys(wanted);
  const sets = keys.map((key): Set<string | undefined> => new Set(wanted[key]));
  return (fields) => {
    const { attributes } = fields;
    if (attributes === undefined) return false;
    for (let i = 0; i < keys.length; i++) {
      if (!sets[i]!.has(attributes[keys[i]!])) return false;
    }
    return true;
  };
}

function allOf(tests: readonly EventPredicate[]): EventPredicate | undefined {
  if (tests.length < 2) return tests[0];
  return (fields) => {
    for (let i = 0; i < tests.length; i++) {
      if (!tests[i]!(fields)) return false;
    }
    return true;
  };
}

function parsePatterns(path: string, values: readonly unknown[]): readonly string[] {
  checkCount(path, values.length, PATTERNS_PER_FILTER_MAX, 'patterns');
  const patterns = new Set<string>();
  for (let i = 0; i < values.length; i++) {
    const fault = patternFault(values[i]);
    if (fault !== undefined) {
      const at = `${path}[${i}]`;
      throw new BusError('PATTERN_INVALID', fault, { details: { path: at } });
    }
    patterns.add(values[i] as string);
  }
  return Object.freeze([...patterns]);
}

function parseList(path: string, value: unknown, faultOf: ValueFault): readonly string[] {
  if (!isArray(value)) throw invalid(path, `${path} ${quote(value)} is not an array of strings`);
  checkCount(path, value.length, FILTER_VALUES_MAX, 'values');
  const values = new Set<string>();
  for (let i = 0; i < value.length; i++) {
    const at = `${path}[${i}]`;
    const fault = faultOf(at, value[i]);
    if (fault !== undefined) throw invalid(at, fault);
    values.add(value[i] as string);
  }
  return Object.freeze([...values]);
}

function parseAttributes(value: unknown): Readonly<Record<string, readonly string[]>> {
  if (!isObject(value) || isArray(value)) {
    throw invalid('attributes', `attributes ${quote(value)} is not an object of arrays of strings`);
  }
  const keys = Object.keys(value);
  const container = containerName(value);
  if (container !== undefined) {
    throw invalid(
      'attributes',
      `attributes are a ${container}, not an object of arrays of strings`,
    );
  }
  checkCount('attributes', keys.length, ATTRIBUTES_MAX, 'keys');
  const attributes: Record<string, readonly string[]> = {};
  for (const key of keys) {
    const path = `attributes[${quote(key)}]`;
    const fault = attributeKeyFault(key);
    if (fault !== undefined) throw invalid(path, fault);
    attributes[key] = parseList(path, value[key], attributeValueFault);
  }
  return Object.freeze(attributes);
}

function checkCount(path: string, count: number, limit: number, noun: string): void {
  if (count === 0) throw invalid(path, `${path} is empty, and would match nothing`);
  if (count > limit) throw invalid(path, `${path} has ${count} ${noun}; ${limit} is the limit`);
}

function withAttribute(key: string, value: string): Filter {
  return { topics: ['*'], attributes: { [key]: [value] } };
}

function prefixed(path: string, fault: string | undefined): string | undefined {
  return fault === undefined ? undefined : `${path}: ${fault}`;
}

function isListField(field: string): field is ListField {
  return Object.hasOwn(LIST_FIELDS, field);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** `Array.isArray` would narrow `unknown` to `any[]`. */
function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function invalid(path: string, message: string): BusError {
  return new BusError('FILTER_INVALID', message, { details: { path } });
}
