import { InvalidArgumentError } from 'commander';
import type { Expectation } from '../protocol/event.js';
import { CLI_DURATION_MS_MAX } from '../protocol/limits/cli.js';
import { zonedTimeMs } from '../protocol/timestamp.js';
import type { RequestPayload } from '../protocol/wire.js';
import { usageFailure } from './failure.js';

/** Parses texts of the command line. A text that cannot be parsed throws Commander's error, which exits with 2. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `250ms`, `10s`, `5m`, `1h`, `7d`; a bare number is milliseconds. At most a thousand years. */
export function parseDuration(text: string): number {
  const milliseconds = millisecondsOf(text);
  // A longer one before or after now would be no time of four-digit years.
  if (milliseconds <= CLI_DURATION_MS_MAX) return milliseconds;
  throw new InvalidArgumentError('It is not a duration of at most 1000 years (365250d).');
}

function millisecondsOf(text: string): number {
  const [, digits, unit = 'ms'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  if (digits !== undefined) return Math.round(Number(digits) * UNIT_MS[unit]!);
  throw new InvalidArgumentError('It is not a duration such as 250ms, 10s, 5m, 1h or 7d.');
}

/** As `parseDuration`, for durations that a timer can wait. */
export function parseTimeout(text: string): number {
  const milliseconds = millisecondsOf(text);
  if (milliseconds >= 1 && milliseconds < 2 ** 31) return milliseconds;
  throw new InvalidArgumentError('It is not a duration from 1ms to 24d.');
}

/** As `parseDuration`, from `least` to `most` ms, which `range` says in words. */
export function durationFrom(least: number, most: number, range: string) {
  return (text: string): number => {
    const milliseconds = millisecondsOf(text);
    if (milliseconds >= least && milliseconds <= most) return milliseconds;
    throw new InvalidArgumentError(`It is not a duration ${range}.`);
  };
}

export function integerFrom(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    const range =
      most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`It is not an integer ${range}.`);
  };
}

/** `none`, or the sequence of an event. */
export function parseExpectation(text: string): Expectation {
  if (text === 'none') return text;
  const sequence = /^\d+$/.test(text) ? Number(text) : 0;
  if (Number.isSafeInteger(sequence) && sequence > 0) return { sequence };
  throw new InvalidArgumentError("It is neither the sequence of an event nor 'none'.");
}

export function parseRate(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= 1_000_000) return value;
  throw new InvalidArgumentError('It is not a number of events per second.');
}

/**
 * Parses true or false. A flag that an environment variable can set needs a value, as a variable that is set has one.
 */
export function parseBoolean(text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new InvalidArgumentError('It is neither true nor false.');
}

/** For options that may be given several times. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** As `collect`, but a text may hold several values separated by commas, as in an environment variable. */
export function collectList(text: string, before: readonly string[] | undefined): string[] {
  const values = text.split(',').map((value) => value.trim());
  if (!values.includes('')) return [...(before ?? []), ...values];
  throw new InvalidArgumentError('It has an empty value.');
}

export type Attributes = Record<string, string[]>;

/** `key=value`, several times; the values of one key are alternatives. */
export function collectAttribute(text: string, before: Attributes | undefined): Attributes {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('It is not of the form key=value.');
  const key = text.slice(0, equals);
  const earlier = before !== undefined && Object.hasOwn(before, key) ? before[key]! : [];
  const value = [...earlier, text.slice(equals + 1)];
  return Object.fromEntries([...Object.entries(before ?? {}), [key, value]]);
}

export type From = NonNullable<RequestPayload<'subscribe'>['from']>;

const PLACES = 'now, earliest, last:N, since:TIME (or since:1h) or after:CURSOR';
const POSITIONS = PLACES.replace('earliest', 'earliest, latest');

/** `now`, `earliest`, `latest`, `last:N`, `since:1h`, `since:2026-01-31T12:00:00Z`, `after:CURSOR`. */
export function parseFrom(text: string): From {
  return positionOf(text, POSITIONS);
}

/** As `parseFrom`, but not `latest`: a consumer begins at a place in history. */
export function parsePlace(text: string): From {
  return positionOf(text === 'latest' ? '' : text, PLACES);
}

function positionOf(text: string, known: string): From {
  if (text === 'now' || text === 'earliest' || text === 'latest') return text;
  const colon = text.indexOf(':');
  const value = text.slice(colon + 1);
  switch (colon < 0 ? '' : text.slice(0, colon)) {
    case 'last':
      return { last: integerFrom(1)(value) };
    case 'since':
      return { since: parseTime(value) };
    case 'after':
      if (value !== '') return { after: value };
  }
  throw new InvalidArgumentError(`It is not ${known}.`);
}

/** A time, or a duration before now, as RFC 3339. */
export function parseTime(text: string): string {
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) {
    return new Date(Date.now() - parseDuration(text)).toISOString();
  }
  const time = instantMs(text);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new InvalidArgumentError(
    'It is not a time such as 2026-01-31T12:00:00Z, or 1h for an hour ago.',
  );
}

/** A time, as RFC 3339. */
export function parseInstant(text: string): string {
  const time = instantMs(text);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new InvalidArgumentError('It is not a time such as 2026-01-31T12:00:00Z.');
}

/** Of RFC 3339 in any time zone; the seconds may be left out, or all behind the day. NaN: it is no such time. */
function instantMs(text: string): number {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return zonedTimeMs(`${text}T00:00:00Z`);
  return zonedTimeMs(text.replace(/(?<=T\d{2}:\d{2})(?=[Z+-])/, ':00'));
}

/** Attributes that have one value each. */
export function singleValues(attributes: Attributes): Record<string, string> {
  const entries = Object.entries(attributes).map(([key, values]) => {
    if (values.length > 1) throw usageFailure(`--attribute ${key} has more than one value`);
    return [key, values[0]!];
  });
  return Object.fromEntries(entries);
}

/** Checks the server's address; the client adds the path. */
export function parseServer(text: string): string {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  const isKnown = url !== undefined && /^(https?|wss?):$/.test(url.protocol);
  if (isKnown && url.username === '' && url.search === '' && url.hash === '') return url.href;
  throw new InvalidArgumentError('It is not an address such as http://127.0.0.1:7400.');
}
