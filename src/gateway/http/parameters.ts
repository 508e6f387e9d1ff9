import { BusError } from '../../protocol/errors.js';
import { HTTP_PARAMETERS_MAX, HTTP_QUERY_LENGTH_MAX } from '../../protocol/limits/http.js';
import { quote } from '../../protocol/quote.js';

/**
 * The query of a request's target. In a form's query `+` means a space. But topics, patterns, times and cursors hold no
 * spaces, while `+` is a wildcard in patterns and a sign in time zones; so in these parameters `+` is literal, as in
 * `?topic=worker.+`.
 */
const PLUS_IS_LITERAL = new Set(['topic', 'pattern', 'since', 'until', 'from', 'after']);

export class Parameters {
  readonly #values = new Map<string, string[]>();

  /** @throws BusError `QUERY_INVALID` */
  constructor(target: string) {
    const start = target.indexOf('?');
    const query = start < 0 ? '' : target.slice(start + 1);
    if (query.length > HTTP_QUERY_LENGTH_MAX) {
      const message = `the query has ${query.length} characters; ${HTTP_QUERY_LENGTH_MAX} is the limit`;
      throw invalid('', message);
    }
    const pairs = query.split('&').filter((pair) => pair !== '');
    if (pairs.length > HTTP_PARAMETERS_MAX) {
      const message = `the query has ${pairs.length} parameters; ${HTTP_PARAMETERS_MAX} is the limit`;
      throw invalid('', message);
    }
    for (const pair of pairs) this.#add(pair);
  }

  /** @throws BusError `QUERY_INVALID` for a parameter that is not in `known` */
  assertKnown(known: readonly string[]): void {
    for (const [name, values] of this.#values) {
      if (known.includes(name)) continue;
      const all =
        known.length === 0 ? 'no parameters are known here' : `known are ${known.join(', ')}`;
      const message = `unknown parameter ${quote(name)}, with value ${quote(values[0])}; ${all}`;
      throw invalid(name, message);
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** All values of a parameter that may be repeated; undefined where it is absent. */
  all(name: string): readonly string[] | undefined {
    return this.#values.get(name);
  }

  /** The value of a parameter; undefined where it is absent. @throws BusError `QUERY_INVALID` where it is repeated */
  one(name: string): string | undefined {
    const values = this.#values.get(name);
    if (values === undefined || values.length === 1) return values?.[0];
    throw invalid(name, `parameter ${name} is given ${values.length} times; it takes one value`);
  }

  /** A parameter without a value (`?verbose`) is true. @throws BusError `QUERY_INVALID` */
  flag(name: string): boolean | undefined {
    const value = this.one(name);
    if (value === undefined) return undefined;
    if (value === '' || value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    throw invalid(name, `parameter ${name} is ${quote(value)}, neither true nor false`);
  }

  /** A whole number above 0; undefined where it is absent. @throws BusError `QUERY_INVALID` for another value */
  count(name: string): number | undefined {
    const value = this.one(name);
    if (value === undefined) return undefined;
    const count = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isSafeInteger(count) && count > 0) return count;
    throw invalid(name, `parameter ${name} is ${quote(value)}, not a whole number above 0`);
  }

  #add(pair: string): void {
    const end = pair.indexOf('=');
    const name = decode('', end < 0 ? pair : pair.slice(0, end));
    const raw = end < 0 ? '' : pair.slice(end + 1);
    const value = decode(name, PLUS_IS_LITERAL.has(name) ? raw : raw.replaceAll('+', ' '));
    const values = this.#values.get(name);
    if (values === undefined) this.#values.set(name, [value]);
    else values.push(value);
  }
}

function decode(path: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(path, `${quote(text)} in the query is not percent-encoded UTF-8`);
  }
}

export function invalid(path: string, message: string): BusError {
  return new BusError('QUERY_INVALID', message, { details: { path } });
}
