import { BusError } from './errors.js';
import { checkEventInput } from './event-input.js';
import { ttlMsFault } from './expiry.js';
import { ATTRIBUTES_MAX } from './limits/events.js';
import {
  SCHEDULE_BYTES_MAX,
  SCHEDULE_CRON_LENGTH_MAX,
  SCHEDULE_EVERY_MS_MAX,
  SCHEDULE_EVERY_MS_MIN,
  SCHEDULE_NAME_LENGTH_MAX,
} from './limits/schedules.js';
import { assertOptions, type OptionCheck, oneOf, optionInvalid, wholeNumber } from './options.js';
import { inputPayloadText } from './payload.js';
import { quote } from './quote.js';
import type { MissedDueTimes, ScheduledEvent, ScheduleOptions } from './schedules.js';
import { timestampFault, timestampMs } from './timestamp.js';

/**
 * A schedule's definition as a shard's log keeps it: JSON of a `KeptSchedule`. Two definitions are the same if their
 * texts are.
 */
export interface KeptSchedule {
  readonly cron?: string;
  readonly timeZone?: string;
  readonly everyMs?: number;
  /** ms since 1970. */
  readonly anchor?: number;
  readonly missed: MissedDueTimes;
  /** Absent: the events do not expire. */
  readonly ttlMs?: number;
  readonly event: ScheduledEvent & { readonly source: string };
}

/** The attributes that tell of the schedule. */
export const SCHEDULE_ATTRIBUTE = 'schedule';
export const DUE_ATTRIBUTE = 'dueAt';

const NAME = /^[A-Za-z0-9_-]+$/;

const text: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' ? undefined : `has to be text, not ${quote(value)}`;
const cronText: OptionCheck = (value) =>
  typeof value === 'string' && value.length <= SCHEDULE_CRON_LENGTH_MAX
    ? undefined
    : `has to be a cron expression of at most ${SCHEDULE_CRON_LENGTH_MAX} characters, not ${quote(value)}`;
const anEvent: OptionCheck = (value) =>
  typeof value === 'object' && value !== null
    ? undefined
    : `has to be an event { topic, type, payload }, not ${quote(value)}`;

const CHECKS = new Map<string, OptionCheck>([
  ['cron', cronText],
  ['timeZone', text],
  ['everyMs', wholeNumber(SCHEDULE_EVERY_MS_MIN, SCHEDULE_EVERY_MS_MAX)],
  ['anchor', timestampFault],
  ['missed', oneOf(['all', 'last', 'none'])],
  ['ttlMs', ttlMsFault],
  ['event', anEvent],
]);

/** @throws BusError `OPTION_INVALID` */
export function checkScheduleName(name: unknown): asserts name is string {
  const isName = typeof name === 'string' && NAME.test(name);
  if (isName && name.length <= SCHEDULE_NAME_LENGTH_MAX) return;
  const rule = `1 to ${SCHEDULE_NAME_LENGTH_MAX} characters of A-Z a-z 0-9 _ -`;
  throw optionInvalid('schedules', 'name', `${quote(name)} is not ${rule}`);
}

/** Checks the options of `schedules.set`, each by itself. @throws BusError `OPTION_INVALID` */
export function assertScheduleOptions(options: unknown): asserts options is ScheduleOptions {
  assertOptions<ScheduleOptions>('schedules.set', options, CHECKS);
}

/**
 * Checks a definition, except whether its cron expression is one, and completes it.
 * @param options `ScheduleOptions`, as a caller gave them
 * @param source of the events, if they have none
 * @throws BusError `OPTION_INVALID`, `TOPIC_INVALID`, `EVENT_INVALID`, `PAYLOAD_INVALID`, `PAYLOAD_TOO_LARGE`
 */
export function keptSchedule(
  name: string,
  options: unknown,
  source: string,
  maxPayloadBytes: number,
): KeptSchedule {
  checkScheduleName(name);
  assertScheduleOptions(options);
  const { cron, timeZone, everyMs, anchor, missed = 'all', ttlMs } = options;
  if ((cron === undefined) === (everyMs === undefined)) {
    throw optionInvalid('schedules.set', 'cron', 'one of cron and everyMs has to be there');
  }
  if (cron === undefined && timeZone !== undefined) {
    throw optionInvalid('schedules.set', 'timeZone', 'goes with cron');
  }
  if (everyMs === undefined && anchor !== undefined) {
    throw optionInvalid('schedules.set', 'anchor', 'goes with everyMs');
  }
  const event = eventOf(options.event, source, maxPayloadBytes);
  const rest = { missed, ...(ttlMs === undefined ? {} : { ttlMs }), event };
  if (cron !== undefined) return { cron, timeZone: timeZone ?? 'UTC', ...rest };
  const from = anchor === undefined ? 0 : timestampMs(anchor);
  return { everyMs: everyMs!, anchor: from, ...rest };
}

/** @throws BusError `LIMIT_EXCEEDED` */
export function scheduleText(kept: KeptSchedule): string {
  const definition = JSON.stringify(kept);
  if (definition.length <= SCHEDULE_BYTES_MAX) return definition;
  const limit = SCHEDULE_BYTES_MAX;
  const message = `the definition has ${definition.length} characters of JSON; ${limit} is the limit`;
  throw new BusError('LIMIT_EXCEEDED', message, { details: { limit } });
}

function eventOf(
  input: ScheduledEvent,
  busSource: string,
  maxPayloadBytes: number,
): KeptSchedule['event'] {
  const given = input as { readonly [field in 'id' | 'timestamp' | 'expiresAt']?: unknown };
  checkEventInput(input);
  for (const field of ['id', 'timestamp', 'expiresAt'] as const) {
    if (given[field] === undefined) continue;
    throw optionInvalid('schedules.set', `event.${field}`, 'is made for each due time');
  }
  const { topic, type, source = busSource, correlationId, causationId, attributes } = input;
  const own = [SCHEDULE_ATTRIBUTE, DUE_ATTRIBUTE];
  const taken = own.find((key) => attributes !== undefined && key in attributes);
  if (taken !== undefined) {
    const message = `attribute ${taken} is made for each due time`;
    throw optionInvalid('schedules.set', 'event.attributes', message);
  }
  if (Object.keys(attributes ?? {}).length > ATTRIBUTES_MAX - own.length) {
    const most = ATTRIBUTES_MAX - own.length;
    throw optionInvalid('schedules.set', 'event.attributes', `there are more than ${most}`);
  }
  const payload: unknown = JSON.parse(inputPayloadText(input, maxPayloadBytes));
  return {
    topic,
    type,
    source,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(causationId === undefined ? {} : { causationId }),
    ...(attributes === undefined ? {} : { attributes }),
    payload,
  };
}

export function parsedSchedule(definition: string): KeptSchedule {
  return JSON.parse(definition) as KeptSchedule;
}

/** The topic on which the schedule publishes. */
export function topicOfSchedule(definition: string): string {
  return parsedSchedule(definition).event.topic;
}

/** The id of the event of a due time, ms since 1970: `nightly-20270101T090000000Z`. */
export function scheduledId(name: string, dueAt: number): string {
  return `${name}-${new Date(dueAt).toISOString().replace(/[-:.]/g, '')}`;
}
