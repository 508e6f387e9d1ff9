import * as v from 'valibot';
import { SUBSCRIPTION_NAME_LENGTH_MAX } from './limits/bus-api.js';
import { ATTRIBUTES_MAX, FILTER_VALUES_MAX } from './limits/events.js';
import { REQUEST_ID_LENGTH_MAX } from './limits/websocket.js';

/** The shapes of fields that several of a client's frames have. Any thread, and browsers. */

export type RequestId = string | number;

export function isRequestId(value: unknown): value is RequestId {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return typeof value === 'string' && value !== '' && value.length <= REQUEST_ID_LENGTH_MAX;
}

export const name = v.pipe(v.string(), v.minLength(1), v.maxLength(SUBSCRIPTION_NAME_LENGTH_MAX));
/** Checked before the elements are, as a frame has room for a hundred thousand of them. */
const tooMany = (limit: number) =>
  v.custom<never>(() => false, `it has more elements than ${limit}, which is the limit`);
const fewStrings = v.array(v.string());
export const strings = v.lazy((input) =>
  Array.isArray(input) && input.length > FILTER_VALUES_MAX
    ? tooMany(FILTER_VALUES_MAX)
    : fewStrings,
);
export const nonEmptyStrings = v.pipe(strings, v.minLength(1));
export const count = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(1),
  v.maxValue(Number.MAX_SAFE_INTEGER),
);

/** For objects that may have no fields: Valibot would take an array for one. */
export const notAnArray = v.custom<never>(() => false, 'it is an array, not an object');
const stringsByKey = v.record(v.string(), strings);
const stringByKey = v.record(v.string(), v.string());
export const valuesByKey = v.lazy((input) => keyFault(input) ?? stringsByKey);
export const valueByKey = v.lazy((input) => keyFault(input) ?? stringByKey);

/** A fault only if there are far too many keys; the bus refuses a few too many with its own code. */
function keyFault(input: unknown) {
  if (Array.isArray(input)) return notAnArray;
  const isObject = typeof input === 'object' && input !== null;
  const keysMax = ATTRIBUTES_MAX * 2;
  return isObject && Object.keys(input).length > keysMax ? tooMany(keysMax) : undefined;
}

const filter = v.strictObject({
  topics: nonEmptyStrings,
  types: v.exactOptional(strings),
  categories: v.exactOptional(strings),
  sources: v.exactOptional(strings),
  correlationIds: v.exactOptional(strings),
  attributes: v.exactOptional(valuesByKey),
});

/** How much may be on its way to the client or unconsumed there. */
export const windowFields = v.strictObject({ events: count, bytes: v.exactOptional(count) });

export const anyFilter = v.lazy((input) => {
  if (typeof input === 'string') return v.string();
  return Array.isArray(input) ? nonEmptyStrings : filter;
});

export const from = v.lazy((input) => {
  if (typeof input !== 'object' || input === null) return v.picklist(['now', 'earliest', 'latest']);
  if ('last' in input) return v.strictObject({ last: count });
  if ('since' in input) return v.strictObject({ since: v.string() });
  return v.strictObject({ after: v.string() });
});
