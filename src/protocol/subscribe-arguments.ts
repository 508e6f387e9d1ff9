import { BusError } from './errors.js';
import { quote } from './quote.js';

/**
 * Separates the handler of `subscribe(filter, handler?, options?)` from the options. A handler behind the options is
 * refused, as it would never be called.
 *
 * @throws BusError `OPTION_INVALID`
 */
export function subscribeArguments<H extends (event: never) => unknown, O extends object>(
  second: unknown,
  third: unknown,
): { handler: H | undefined; options: O | undefined } {
  if (typeof second === 'function') return { handler: second as H, options: third as O };
  if (third === undefined) return { handler: undefined, options: second as O };
  if (second === undefined && typeof third !== 'function') {
    return { handler: undefined, options: third as O };
  }
  const message = `subscribe: the handler comes before the options, not ${quote(third)} behind them`;
  throw new BusError('OPTION_INVALID', message);
}
