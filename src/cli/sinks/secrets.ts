import { readFileSync } from 'node:fs';
import { SECRET_FILE_BYTES_MAX } from '../../protocol/limits/cli.js';
import type { OptionFault } from '../../protocol/options.js';
import { messageOf } from '../../protocol/thrown.js';

/**
 * Secrets in a section of the config file are named, not written: `{ "env": "NAME" }` or `{ "file": "PATH" }` stands in
 * their place. No message here shows a secret.
 */

/** Options that are secrets, wherever they stand in a section. */
const SECRET_NAMES = new Set(['secret', 'key', 'signingKey', 'token']);
const LINE_END = /\r?\n$/;

/** The value with what its places name; faults are added to `faults`. */
export function resolveSecrets(value: unknown, path: string, faults: OptionFault[]): unknown {
  if (Array.isArray(value)) {
    return value.map((item, at) => resolveSecrets(item, `${path}.${at}`, faults));
  }
  const name = path.split('.').findLast((part) => !/^\d+$/.test(part)) ?? '';
  const isSecret = SECRET_NAMES.has(name);
  if (typeof value !== 'object' || value === null) {
    if (isSecret && value !== undefined) {
      faults.push({ path, message: 'has to be { "env": NAME } or { "file": PATH }' });
    }
    return value;
  }
  // A section's options as a whole are no place, whatever they are called.
  const place = path === '' ? undefined : placeOf(value);
  if (place !== undefined) return readPlace(place, path, name === 'key', faults);
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    resolveSecrets(item, path === '' ? key : `${path}.${key}`, faults),
  ]);
  return Object.fromEntries(entries);
}

interface Place {
  readonly kind: 'env' | 'file';
  readonly name: string;
}

function placeOf(value: object): Place | undefined {
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0) return undefined;
  const [kind, name] = entry;
  const isPlace = (kind === 'env' || kind === 'file') && typeof name === 'string' && name !== '';
  return isPlace ? { kind, name } : undefined;
}

/** `isBytes`: a file's bytes as they are; otherwise as text, without the line break at its end. */
function readPlace(
  { kind, name }: Place,
  path: string,
  isBytes: boolean,
  faults: OptionFault[],
): string | Uint8Array | undefined {
  if (kind === 'env') {
    const value = process.env[name];
    if (value !== undefined && value !== '') return value;
    faults.push({ path, message: `the environment variable ${name} is not set` });
    return undefined;
  }
  try {
    const bytes = readFileSync(name);
    if (bytes.length <= SECRET_FILE_BYTES_MAX) {
      return isBytes ? bytes : bytes.toString().replace(LINE_END, '');
    }
    faults.push({ path, message: `${name} has more than ${SECRET_FILE_BYTES_MAX} bytes` });
  } catch (error) {
    faults.push({ path, message: messageOf(error) });
  }
  return undefined;
}
