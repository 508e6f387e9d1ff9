import { BusError, type ErrorCode } from './errors.js';
import { TOPIC_BYTES_MAX, TOPIC_SEGMENTS_MAX } from './limits/events.js';
import { codePointName, quote } from './quote.js';
import { loneSurrogateAt, utf8Length } from './utf8.js';

/**
 * Topics and patterns: what is well-formed, and which pattern matches which topic.
 *
 * A topic is 1–16 segments joined by `.`, at most 255 bytes of UTF-8. A segment is one or more characters, none of them
 * whitespace, a control character, `.`, `*` or `+`. In a pattern a whole segment may also be a wildcard. Runs in any
 * thread and in a browser.
 */

const PLAIN = 0;
const DOT = 1;
const REFUSED = 2;
const WILDCARD = 3;

const DOT_CODE = 0x2e;
const DOLLAR_CODE = 0x24;
const PLUS_CODE = 0x2b;
const STAR_CODE = 0x2a;

/** The kind of each ASCII character within a topic. */
const ASCII_KINDS = asciiKinds();

const INSTEAD = '"*" at the end matches one or more segments, "+" exactly one';
/**
 * Wildcards of other systems. They are literal in a topic, but as a segment of a pattern they are most likely meant as
 * wildcards, and refused.
 */
const FOREIGN_WILDCARDS: Readonly<Record<string, string>> = {
  '#': `is "#", which is no wildcard here: ${INSTEAD}`,
  '>': `is ">", which is no wildcard here: ${INSTEAD}`,
};

/** JavaScript's whitespace beyond ASCII; U+0085 is a control character. */
const WIDE_WHITESPACE = /[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]/;

/** Says why the value is not a topic, or `undefined` if it is one. The bus's own topics (`$sys.…`) are topics too. */
export function topicFault(topic: unknown): string | undefined {
  if (typeof topic === 'string' && isAsciiTopic(topic)) return undefined;
  return explain('topic', topic);
}

/** As `topicFault`, but also refuses topics that start with `$`, which belong to the bus. */
export function publishTopicFault(topic: unknown): string | undefined {
  const fault = topicFault(topic);
  if (fault !== undefined) return fault;
  if ((topic as string).charCodeAt(0) !== DOLLAR_CODE) return undefined;
  return `topic ${quote(topic)} starts with "$": such topics belong to the bus`;
}

/**
 * Says why the value is not a pattern, or `undefined` if it is one. Every topic is a pattern, unless one of its
 * segments is `#` or `>`.
 */
export function patternFault(pattern: unknown): string | undefined {
  return explain('pattern', pattern);
}

/** @throws BusError `TOPIC_INVALID` */
export function assertTopic(topic: unknown): asserts topic is string {
  refuse('TOPIC_INVALID', topicFault(topic), topic);
}

/** @throws BusError `TOPIC_INVALID`, also for topics that start with `$` */
export function assertPublishTopic(topic: unknown): asserts topic is string {
  refuse('TOPIC_INVALID', publishTopicFault(topic), topic);
}

/** @throws BusError `PATTERN_INVALID` */
export function assertPattern(pattern: unknown): asserts pattern is string {
  refuse('PATTERN_INVALID', patternFault(pattern), pattern);
}

/** Whether a well-formed pattern holds a wildcard; one without is a topic. */
export function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.includes('+');
}

/**
 * Whether a pattern matches a topic, by the rules of docs/PROTOCOL.md. It defines the meaning of patterns: the tests
 * compare the shards' faster matching with it.
 *
 * @param pattern a well-formed pattern, such as `orders.*`
 * @param topic a well-formed topic, such as `orders.created`
 */
export function matchesPattern(pattern: string, topic: string): boolean {
  return matchesFrom(0, pattern.split('.'), topic.split('.'));
}

function matchesFrom(at: number, pattern: readonly string[], topic: readonly string[]): boolean {
  if (at === pattern.length || at === topic.length) return pattern.length === topic.length;
  const segment = pattern[at]!;
  const isWildcard = segment === '*' || segment === '+';
  if (isWildcard && at === 0 && topic[0]!.startsWith('$')) return false;
  if (segment === '*' && at === pattern.length - 1) return true;
  return (isWildcard || segment === topic[at]) && matchesFrom(at + 1, pattern, topic);
}

