/** Shows an offending value in an error message: short, on one line, and without running its code. */

const QUOTED_LENGTH_MAX = 80;

/** Text in JSON quotes, cut after 80 characters; other values by their kind. Never throws. */
export function quote(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoteText(value);
    case 'undefined':
    case 'number':
    case 'boolean':
      return String(value);
    case 'bigint':
      return 'a BigInt';
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    default:
      return quoteObject(value as object | null);
  }
}

/** Text of somebody else for a message: on one line, without what a terminal obeys, and cut after so many characters. */
export function oneLine(text: string, lengthMax: number): string {
  const plain = text.replaceAll(/[\s\p{Cc}\p{Cf}\u{fffd}]+/gu, ' ').trim();
  return plain.length <= lengthMax ? plain : `${plain.slice(0, lengthMax)}…`;
}

/** `U+00A0` and the like. */
export function codePointName(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

function quoteText(text: string): string {
  if (text.length <= QUOTED_LENGTH_MAX) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, QUOTED_LENGTH_MAX))}… (${text.length} characters)`;
}

function quoteObject(value: object | null): string {
  if (value === null) return 'null';
  try {
    if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
    return value instanceof Date ? 'a Date' : 'an object';
  } catch {
    // A revoked proxy does not even say whether it is an array.
    return 'an object';
  }
}
