import { jsonFaultText } from '../protocol/json-fault.js';
import { onOneLine } from '../protocol/json-scanner.js';
import { usageFailure } from './failure.js';

/**
 * One body of `millrace pub` as the JSON text of a payload. A body that is JSON is kept as given, so that no number in
 * it changes; any other is taken as text. A body that starts like JSON and is not is refused, as it is more likely a
 * mistake than text.
 */
export function bodyText(body: string, isText: boolean): string {
  if (isText) return JSON.stringify(body);
  try {
    JSON.parse(body);
    return onOneLine(body.trim());
  } catch {
    if (!/^\s*["[{]/.test(body)) return JSON.stringify(body);
    throw usageFailure(
      `the body starts like JSON and is not: ${jsonFaultText(body)}; --text publishes it as text`,
    );
  }
}
