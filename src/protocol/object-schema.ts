import * as v from 'valibot';
import { nameHint } from './name-hint.js';

/**
 * An object with these fields and no others. Reports every unknown field, where Valibot's `strictObject` reports only
 * the first. Refuses arrays, which Valibot takes for objects if no field is required.
 */
export function objectOf<E extends v.ObjectEntries>(entries: E, expected = 'has to be an object') {
  type Fields = v.StrictObjectSchema<E, undefined>;
  type Schema = v.GenericSchema<v.InferInput<Fields>, v.InferOutput<Fields>>;
  const fields: Schema = v.strictObject(entries);
  const notAnObject = v.custom<never>(() => false, expected);
  return v.lazy((input): Schema => {
    if (!isObject(input)) return notAnObject;
    const unknown = Object.keys(input).filter((name) => !Object.hasOwn(entries, name));
    if (unknown.length === 0) return fields;
    const refused = unknown.map((name) => [name, unknownField(name, entries)]);
    const all: E = { ...entries, ...Object.fromEntries(refused) };
    return v.strictObject(all);
  });
}

function unknownField(name: string, entries: v.ObjectEntries) {
  return v.never(`is unknown${nameHint(name, Object.keys(entries))}`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
