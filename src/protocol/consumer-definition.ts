import type { ConsumerDefinition, ConsumerOptions, ConsumerOrder } from './consumers.js';
import { BusError } from './errors.js';
import { attributeKeyFault, textFault } from './event-fields.js';
import { type ParsedFilter, parseFilter } from './filter.js';
import {
  ATTEMPTS,
  ATTEMPTS_MAX,
  BACKOFF_MS_MAX,
  BACKOFF_STEPS_MAX,
  CONSUMER_AHEAD,
  CONSUMER_AHEAD_MAX,
  CONSUMER_IN_FLIGHT,
  CONSUMER_IN_FLIGHT_MAX,
  CONSUMER_NAME_BYTES_MAX,
  CONSUMER_NAME_SEGMENTS_MAX,
  LEASE_MS,
  LEASE_MS_MAX,
  LEASE_MS_MIN,
  PRIORITIES_MAX,
  RETENTION_CONSUMERS_MAX,
} from './limits/consumers.js';
import {
  assertOptions,
  consumerFromFault,
  type OptionCheck,
  type OptionChecks,
  type OptionFault,
  oneOf,
  optionInvalid,
  optionsInvalid,
  trueOrFalse,
  wholeNumber,
} from './options.js';
import { patternsOverlap } from './patterns-overlap.js';
import { quote } from './quote.js';
import type { SubscribeFrom } from './subscribe-from.js';
import { matchesPattern, patternFault, publishTopicFault } from './topic.js';

/**
 * Checks the options of a consumer, completes them with the defaults, and compares definitions. For the bus, its
 * clients, the doors and the file that keeps definitions; any thread, and browsers.
 */

const CALL = 'consumer';
const ATTRIBUTE = 'attributes.';
const ORDERS = ['none', 'topic', 'source', 'correlationId'] as const;
/** Frozen, as every definition without waits of its own shares it. */
const BACKOFF_MS: readonly number[] = Object.freeze([1000, 10_000, 60_000]);

const waitMs = wholeNumber(0, BACKOFF_MS_MAX);

const orderFault: OptionCheck = (value) => {
  if (typeof value !== 'string' || !value.startsWith(ATTRIBUTE)) {
    return oneOf([...ORDERS, `${ATTRIBUTE}NAME`])(value);
  }
  return attributeKeyFault(value.slice(ATTRIBUTE.length));
};

const DEFINITION_CHECKS: readonly [string, OptionCheck][] = [
  ['order', orderFault],
  ['priority', listOf('patterns', 0, PRIORITIES_MAX, patternFault)],
  ['leaseMs', wholeNumber(LEASE_MS_MIN, LEASE_MS_MAX)],
  ['maxAttempts', wholeNumber(1, ATTEMPTS_MAX)],
  ['backoffMs', listOf('waits', 1, BACKOFF_STEPS_MAX, waitMs)],
  ['maxInFlight', wholeNumber(1, CONSUMER_IN_FLIGHT_MAX)],
  ['maxAhead', wholeNumber(1, CONSUMER_AHEAD_MAX)],
  ['deadLetter', publishTopicFault],
  ['ackDurability', oneOf(['synced', 'written'])],
];

/** The filter has an error code of its own, as in `subscribe`. */
const FILTER: [string, OptionCheck] = ['filter', () => undefined];

const STORED: OptionChecks = new Map([FILTER, ...DEFINITION_CHECKS]);
const GIVEN: OptionChecks = new Map([
  FILTER,
  ...DEFINITION_CHECKS,
  ['from', consumerFromFault],
  ['update', trueOrFalse],
]);

export interface ParsedConsumerOptions {
  readonly definition: ConsumerDefinition;
  readonly from: SubscribeFrom;
  readonly isUpdate: boolean;
}

/**
 * Checks what a call gives. Whether a cursor in `from` is valid, and whether the filter's topics are stored at all, is
 * for the caller to find out.
 *
 * @throws BusError `OPTION_INVALID` with every fault in `details.faults`; `FILTER_INVALID`, `PATTERN_INVALID`
 */
export function parseConsumerOptions(options: unknown): ParsedConsumerOptions {
  assertOptions<ConsumerOptions>(CALL, options, GIVEN);
  const { from = 'now', update = false } = options;
  return Object.freeze({ definition: definitionOf(options), from, isUpdate: update });
}

/** @throws as `parseConsumerOptions` */
export function assertConsumerOptions(options: unknown): asserts options is ConsumerOptions {
  parseConsumerOptions(options);
}

/** Checks a definition that was stored or sent; it has neither `from` nor `update`. @throws as `parseConsumerOptions` */
export function parseDefinition(input: unknown): ConsumerDefinition {
  assertOptions<ConsumerDefinition>(CALL, input, STORED);
  return definitionOf(input);
}

/** A name is a topic of its own kind: segments, which grants may name with wildcards. @throws BusError `OPTION_INVALID` */
export function assertConsumerName(name: unknown): asserts name is string {
  const fault = consumerNameFault(name);
  if (fault !== undefined) throw optionInvalid(CALL, 'name', fault);
}

