import { isDeepStrictEqual } from 'node:util';
import { attempt, hold, shown } from '../hold.js';
import { mutateJson } from '../values.js';
import { isMatch } from './patterns.js';

/** Filters: parsed, and then judged by a plain evaluator. A case has a `filter` and an `event`. */

const CODES = ['FILTER_INVALID', 'PATTERN_INVALID'];
const PATTERNS = ['*', 'a', 'a.*', 'a.+', '+.b', '*.b', '$sys.*', 'é.*'];
const TOPICS = ['a', 'a.b', 'a.b.c', 'b', '$sys.health', 'é.b'];
const TYPES = ['a', 'a_b', 'a.b', 'b_a', 'order.created_late', '_', 'é_b'];
const CATEGORIES = ['a', 'b', 'order', 'é', 'constructor'];
const NAMES = ['x', 'y', 'x y', 'é', '😀', '__proto__'];
const KEYS = ['agentId', 'k', 'constructor', 'toString', '0', 'é'];

export async function open(load) {
  const filter = await load('protocol/filter.js');
  const { shardsOf } = await load('protocol/filter-shards.js');
  const { shardOf } = await load('protocol/topic-hash.js');
  const { parseClientFrame } = await load('protocol/wire.js');
  return { make, check: (one) => check(one, { ...filter, shardsOf, shardOf, parseClientFrame }) };
}

function some(random, list) {
  return Array.from({ length: 1 + random.below(3) }, () => random.pick(list));
}

function someFilter(random) {
  const filter = { topics: some(random, PATTERNS) };
  if (random.chance(0.4)) filter.types = some(random, TYPES);
  if (random.chance(0.3)) filter.categories = some(random, CATEGORIES);
  if (random.chance(0.3)) filter.sources = some(random, NAMES);
  if (random.chance(0.3)) filter.correlationIds = some(random, NAMES);
  if (random.chance(0.4)) filter.attributes = { [random.pick(KEYS)]: some(random, NAMES) };
  if (filter.attributes !== undefined && random.chance(0.3)) filter.attributes.k = ['', 'x'];
  return filter;
}

function make(random, pool) {
  const event = {
    topic: random.pick(TOPICS),
    type: random.pick(TYPES),
    source: random.pick(NAMES),
  };
  if (random.chance(0.5)) event.correlationId = random.pick(NAMES);
  if (random.chance(0.7)) event.attributes = { [random.pick(KEYS)]: random.pick(NAMES) };
  const filter = random.chance(0.15) ? random.pick(PATTERNS) : someFilter(random);
  if (random.chance(0.6)) return { filter, event, isGood: true };
  const other = random.pick(pool).filter;
  return { filter: mutateJson(random, random.chance(0.5) ? filter : other, other), event };
}

function check({ filter, event, isGood = false }, product) {
  const { value: parsed, error } = attempt(CODES, () => product.parseFilter(filter));
  hold(!isGood || error === undefined, () => `a good filter is refused: ${error.message}`);
  if (parsed === undefined) return;
  const again = product.parseFilter(JSON.parse(JSON.stringify(parsed)));
  hold(isDeepStrictEqual(again, parsed), () => `parsed twice: ${shown(again)}, ${shown(parsed)}`);
  const payload = { subscription: 's', filter };
  const frame = product.parseClientFrame(JSON.stringify({ type: 'subscribe', payload }));
  hold(frame.error === undefined, () => `no frame can hold it: ${frame.error?.message}`);
  const told = product.compilePredicate(parsed)?.(event) ?? true;
  const expected = isWanted(parsed, event);
  hold(told === expected, () => `${shown(parsed)} takes ${shown(event)}: ${told}`);
  if (!parsed.topics.some((pattern) => isMatch(pattern, event.topic))) return;
  for (const layout of [
    { shards: 1, segments: 0 },
    { shards: 5, segments: 0 },
    { shards: 5, segments: 1 },
  ]) {
    const owner = product.shardOf(event.topic, layout.shards, layout.segments);
    const asked = product.shardsOf(parsed, layout);
    hold(asked.includes(owner), () => `shards ${asked} of ${shown(parsed)} lack ${owner}`);
  }
}

function isWanted(filter, { type, source, correlationId, attributes = {} }) {
  const isIn = (list, value) => list === undefined || list.includes(value);
  return (
    isIn(filter.types, type) &&
    isIn(filter.categories, /^[^_.]*/.exec(type)?.[0]) &&
    isIn(filter.sources, source) &&
    isIn(filter.correlationIds, correlationId) &&
    Object.entries(filter.attributes ?? {}).every(
      ([key, values]) => Object.hasOwn(attributes, key) && values.includes(attributes[key]),
    )
  );
}
