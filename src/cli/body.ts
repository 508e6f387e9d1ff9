import { jsonFaultText } from '../protocol/json-fault.js';
import { usageFailure } from './failure.js';

/**
 * One body of `millrace pub` as a payload: JSON where it is JSON, else text. What starts like JSON
 * and is not is refused, because it is more likely a mistake than a text.
 */
export function parseBody(body: string, isText: boolean): unknown {
  if (isText) return body;
  try {
    return JSON.parse(body);
  } catch {
    if (!/^\s*["[{]/.test(body)) return body;
    throw usageFailure(
      `the body starts like JSON and is not: ${jsonFaultText(body)}; --text publishes it as text`,
    );
  }
}
