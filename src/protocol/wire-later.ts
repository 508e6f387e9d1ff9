import * as v from 'valibot';
import type { ScheduledPage } from './scheduled.js';
import type { ScheduleInfo } from './schedules.js';

/**
 * The checks of a client's frames about what is published later; a part of `wire.ts`. This file checks shapes; the bus
 * checks names, options and numbers, with codes of its own. Any thread.
 */

const text = v.string();
const whole = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
/** Valibot would take an array for an object without fields. */
const notAnArray = v.custom<never>(() => false, 'it is an array, not an object');
const anObject = v.custom<object>(
  (input) => typeof input === 'object' && input !== null && !Array.isArray(input),
  'it is no object',
);
const topics = v.lazy((input) =>
  Array.isArray(input) ? v.pipe(v.array(text), v.minLength(1)) : text,
);

/** When a publish becomes an event; a part of the fields of `publish`. */
export const DELIVERY_TIME_FIELDS = {
  deliverAt: v.exactOptional(text),
  delayMs: v.exactOptional(whole),
};

const scheduledFields = v.strictObject({
  topic: v.exactOptional(topics),
  id: v.exactOptional(text),
  limit: v.exactOptional(whole),
  after: v.exactOptional(text),
});
const noFields = v.strictObject({});

export const LATER_REQUEST_SCHEMAS = {
  scheduled: v.optional(v.lazy((input) => (Array.isArray(input) ? notAnArray : scheduledFields))),
  cancel: v.strictObject({
    id: text,
    topic: v.exactOptional(text),
    source: v.exactOptional(text),
  }),
  schedules: v.optional(v.lazy((input) => (Array.isArray(input) ? notAnArray : noFields))),
  schedule: v.strictObject({ name: text }),
  nextTimes: v.strictObject({ name: text, count: v.exactOptional(whole) }),
  setSchedule: v.strictObject({ name: text, schedule: anObject }),
  alterSchedule: v.strictObject({ name: text, kind: v.picklist(['pause', 'resume', 'delete']) }),
} as const;

/** The fields of `result` that answer these requests. */
export interface LaterResult {
  readonly scheduled?: ScheduledPage;
  readonly cancelled?: boolean;
  readonly schedules?: readonly ScheduleInfo[];
  /** null: there is none. */
  readonly schedule?: ScheduleInfo | null;
  readonly times?: readonly string[];
  readonly deleted?: boolean;
}
