/** What a case must hold, and how it says that it does not. */

/** The product did something that it must not. */
export class Finding extends Error {}

/** @throws Finding unless the condition holds */
export function hold(condition, message) {
  if (!condition) throw new Finding(typeof message === 'function' ? message() : message);
}

/**
 * Calls the product. It may give a value, or refuse with a `BusError` of one of these codes; anything else is a finding.
 *
 * @param {readonly string[]} codes
 * @param {() => any} call
 * @returns {{ value?: any, error?: any }}
 */
export function attempt(codes, call) {
  let value;
  try {
    value = call();
  } catch (error) {
    checkRefusal(codes, error);
    return { error };
  }
  return { value };
}

/**
 * @param {readonly string[]} codes
 * @param {any} error
 * @throws Finding unless the error is a `BusError` of one of these codes, with a message that is text
 */
export function checkRefusal(codes, error) {
  if (error?.name === 'BusError' && codes.includes(error.code) && error.message !== '') return;
  const { name, code, message, stack } = Object(error);
  const text = `${name ?? error} ${code ?? ''}: ${message}`;
  throw new Finding(`refused with ${text}, and not with ${codes.join(' or ')}\n${stack}`);
}

/** A value for a message: JSON, cut. */
export function shown(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text;
}
