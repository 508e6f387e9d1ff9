import { BusError } from './errors.js';
import { quote } from './quote.js';

/**
 * Parses times that users give: a `Date`, or RFC 3339 text in UTC. Stricter than `Date.parse`, which takes February
 * 30th for March 2nd and local time for UTC. Years 0000 to 9999, as RFC 3339 has no others.
 */

const DATE = '\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?';
const RFC_3339_UTC = new RegExp(`^${DATE}T${TIME}(?:Z|\\+00:00)$`);
const IN_ZONE = /^([\dT:.-]+?)(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

const POINT_AT = '2026-01-31T23:59:59'.length;
const ZERO = 0x30;
/** The calendar repeats every 400 years, to the day. */
const CYCLE_YEARS = 400;
const CYCLE_MS = 146_097 * 86_400_000;
const EARLIEST_MS = Date.parse('0000-01-01T00:00:00.000Z');
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * Milliseconds since 1970. Digits behind the milliseconds are cut off.
 * @throws BusError `EVENT_INVALID`
 */
export function parseTimestamp(value: unknown): number {
  const ms = timestampMs(value);
  if (Number.isNaN(ms)) {
    throw new BusError('EVENT_INVALID', faultText(value), { details: { field: 'timestamp' } });
  }
  return ms;
}

/** Says why the value of a field is not a timestamp, or `undefined` if it is one. */
export function timestampFault(value: unknown, field = 'timestamp'): string | undefined {
  return Number.isNaN(timestampMs(value)) ? faultText(value, field) : undefined;
}

/** Milliseconds since 1970, or NaN if the value is not a timestamp. */
export function timestampMs(value: unknown): number {
  if (typeof value === 'string') return textMs(value);
  const ms = isDate(value) ? Date.prototype.getTime.call(value) : Number.NaN;
  return ms >= EARLIEST_MS && ms <= LATEST_MS ? ms : Number.NaN;
}

/**
 * Milliseconds since 1970 of RFC 3339 text in any time zone, or NaN, also for a year that is not of four digits in UTC.
 * For the places that take more than UTC.
 */
export function zonedTimeMs(text: string): number {
  const [, wall, sign, hours = '0', minutes = '0'] = IN_ZONE.exec(text) ?? [];
  if (wall === undefined) return Number.NaN;
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000;
  const ms = textMs(`${wall}Z`) + (sign === '-' ? offset : -offset);
  return ms >= EARLIEST_MS && ms <= LATEST_MS ? ms : Number.NaN;
}

/** A `Date` of another realm counts too. */
function isDate(value: unknown): value is Date {
  try {
    Date.prototype.getTime.call(value);
    return true;
  } catch {
    return false;
  }
}

function textMs(text: string): number {
  if (!RFC_3339_UTC.test(text)) return Number.NaN;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  if (day > daysInMonth(year, month)) return Number.NaN;
  const hour = digits(text, 11, 13);
  const minute = digits(text, 14, 16);
  const second = digits(text, 17, 19);
  // `Date.UTC` takes a year below 100 for one of the 20th century; the next cycle has no such year.
  const ms = Date.UTC(year + CYCLE_YEARS, month - 1, day, hour, minute, second);
  return ms - CYCLE_MS + milliseconds(text);
}

function digits(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + (text.charCodeAt(i) - ZERO);
  return value;
}

/** The milliseconds in the fraction of the seconds; 0 without one. */
function milliseconds(text: string): number {
  if (text[POINT_AT] !== '.') return 0;
  let value = 0;
  for (let i = POINT_AT + 1; i <= POINT_AT + 3; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    // Characters behind the digits (`Z`, `+`) count as zeros.
    value = value * 10 + (digit >= 0 && digit <= 9 && value >= 0 ? digit : 0);
  }
  return value;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function faultText(value: unknown, field = 'timestamp'): string {
  const example = '2026-01-31T23:59:59.000Z';
  return `${field} ${quote(value)} is neither a valid Date nor RFC 3339 in UTC (${example})`;
}
