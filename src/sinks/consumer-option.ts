import type { OptionCheck } from '../protocol/options.js';
import { quote } from '../protocol/quote.js';

/** The check of the option `consumer`: by its calls, not its class, as buses and clients have consumers of their own. */
export const aConsumer: OptionCheck = (value) => {
  const isConsumer =
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'run') === 'function' &&
    typeof Reflect.get(value, 'info') === 'function';
  return isConsumer ? undefined : `has to be a consumer of a bus or a client, not ${quote(value)}`;
};
