import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { Refusal } from '../refusal.js';
import { type BodyExchange, parseJson, withBody } from './body.js';
import { headerOf, JSON_TYPE } from './exchange.js';
import { isJsonType, parseMediaType } from './media-types.js';

/**
 * Reads a body that is one JSON object; an empty body is an object without fields.
 *
 * @throws Refusal 415, and as `withBody`; BusError `MESSAGE_INVALID`
 */
export function objectBody<T>(
  exchange: BodyExchange,
  use: (body: Readonly<Record<string, unknown>>, text: string) => Promise<T>,
): Promise<T> {
  return withBody(exchange, async (bytes) => {
    if (bytes.length === 0) return use({}, '{}');
    const { name: type } = parseMediaType(headerOf(exchange.request, 'content-type'));
    if (!isJsonType(type)) {
      const message = `content-type ${quote(type)} is not ${JSON_TYPE}`;
      throw new Refusal(415, 'MESSAGE_INVALID', message, { path: 'content-type' });
    }
    const { value, text } = parseJson(bytes, 'the body');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return use(value as Record<string, unknown>, text);
    }
    const message = `the body is ${quote(value)}, and should be an object`;
    throw new BusError('MESSAGE_INVALID', message, { details: { path: '' } });
  });
}
