import {
  ATTRIBUTE_KEY_BYTES_MAX,
  ATTRIBUTE_VALUE_BYTES_MAX,
  EVENT_ID_LENGTH_MAX,
  EVENT_NAME_BYTES_MAX,
} from './limits/events.js';
import { codePointName, quote } from './quote.js';
import { loneSurrogateAt, utf8Length } from './utf8.js';

/**
 * The rules for the short texts of an event and of a filter. Each function returns why a value is refused, or
 * `undefined`. A valid value costs no allocation, as these run on every publish.
 */

const PRINTABLE_ASCII = /^[!-~]+$/;
/** Spaces and line breaks of any kind, control characters and format characters. */
const UNPRINTABLE = /[\s\p{Z}\p{Cc}\p{Cf}]/u;
const ID_TEXT = /^[A-Za-z0-9_-]+$/;

/**
 * The class of an object that holds its values elsewhere than in its properties, such as a `Map`, a `Set` or a
 * `URLSearchParams`; otherwise `undefined`.
 */
export function containerName(value: object): string | undefined {
  const name = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return name === 'Object' ? undefined : name;
}

/** 1 to 255 bytes of UTF-8, printable and without spaces: `order_created`, `com.example.order.created`. */
export function typeFault(type: unknown): string | undefined {
  return printableFault('type', type);
}

/** A category: the part of a type before its first `_` or `.`. */
export function categoryFault(category: unknown): string | undefined {
  const fault = printableFault('category', category);
  if (fault !== undefined) return fault;
  if (!/[_.]/.test(category as string)) return undefined;
  return `category ${quote(category)} has a "_" or ".", which ends the category of a type`;
}

function printableFault(field: string, text: unknown): string | undefined {
  if (
    typeof text === 'string' &&
    text.length <= EVENT_NAME_BYTES_MAX &&
    PRINTABLE_ASCII.test(text)
  ) {
    return undefined;
  }
  const fault = nameFault(field, text);
  if (fault !== undefined) return fault;
  const found = UNPRINTABLE.exec(text as string);
  if (found === null) return undefined;
  const character = codePointName(found[0].codePointAt(0)!);
  return `${field} ${quote(text)} has a space or an unprintable character (${character} at offset ${found.index})`;
}

/** For `id` and `causationId`: 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
export function idFault(field: string, id: unknown): string | undefined {
  if (typeof id !== 'string') return `${field} ${quote(id)} is not a string`;
  if (id.length <= EVENT_ID_LENGTH_MAX && ID_TEXT.test(id)) return undefined;
  return `${field} ${quote(id)} is not 1 to ${EVENT_ID_LENGTH_MAX} characters of A-Z a-z 0-9 _ -`;
}

/** For `source` and `correlationId`: 1 to 255 bytes of UTF-8. */
export function nameFault(field: string, name: unknown): string | undefined {
  return textFault(field, name, 1, EVENT_NAME_BYTES_MAX);
}

/** For the key of an attribute, in an event or a filter. `__proto__` is refused, as it would not be stored as a key. */
export function attributeKeyFault(key: string): string | undefined {
  if (key === '__proto__') return 'attribute key "__proto__" is refused';
  return textFault('attribute key', key, 1, ATTRIBUTE_KEY_BYTES_MAX);
}

/** For the value of an attribute; `path` names it in the message. */
export function attributeValueFault(path: string, value: unknown): string | undefined {
  return textFault(path, value, 0, ATTRIBUTE_VALUE_BYTES_MAX);
}

/** For any short text: it has to be well-formed and of a length within the bounds, in bytes of UTF-8. */
export function textFault(
  field: string,
  text: unknown,
  bytesMin: number,
  bytesMax: number,
): string | undefined {
  if (typeof text !== 'string') return `${field} ${quote(text)} is not a string`;
  const { length } = text;
  if (length >= bytesMin && length <= bytesMax && isAscii(text)) return undefined;
  if (length < bytesMin) return `${field} is empty`;
  if (length > bytesMax || utf8Length(text) > bytesMax) {
    return `${field} ${quote(text)} is longer than ${bytesMax} bytes of UTF-8`;
  }
  const lone = loneSurrogateAt(text);
  if (lone < 0) return undefined;
  return `${field} ${quote(text)} has half a surrogate pair at offset ${lone}`;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return false;
  }
  return true;
}
