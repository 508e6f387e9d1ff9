import type { AlertCondition } from './alerts.js';
import { BusError } from './errors.js';
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
  }
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

const UNITS: readonly (readonly [name: string, ms: number, spellings: readonly string[]])[] = [
  ['d', 86_400_000, ['d', 'day', 'days']],
  ['h', 3_600_000, ['h', 'hour', 'hours']],
  ['min', 60_000, ['min', 'm', 'minute', 'minutes']],
  ['s', 1000, ['s', 'sec', 'second', 'seconds']],
  ['ms', 1, ['ms', 'millisecond', 'milliseconds']],
];

/** `5 min`, in the largest unit of which it is a whole number. */
export function timeText(ms: number): string {
  const [name, unit] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? ['ms', 1];
  return `${ms / unit} ${name}`;
}

/** Words that would be taken for a part of the sentence stand in quotes as well. */
const OF_THE_SENTENCE = new Set([
  'event',
  'of',
  'on',
  'from',
  'correlated',
  'where',
  'and',
  'within',
  'over',
  'for',
]);
const PLAIN = /^[^\s,="]+$/;

function word(text: string): string {
  return PLAIN.test(text) && !OF_THE_SENTENCE.has(text) ? text : JSON.stringify(text);
}

function list(words: readonly string[]): string {
  return words.map(word).join(', ');
}

interface Token {
  readonly text: string;
  readonly at: number;
  readonly kind: 'word' | 'quoted' | 'mark';
}

/** Quoted words, the marks `,` and `=`, and plain words. */
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([,=])|([^\s,="]+)|(\S))/gy;

/** Reads a text word by word. */
class Words {
  /** The form of this kind of condition, for messages. */
  form: string | undefined;
  readonly #tokens: Token[] = [];
  readonly #length: number;
  #next = 0;

  constructor(text: string) {
    this.#length = text.length;
    for (const match of text.matchAll(TOKEN)) {
      const [all, quoted, mark, plain, rest] = match;
      const at = match.index + all.length - all.trimStart().length;
      if (rest !== undefined) throw this.fault(`the quotes at ${rest} do not end`, at);
      if (quoted !== undefined)
        this.#tokens.push({ text: this.#unquoted(quoted, at), at, kind: 'quoted' });
      else if (mark !== undefined) this.#tokens.push({ text: mark, at, kind: 'mark' });
      else this.#tokens.push({ text: plain!, at, kind: 'word' });
    }
  }

  word(what: string): string {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw this.fault(`${what} is missing`);
    if (token.kind === 'mark') throw this.fault(`${what} is missing before ${quote(token.text)}`);
    this.#next++;
    return token.text;
  }

  list(what: string): string[] {
    const words = [this.word(what)];
    while (this.#takeMark(',')) words.push(this.word(what));
    return words;
  }

  attributes(): Record<string, string[]> {
    const attributes = new Map<string, string[]>();
    do {
      const key = this.word('the name of an attribute');
      if (attributes.has(key)) throw this.#before(`attribute ${quote(key)} is named twice`);
      if (!this.#takeMark('=')) throw this.fault(`"=" is missing after ${quote(key)}`);
      attributes.set(key, this.list('a value'));
    } while (this.take('and'));
    return Object.fromEntries(attributes);
  }

  /** Takes the word if it comes next. */
  take(word: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'word' || token.text !== word) return false;
    this.#next++;
    return true;
  }

  expect(word: string): void {
    if (this.take(word)) return;
    const token = this.#tokens[this.#next];
    const place = token === undefined ? 'at the end' : `before ${quote(token.text)}`;
    throw this.fault(`"${word}" is missing ${place}`);
  }

  count(): number {
    const text = this.word('a number of events');
    if (/^\d+$/.test(text)) return Number(text);
    throw this.#before(`${quote(text)} is not a number of events`);
  }

  rate(): number {
    const text = this.word('a number of events a second');
    const digits = text.replace(/\/s$/, '');
    if (NUMBER.test(digits)) return Number(digits);
    throw this.#before(`${quote(text)} is not a number of events a second, such as 100/s`);
  }

  /** `5 min`, `5min`, `90 s` */
  time(): number {
    const text = this.word('a time, such as "5 min",');
    const [, digits, attached] = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text) ?? [];
    if (digits === undefined) throw this.#before(`${quote(text)} is not a time, such as "5 min"`);
    const unit =
      attached === '' ? this.word('the unit of the time (ms, s, min, h or d)') : attached;
    const size = UNITS.find(([, , spellings]) => spellings.includes(unit!))?.[1];
    if (size === undefined) {
      throw this.#before(`${quote(unit)} is no unit of time; there are ms, s, min, h and d`);
    }
    return Math.round(Number(digits) * size);
  }

  end(): void {
    const token = this.#tokens[this.#next];
    if (token === undefined) return;
    throw this.fault(`${quote(token.text)} is too much`);
  }

  /** The fault of the next word, unless another offset is given. */
  fault(message: string, at = this.#tokens[this.#next]?.at ?? this.#length): BusError {
    const form = this.form === undefined ? '' : `; the form is "${this.form}"`;
    return new BusError('ALERT_INVALID', `when: ${message}${form}`, {
      details: { path: 'when', at },
    });
  }

  #before(message: string): BusError {
    return this.fault(message, this.#tokens[this.#next - 1]!.at);
  }

  #takeMark(mark: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    this.#next++;
    return true;
  }

  #unquoted(quoted: string, at: number): string {
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw this.fault(`${quote(quoted)} is no text in JSON quotes`, at);
    }
  }
}

const NUMBER = /^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/;
