import type { PayloadFault, PayloadToCheck } from '../link/calls.js';
import type { TopicDefinitions } from '../protocol/define-topic.js';
import { ERROR_CODES, type ErrorCode, type ErrorData } from '../protocol/errors.js';
import { codeOf, messageOf } from '../protocol/thrown.js';

/**
 * Checks payloads for threads that do not have the definitions, in their order.
 *
 * @returns the first that does not fit; `null` if all do
 */
export function firstFault(
  definitions: TopicDefinitions,
  payloads: readonly PayloadToCheck[],
): PayloadFault | null {
  for (let at = 0; at < payloads.length; at++) {
    const { topic, payload } = payloads[at]!;
    try {
      definitions.validate(topic, JSON.parse(payload));
    } catch (error) {
      return { at, error: faultData(error) };
    }
  }
  return null;
}

/**
 * A definition may be of another copy of this package, or of the user's own making: its error is known by its code, and
 * its details may be no JSON.
 */
function faultData(thrown: unknown): ErrorData {
  const message = messageOf(thrown);
  const code = codeOf(thrown);
  if (!isErrorCode(code)) {
    return { code: 'PAYLOAD_INVALID', message: `a definition threw: ${message}` };
  }
  try {
    const details = JSON.stringify((thrown as { readonly details?: unknown }).details);
    if (details !== undefined) return { code, message, details: JSON.parse(details) };
  } catch {
    // The message says enough.
  }
  return { code, message };
}

function isErrorCode(code: string): code is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(code);
}
