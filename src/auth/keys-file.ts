import * as v from 'valibot';
import { nameFault } from '../protocol/event-fields.js';
import { findJsonFault } from '../protocol/json-fault.js';
import { API_KEYS_MAX } from '../protocol/limits/auth.js';
import { objectOf } from '../protocol/object-schema.js';
import { quote } from '../protocol/quote.js';
import { API_KEY_HASH, API_KEY_ID } from './api-key.js';
import { addFaults, grantFields, parseOrFaults } from './auth-options.js';
import { type Claims, fillFaults } from './grant-templates.js';
import type { Fault } from './grants.js';
import { isTime } from './time.js';

/** The keys file: JSON, `{ "version": 1, "keys": [ … ] }`, written by `millrace token` and by hand. Any thread. */

const KEYS_FILE_VERSION = 1;

const time = v.pipe(
  v.string(),
  v.check(isTime, (issue) => `${quote(issue.input)} is no time such as 2026-01-31T12:00:00Z`),
);

const keyShape = objectOf({
  id: v.pipe(v.string(), v.regex(API_KEY_ID, 'is not 16 characters of 0-9 a-z')),
  name: v.pipe(
    v.string(),
    v.check(
      (name) => nameFault('name', name) === undefined,
      (issue) => nameFault('name', issue.input) ?? 'is no name',
    ),
  ),
  // The fault does not quote the value, which may be the key itself, put there by mistake.
  hash: v.custom<string>(
    (hash) => typeof hash === 'string' && API_KEY_HASH.test(hash),
    'is not "sha256:" and 64 hexadecimal digits',
  ),
  createdAt: v.exactOptional(time),
  expiresAt: v.exactOptional(time),
  ...grantFields,
});

const keySchema = v.pipe(
  keyShape,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    addFaults(fillFaults(dataset.value, keyClaims(dataset.value)), addIssue);
  }),
);

const fileSchema = v.pipe(
  objectOf({
    version: v.literal(KEYS_FILE_VERSION),
    keys: v.pipe(v.array(keySchema), v.maxLength(API_KEYS_MAX)),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const message of repeatedIds(dataset.value.keys)) addIssue({ message });
  }),
);

/** A key as the file holds it. */
export type StoredKey = v.InferOutput<typeof keyShape>;

/** The claims that the patterns of a key's grants may name. */
export function keyClaims({ id, name }: Pick<StoredKey, 'id' | 'name'>): Claims {
  return { sub: name, id };
}

/** Checks one key. On faults returns `undefined` and appends every fault to `faults`. */
export function parseStoredKey(value: unknown, faults: Fault[]): StoredKey | undefined {
  return parseOrFaults(keySchema, value, faults);
}

/** Parses the file. On faults returns `undefined` and appends every fault to `faults`. */
export function parseKeysFile(text: string, faults: Fault[]): readonly StoredKey[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The fault gives the place but not the text, which may be a secret put there by mistake.
    const { line, column } = findJsonFault(text) ?? { line: 1, column: 1 };
    const message = `is not JSON, from line ${line}, column ${column} on`;
    faults.push({ path: '', message: text.trim() === '' ? 'is empty' : message });
    return undefined;
  }
  return parseOrFaults(fileSchema, value, faults)?.keys;
}

export function keysFileText(keys: readonly StoredKey[]): string {
  return `${JSON.stringify({ version: KEYS_FILE_VERSION, keys }, undefined, 2)}\n`;
}

function* repeatedIds(keys: readonly StoredKey[]): Generator<string> {
  const counts = new Map<string, number>();
  for (const { id } of keys) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const [id, count] of counts) {
    if (count > 1) yield `keys: the id ${quote(id)} is there ${count} times`;
  }
}
