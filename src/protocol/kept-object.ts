import { BusError } from './errors.js';
import { messageOf } from './thrown.js';

/** A small text that a store keeps beside its logs. */
export interface ReadableText {
  /** Names it in errors. */
  readonly file: string;
  /** `undefined`: it was never written. */
  read(): string | undefined;
}

export type KeptObject = Readonly<Record<string, unknown>>;

/** How a kept text says which version wrote it, and how long it may be. */
export interface KeptForm {
  readonly format: number;
  readonly lengthMax: number;
}

/**
 * Reads a kept JSON object. `parse` throws an `Error` with the fault of a field; `undefined`: nothing is kept.
 * @throws BusError `STORE_CORRUPT` naming the file and its fault, or the error of the system
 */
export function readKept<T>(
  text: ReadableText,
  form: KeptForm,
  parse: (kept: KeptObject) => T,
): T | undefined {
  const json = text.read();
  if (json === undefined) return undefined;
  try {
    return parse(keptObject(json, form));
  } catch (error) {
    const reason = messageOf(error);
    const { file } = text;
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
}

export function isKeptObject(value: unknown): value is KeptObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function keptObject(json: string, { format, lengthMax }: KeptForm): KeptObject {
  if (json.length > lengthMax) {
    throw new Error(`it has ${json.length} characters; ${lengthMax} is the limit`);
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error('it is not JSON');
  }
  if (!isKeptObject(value)) throw new Error('it is not a JSON object');
  if (value.format !== format) {
    throw new Error(`its format is ${String(value.format)}, not ${format}`);
  }
  return value;
}