/** Says why the value is no consumer's name. */
export function consumerNameFault(name: unknown): string | undefined {
  return (
    publishTopicFault(name)?.replace(/^topic/, 'the name') ??
    textFault('the name', name, 1, CONSUMER_NAME_BYTES_MAX) ??
    segmentsFault(String(name))
  );
}

/** Says why the value is no list of consumers' names, for a rule of retention. */
export const consumerNamesFault: OptionCheck = (value) =>
  listOf('names of consumers', 1, RETENTION_CONSUMERS_MAX, consumerNameFault)(value);

function segmentsFault(name: string): string | undefined {
  const { length } = name.split('.');
  if (length <= CONSUMER_NAME_SEGMENTS_MAX) return undefined;
  return `the name has ${length} segments; ${CONSUMER_NAME_SEGMENTS_MAX} is the limit`;
}

/** The fields in which definitions differ; the order of patterns and values in a filter makes no difference. */
export function definitionDifferences(
  one: ConsumerDefinition,
  other: ConsumerDefinition,
): (keyof ConsumerDefinition)[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  const differing = [...names].filter((name) => {
    const [a, b] = [Reflect.get(one, name), Reflect.get(other, name)];
    return name === 'filter' ? filterText(a) !== filterText(b) : !isSame(a, b);
  });
  return (differing as (keyof ConsumerDefinition)[]).sort();
}

/** Whether a change of these fields has to wait until the consumer has no open event. */
export function needsNothingOpen(differences: readonly (keyof ConsumerDefinition)[]): boolean {
  return differences.includes('order') || differences.includes('priority');
}

/** @throws BusError `CONSUMER_EXISTS` with the differing fields in `details.fields`, if there are any */
export function assertSameDefinition(
  name: string,
  existing: ConsumerDefinition,
  given: ConsumerDefinition,
): void {
  const fields = definitionDifferences(existing, given);
  if (fields.length === 0) return;
  const message = `consumer ${quote(name)} exists with another ${fields.join(', ')}`;
  throw new BusError('CONSUMER_EXISTS', `${message}; update: true would change it`, {
    details: { consumer: name, fields },
  });
}

/** The name of the attribute that is the key, if one is. */
export function keyAttribute(order: ConsumerOrder): string | undefined {
  return order.startsWith(ATTRIBUTE) ? order.slice(ATTRIBUTE.length) : undefined;
}

function definitionOf(input: ConsumerOptions): ConsumerDefinition {
  const filter = parseFilter(input.filter);
  const { order = 'none', priority = [], backoffMs = BACKOFF_MS, deadLetter } = input;
  refuse(contradictions(filter, order, priority, deadLetter));
  return Object.freeze({
    filter,
    order,
    priority: Object.freeze([...priority]),
    leaseMs: input.leaseMs ?? LEASE_MS,
    maxAttempts: input.maxAttempts ?? ATTEMPTS,
    backoffMs: Object.freeze([...backoffMs]),
    maxInFlight: input.maxInFlight ?? CONSUMER_IN_FLIGHT,
    maxAhead: input.maxAhead ?? CONSUMER_AHEAD,
    ...(deadLetter === undefined ? {} : { deadLetter }),
    ackDurability: input.ackDurability ?? 'synced',
  });
}

function contradictions(
  filter: ParsedFilter,
  order: ConsumerOrder,
  priority: readonly string[],
  deadLetter: string | undefined,
): OptionFault[] {
  const faults: OptionFault[] = [];
  if (priority.length > 0 && order !== 'none') {
    faults.push({ path: 'priority', message: `needs order none, not ${order}` });
  }
  for (const [at, pattern] of priority.entries()) {
    if (filter.topics.some((topic) => patternsOverlap(pattern, topic))) continue;
    const message = `${quote(pattern)} matches no topic of the filter`;
    faults.push({ path: `priority[${at}]`, message });
  }
  const read = filter.topics.find(
    (pattern) => deadLetter !== undefined && matchesPattern(pattern, deadLetter),
  );
  if (read !== undefined) {
    const message = `${quote(deadLetter)} is matched by ${quote(read)} of the filter: the consumer would get its own dead letters`;
    faults.push({ path: 'deadLetter', message });
  }
  return faults;
}

function refuse(faults: readonly OptionFault[]): void {
  if (faults.length > 0) throw optionsInvalid(CALL, faults);
}

/** The first fault of a list. */
function listOf(noun: string, least: number, greatest: number, faultOf: OptionCheck): OptionCheck {
  return (value) => {
    if (!Array.isArray(value)) return `has to be an array of ${noun}, not ${quote(value)}`;
    if (value.length < least || value.length > greatest) {
      return `has to have ${least} to ${greatest} ${noun}, not ${value.length}`;
    }
    for (const [at, item] of value.entries()) {
      const fault = faultOf(item);
      if (fault !== undefined) return `[${at}]: ${fault}`;
    }
    return undefined;
  };
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A text that two filters share if they match the same by their fields. */
function filterText(filter: ParsedFilter): string {
  const attributes = Object.entries(filter.attributes ?? {}).map(([key, values]) => [
    key,
    [...values].sort(),
  ]);
  const { topics, types, categories, sources, correlationIds } = filter;
  const lists = [topics, types, categories, sources, correlationIds].map(
    (list) => list && [...list].sort(),
  );
  return JSON.stringify([lists, attributes.sort()]);
}
