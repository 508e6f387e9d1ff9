import * as v from 'valibot';

/**
 * An object with these fields and no other. Every unknown field is told, where Valibot's `strictObject` tells the first alone; an array
 * is none, which Valibot takes for one where no field has to be there.
 */
export function objectOf<E extends v.ObjectEntries>(entries: E, expected = 'has to be an object') {
  type Fields = v.StrictObjectSchema<E, undefined>;
  const fields: v.GenericSchema<v.InferInput<Fields>, v.InferOutput<Fields>> = v.objectWithRest(
    entries,
    v.never(),
  );
  const notAnObject = v.custom<never>(() => false, expected);
  return v.lazy((input) => (isObject(input) ? fields : notAnObject));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