/** The common case, without allocation: a valid topic in ASCII. If false, `explain` has to decide. */
function isAsciiTopic(topic: string): boolean {
  const { length } = topic;
  if (length === 0 || length > TOPIC_BYTES_MAX) return false;
  let segments = 1;
  let segmentStart = 0;
  for (let i = 0; i < length; i++) {
    const code = topic.charCodeAt(i);
    if (code > 0x7f) return false;
    const kind = ASCII_KINDS[code]!;
    if (kind === PLAIN) continue;
    if (kind !== DOT || i === segmentStart) return false;
    segmentStart = i + 1;
    segments++;
  }
  return segmentStart < length && segments <= TOPIC_SEGMENTS_MAX;
}

/** Finds the first fault of any value, slowly, and describes it. */
function explain(noun: 'topic' | 'pattern', text: unknown): string | undefined {
  if (typeof text !== 'string') return `${noun} ${quote(text)} is not a string`;
  if (text === '') return `${noun} "" is empty`;
  const named = `${noun} ${quote(text)}`;
  // Text with too many characters need not be measured in bytes.
  const bytes = text.length > TOPIC_BYTES_MAX ? text.length : utf8Length(text);
  if (bytes > TOPIC_BYTES_MAX) return `${named} is longer than ${TOPIC_BYTES_MAX} bytes of UTF-8`;
  const lone = loneSurrogateAt(text);
  if (lone >= 0) return `${named} has half a surrogate pair at offset ${lone}`;
  let segments = 0;
  for (let start = 0; start <= text.length; segments++) {
    const dot = text.indexOf('.', start);
    const end = dot < 0 ? text.length : dot;
    const fault = segmentFault(noun, text, start, end);
    if (fault !== undefined) return `${named}: segment ${segments + 1} ${fault}`;
    start = end + 1;
  }
  if (segments <= TOPIC_SEGMENTS_MAX) return undefined;
  return `${named} has ${segments} segments; ${TOPIC_SEGMENTS_MAX} is the limit`;
}

function segmentFault(
  noun: 'topic' | 'pattern',
  text: string,
  start: number,
  end: number,
): string | undefined {
  if (start === end) return `is empty (offset ${start})`;
  if (noun === 'pattern' && end === start + 1) {
    const hint = FOREIGN_WILDCARDS[text[start]!];
    if (hint !== undefined) return hint;
  }
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    const kind = code > 0x7f ? wideKind(code) : ASCII_KINDS[code]!;
    if (kind === PLAIN) continue;
    if (kind === REFUSED) {
      const cure = noun === 'pattern' ? '; several patterns are a list' : '';
      return `has whitespace or a control character (${codePointName(code)} at offset ${i})${cure}`;
    }
    const wildcard = `the wildcard "${text[i]}" at offset ${i}`;
    if (noun === 'topic') return `has ${wildcard}; a topic has none`;
    if (end - start > 1) return `has ${wildcard}; a wildcard is a whole segment`;
  }
  return undefined;
}

function wideKind(code: number): number {
  return code < 0xa0 || WIDE_WHITESPACE.test(String.fromCharCode(code)) ? REFUSED : PLAIN;
}

function asciiKinds(): Uint8Array {
  const kinds = new Uint8Array(0x80);
  kinds.fill(REFUSED, 0, 0x21);
  kinds[0x7f] = REFUSED;
  kinds[DOT_CODE] = DOT;
  kinds[STAR_CODE] = WILDCARD;
  kinds[PLUS_CODE] = WILDCARD;
  return kinds;
}

function refuse(code: ErrorCode, fault: string | undefined, value: unknown): void {
  if (fault === undefined) return;
  const noun = code === 'TOPIC_INVALID' ? 'topic' : 'pattern';
  throw new BusError(code, fault, { details: { [noun]: quote(value) } });
}
