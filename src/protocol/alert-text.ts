import { list, timeText, Words, word } from './alert-words.js';
import {
  type AlertCondition,
  CONSUMER_FIGURES,
  type ConsumerCondition,
  type ConsumerFigure,
} from './alerts.js';
import type { Filter } from './filter.js';
import { ALERT_EVENT_WITHIN_MS } from './limits/alerts.js';
import { nameHint } from './name-hint.js';
import { quote } from './quote.js';

/**
 * Conditions of alerts as text that people type, and back. Any thread, and browsers.
 *
 * ```
 * no event on PATTERN for TIME
 * rate on PATTERN over N/s for TIME
 * any TYPE, … on PATTERN, … [from SOURCE, …] [correlated ID, …] [where KEY=VALUE, … [and KEY=VALUE, …]] [within TIME]
 * any event [of CATEGORY, …] on PATTERN, …
 * lag [of SUBSCRIPTION] over N [for TIME]
 * consumer NAME pending|in flight|dead over N [for TIME]
 * consumer NAME oldest age over TIME [for TIME]
 * consumer NAME blocked [for TIME]
 * ```
 *
 * A word with white space or one of `,="` in it stands in JSON quotes. The text is checked only as far as its form
 * goes; `alert-rule.ts` checks patterns, names and bounds.
 */

const FORMS = {
  no: 'no event on PATTERN for TIME',
  rate: 'rate on PATTERN over N/s for TIME',
  any: 'any TYPE on PATTERN',
  lag: 'lag over N for TIME',
  consumer: 'consumer NAME pending over N for TIME',
} as const;

/**
 * Reads the text of a condition.
 *
 * @param text such as `no event on orders.* for 5 min`
 * @returns the condition; its patterns, names and bounds are checked when a rule is set
 * @throws BusError `ALERT_INVALID`, with the offset of the fault in `details.at`
 */
export function parseAlertText(text: string): AlertCondition {
  const words = new Words(text);
  const kind = words.word('a condition');
  words.form = Object.hasOwn(FORMS, kind) ? FORMS[kind as keyof typeof FORMS] : undefined;
  const condition = parseKind(kind, words);
  words.end();
  return condition;
}

function parseKind(kind: string, words: Words): AlertCondition {
  switch (kind) {
    case 'no':
      return parseSilence(words);
    case 'rate':
      return parseRate(words);
    case 'any':
      return parseEvent(words);
    case 'lag':
      return parseLag(words);
    case 'consumer':
      return parseConsumer(words);
    default: {
      const forms = Object.values(FORMS).map((form) => `"${form}"`);
      const hint = nameHint(kind, Object.keys(FORMS));
      throw words.fault(`${quote(kind)} begins no condition${hint}: ${forms.join(', ')}`);
    }
  }
}

function parseSilence(words: Words): AlertCondition {
  words.expect('event');
  words.expect('on');
  const pattern = words.word('a pattern');
  words.expect('for');
  return { kind: 'silence', pattern, forMs: words.time() };
}

function parseRate(words: Words): AlertCondition {
  words.expect('on');
  const pattern = words.word('a pattern');
  words.expect('over');
  const above = words.rate();
  words.expect('for');
  return { kind: 'rate', pattern, above, overMs: words.time() };
}

function parseEvent(words: Words): AlertCondition {
  const isAnyType = words.take('event');
  const types = isAnyType ? undefined : words.list('an event type, or "event"');
  const categories = words.take('of') ? words.list('a category') : undefined;
  words.expect('on');
  const filter: Filter = { topics: words.list('a pattern') };
  if (types !== undefined) filter.types = types;
  if (categories !== undefined) filter.categories = categories;
  if (words.take('from')) filter.sources = words.list('a source');
  if (words.take('correlated')) filter.correlationIds = words.list('a correlation id');
  if (words.take('where')) filter.attributes = words.attributes();
  const withinMs = words.take('within') ? words.time() : ALERT_EVENT_WITHIN_MS;
  return { kind: 'event', filter, withinMs };
}

