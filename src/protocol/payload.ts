import { BusError } from './errors.js';
import type { EventInput } from './event.js';
import { isDeeperThan } from './json-depth.js';
import { JSON_DEPTH_MAX } from './limits/events.js';
import { givenPayloadText } from './payload-text.js';
import { quote } from './quote.js';
import { messageOf } from './thrown.js';
import { utf8Length } from './utf8.js';

/**
 * Turns a payload into JSON text, and refuses payloads that the contract does not allow. Inside a payload the rules of
 * `JSON.stringify` hold: `undefined`, functions and symbols vanish from objects and become `null` in arrays, `NaN` and
 * the infinities become `null`, `toJSON` is called, a `Map` becomes `{}`. A payload that is itself `undefined`, a
 * function or a symbol has no JSON and is refused, as is one with a BigInt or a cycle in it.
 */

/** Shorter text cannot be deeper than the limit, as each level needs two characters. */
const DEEP_LENGTH_MIN = 2 * (JSON_DEPTH_MAX + 1);

/** How many values are searched for a BigInt or a cycle, so that an error stays cheap. */
const SEARCH_VALUES_MAX = 10_000;

/**
 * @throws BusError `PAYLOAD_INVALID`, or `PAYLOAD_TOO_LARGE` with `details` `{ bytes, limit }`
 */
export function payloadText(payload: unknown, maxBytes: number): string {
  return checked(stringify(payload, maxBytes), maxBytes);
}

/** As `payloadText`, but keeps the text of a payload that arrived as text. */
export function inputPayloadText(input: EventInput, maxBytes: number): string {
  const given = givenPayloadText(input);
  return given === undefined ? payloadText(input.payload, maxBytes) : checked(given, maxBytes);
}

function checked(text: string, maxBytes: number): string {
  checkSize(text, maxBytes);
  if (text.length >= DEEP_LENGTH_MIN && isDeeperThan(text, JSON_DEPTH_MAX)) {
    throw invalid(`the payload is nested deeper than ${JSON_DEPTH_MAX} levels`);
  }
  return text;
}

function checkSize(text: string, maxBytes: number): void {
  // A UTF-16 unit is at most three bytes of UTF-8, so most texts need not be measured.
  if (text.length * 3 <= maxBytes) return;
  const bytes = utf8Length(text);
  if (bytes > maxBytes) throw tooLarge(`is ${bytes} bytes of JSON`, maxBytes, bytes);
}

function stringify(payload: unknown, maxBytes: number): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(payload);
  } catch (cause) {
    throw stringifyFailure(payload, maxBytes, cause);
  }
  if (text !== undefined) return text;
  const what =
    typeof payload === 'object' ? 'an object whose toJSON gives nothing' : quote(payload);
  throw invalid(`the payload is ${what}, which JSON cannot express`);
}

/** Says why `JSON.stringify` threw and, if it can be found cheaply, in which place. */
function stringifyFailure(payload: unknown, maxBytes: number, cause: unknown): BusError {
  if (cause instanceof RangeError) {
    if (cause.message === 'Invalid string length') {
      return tooLarge('is larger than any string', maxBytes);
    }
    return invalid(`the payload is nested deeper than ${JSON_DEPTH_MAX} levels`, cause);
  }
  const search = new FaultSearch();
  try {
    search.visit(payload, 'payload');
  } catch {
    // A getter threw, or the nesting is too deep to search; the cause's own message is used.
  }
  if (search.fault !== undefined) return invalid(search.fault, cause);
  const reason = messageOf(cause).slice(0, 200);
  return invalid(`the payload could not be made into JSON: ${reason}`, cause);
}

/** Looks for the first BigInt or cycle, over a bounded number of values. */
class FaultSearch {
  fault: string | undefined;
  readonly #ancestors = new Set<object>();
  #left = SEARCH_VALUES_MAX;

  visit(value: unknown, path: string): void {
    if (this.fault !== undefined || --this.#left < 0) return;
    if (typeof value === 'bigint') this.fault = `${path} is a BigInt, which JSON cannot express`;
    if (typeof value !== 'object' || value === null) return;
    if (this.#ancestors.has(value)) {
      this.fault = `${path} refers back to an object that contains it: a cycle`;
      return;
    }
    this.#ancestors.add(value);
    for (const key of Object.keys(value)) {
      const step = Array.isArray(value) ? `[${key}]` : `.${key}`;
      this.visit((value as Record<string, unknown>)[key], `${path}${step}`);
    }
    this.#ancestors.delete(value);
  }
}

function tooLarge(what: string, limit: number, bytes?: number): BusError {
  return new BusError('PAYLOAD_TOO_LARGE', `the payload ${what}; ${limit} is the limit`, {
    details: bytes === undefined ? { limit } : { bytes, limit },
  });
}

function invalid(message: string, cause?: unknown): BusError {
  return new BusError('PAYLOAD_INVALID', message, cause === undefined ? {} : { cause });
}