function parseLag(words: Words): AlertCondition {
  const subscription = words.take('of') ? words.word('the name of a subscription') : undefined;
  words.expect('over');
  const above = words.count();
  const forMs = words.take('for') ? words.time() : 0;
  return { kind: 'lag', above, ...(subscription === undefined ? {} : { subscription }), forMs };
}

/** The figures of a consumer, in the words of the sentence. */
export const FIGURE_WORDS: Readonly<Record<ConsumerFigure, string>> = {
  pending: 'pending',
  inFlight: 'in flight',
  oldestAgeMs: 'oldest age',
  dead: 'dead',
  blocked: 'blocked',
};

function parseConsumer(words: Words): AlertCondition {
  const consumer = words.word('the name of a consumer');
  const figure = figureOf(words);
  const bound = figure === 'blocked' ? {} : { above: boundOf(figure, words) };
  const forMs = words.take('for') ? words.time() : 0;
  return { kind: 'consumer', consumer, figure, ...bound, forMs };
}

function figureOf(words: Words): ConsumerFigure {
  for (const figure of CONSUMER_FIGURES) {
    const [first, ...others] = FIGURE_WORDS[figure].split(' ');
    if (!words.take(first!)) continue;
    for (const other of others) words.expect(other);
    return figure;
  }
  const known = Object.values(FIGURE_WORDS).join(', ');
  throw words.fault(`a figure of the consumer is missing: ${known}`);
}

/** `> 5` is `over 5`. */
function boundOf(figure: ConsumerFigure, words: Words): number {
  if (!words.take('>')) words.expect('over');
  return figure === 'oldestAgeMs' ? words.time() : words.count();
}

/**
 * The text of a condition.
 *
 * @param when a condition
 * @returns a text of which `parseAlertText` makes the same condition
 */
export function alertText(when: AlertCondition): string {
  switch (when.kind) {
    case 'silence':
      return `no event on ${word(when.pattern)} for ${timeText(when.forMs)}`;
    case 'rate':
      return `rate on ${word(when.pattern)} over ${when.above}/s for ${timeText(when.overMs)}`;
    case 'event': {
      const { withinMs = ALERT_EVENT_WITHIN_MS } = when;
      const within = withinMs === ALERT_EVENT_WITHIN_MS ? '' : ` within ${timeText(withinMs)}`;
      return `any ${filterText(when.filter)}${within}`;
    }
    case 'lag': {
      const { subscription, above, forMs = 0 } = when;
      const of = subscription === undefined ? '' : ` of ${word(subscription)}`;
      return `lag${of} over ${above}${forMs === 0 ? '' : ` for ${timeText(forMs)}`}`;
    }
    case 'consumer':
      return consumerText(when);
  }
}

function consumerText({ consumer, figure, above, forMs = 0 }: ConsumerCondition): string {
  const bound = figure === 'oldestAgeMs' ? timeText(above ?? 0) : above;
  const over = figure === 'blocked' ? '' : ` over ${bound}`;
  const held = forMs === 0 ? '' : ` for ${timeText(forMs)}`;
  return `consumer ${word(consumer)} ${FIGURE_WORDS[figure]}${over}${held}`;
}

function filterText(filter: Readonly<Filter>): string {
  const { topics, types, categories, sources, correlationIds, attributes = {} } = filter;
  const parts = [types === undefined ? 'event' : list(types)];
  if (categories !== undefined) parts.push(`of ${list(categories)}`);
  parts.push(`on ${list(topics)}`);
  if (sources !== undefined) parts.push(`from ${list(sources)}`);
  if (correlationIds !== undefined) parts.push(`correlated ${list(correlationIds)}`);
  const pairs = Object.entries(attributes).map(([key, values]) => `${word(key)}=${list(values)}`);
  if (pairs.length > 0) parts.push(`where ${pairs.join(' and ')}`);
  return parts.join(' ');
}
