import { DELIVERY_TIME_CHECKS, delayFault } from './deliver-at.js';
import { BusError } from './errors.js';
import type { PublishManyOptions, PublishOptions } from './event.js';
import { expectationFault, expectationsFault } from './expectation.js';
import { ttlMsFault } from './expiry.js';
import {
  SUBSCRIBE_LAST_MAX,
  SUBSCRIBER_BUFFER_EVENTS_MAX,
  SUBSCRIPTION_NAME_LENGTH_MAX,
} from './limits/bus-api.js';
import { nameHint } from './name-hint.js';
import { quote } from './quote.js';
import { timestampFault } from './timestamp.js';

/**
 * The checks of options, and their messages, that a bus, a client and the doors of a server share. Without a schema
 * library, as the client's bundle has to be small and a publish fast.
 */

/** Without `block`, by which one socket could stop all publishers; it is for subscribers in the bus's own process. */
export const REMOTE_OVERFLOW_POLICIES = [
  'catch-up',
  'drop-oldest',
  'drop-newest',
  'conflate',
  'disconnect',
] as const;
export const OVERFLOW_POLICIES = [...REMOTE_OVERFLOW_POLICIES, 'block'] as const;

export interface OptionFault {
  readonly path: string;
  readonly message: string;
}

/** Returns what is wrong with a value, or `undefined`. */
export type OptionCheck = (value: unknown) => string | undefined;
export type OptionChecks = ReadonlyMap<string, OptionCheck>;

const NO_FAULTS: readonly OptionFault[] = [];

/** Every fault of an options object. An option that is `undefined` counts as left out. */
export function optionFaults(options: unknown, checks: OptionChecks): readonly OptionFault[] {
  if (typeof options !== 'object' || options === null) {
    return [{ path: '', message: `has to be an object, not ${quote(options)}` }];
  }
  let faults: OptionFault[] | undefined;
  for (const path in options) {
    const value: unknown = Reflect.get(options, path);
    const check = checks.get(path);
    let message: string | undefined;
    if (check === undefined) message = `is unknown${nameHint(path, checks.keys())}`;
    else if (value !== undefined) message = check(value);
    if (message === undefined) continue;
    faults ??= [];
    faults.push({ path, message });
  }
  return faults ?? NO_FAULTS;
}

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function checkOptions(call: string, options: unknown, checks: OptionChecks): void {
  const faults = optionFaults(options, checks);
  if (faults.length > 0) throw optionsInvalid(call, faults);
}

/** As `checkOptions`, for options of unknown origin: afterwards they are of the type whose options the checks are. */
export function assertOptions<T extends object>(
  call: string,
  options: unknown,
  checks: OptionChecks,
): asserts options is T {
  checkOptions(call, options, checks);
}

export function optionsInvalid(call: string, faults: readonly OptionFault[]): BusError {
  const text = faults.map(({ path, message }) => (path ? `${path}: ${message}` : message));
  return new BusError('OPTION_INVALID', `${call}: ${text.join('; ')}`, { details: { faults } });
}

export function optionInvalid(call: string, path: string, message: string): BusError {
  return optionsInvalid(call, [{ path, message }]);
}

export function wholeNumber(least: number, greatest: number): OptionCheck {
  return (value) =>
    isWholeNumber(value, least, greatest)
      ? undefined
      : `has to be a whole number from ${least} to ${greatest}, not ${quote(value)}`;
}

export function oneOf(values: readonly unknown[]): OptionCheck {
  return (value) =>
    values.includes(value)
      ? undefined
      : `has to be one of ${values.join(', ')}, not ${quote(value)}`;
}

export const trueOrFalse: OptionCheck = (value) =>
  typeof value === 'boolean' ? undefined : `has to be true or false, not ${quote(value)}`;

export const aFunction: OptionCheck = (value) =>
  typeof value === 'function' ? undefined : `has to be a function, not ${quote(value)}`;

export const anAbortSignal: OptionCheck = (value) =>
  isAbortSignal(value) ? undefined : `has to be an AbortSignal, not ${quote(value)}`;

/** By its members, not its class, so that a signal of another realm or of a test runner counts too. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener } = value as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function';
}

/** The name of a subscription, or of a consumer's member. */
export const subscriptionName: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' && value.length <= SUBSCRIPTION_NAME_LENGTH_MAX
    ? undefined
    : `has to be text of 1 to ${SUBSCRIPTION_NAME_LENGTH_MAX} characters, not ${quote(value)}`;

/** The checks of the options of `subscribe`; the overflow policies differ between callers. */
export function subscribeChecks(policies: readonly string[]): [string, OptionCheck][] {
  return [
    ['from', fromFault],
    ['overflow', oneOf(policies)],
    ['maxBuffer', wholeNumber(1, SUBSCRIBER_BUFFER_EVENTS_MAX)],
    ['name', subscriptionName],
    ['signal', anAbortSignal],
  ];
}

const FROM_FORMS = `'now', 'earliest', 'latest', { last: 1 to ${SUBSCRIBE_LAST_MAX} }, { since: time } or { after: cursor }`;

/** Does not check whether `after` is a valid cursor; that is checked later. */
export function fromFault(from: unknown): string | undefined {
  if (from === 'now' || from === 'earliest' || from === 'latest') return undefined;
  if (typeof from !== 'object' || from === null || Object.keys(from).length !== 1) {
    return `${quote(from)} is none of ${FROM_FORMS}`;
  }
  const [[form, value]] = Object.entries(from) as [[string, unknown]];
  if (form === 'last') {
    if (isWholeNumber(value, 1, SUBSCRIBE_LAST_MAX)) return undefined;
    return `last: ${quote(value)} is not a whole number from 1 to ${SUBSCRIBE_LAST_MAX}`;
  }
  if (form === 'since') {
    const fault = timestampFault(value);
    return fault === undefined ? undefined : `since: ${fault}`;
  }
  if (form === 'after') {
    return typeof value === 'string' ? undefined : `after: ${quote(value)} is not a cursor`;
  }
  return `${form}: ${quote(value)} is none of ${FROM_FORMS}`;
}

/** As `fromFault`, for a durable consumer, which gets every event behind its start. */
export function consumerFromFault(from: unknown): string | undefined {
  if (from !== 'latest') return fromFault(from);
  return "'latest' is for subscriptions; a consumer begins at a place in history";
}

const publishChecks: [string, OptionCheck][] = [
  ['durability', oneOf(['synced', 'written'])],
  ['persist', trueOrFalse],
  ['idScope', oneOf(['topic', 'source'])],
  ['signal', anAbortSignal],
  ...DELIVERY_TIME_CHECKS,
  ['ttlMs', ttlMsFault],
];
export const PUBLISH_CHECKS: OptionChecks = new Map([
  ...publishChecks,
  ['expect', expectationFault],
]);
export const PUBLISH_MANY_CHECKS: OptionChecks = new Map([
  ...publishChecks,
  ['atomic', trueOrFalse],
  ['expect', expectationsFault],
]);

/** Checks the options of a publish; runs on every publish. @throws BusError `OPTION_INVALID` */
export function checkPublishOptions(options: PublishOptions, checks = PUBLISH_CHECKS): void {
  checkOptions('publish', options, checks);
  checkDelay('publish', options);
  const { durability, persist, expect } = options;
  if (persist !== false) return;
  if (durability !== undefined) {
    throw optionInvalid('publish', 'durability', `an ephemeral event has none, not ${durability}`);
  }
  if (expect !== undefined) throw optionInvalid('publish', 'expect', EPHEMERAL_FAULT);
}

/** Checks the options of a `publishMany`. @throws BusError `OPTION_INVALID` */
export function checkPublishManyOptions(
  options: PublishManyOptions,
  checks = PUBLISH_MANY_CHECKS,
): void {
  checkOptions('publishMany', options, checks);
  checkDelay('publishMany', options);
  const { durability, persist, expect, atomic } = options;
  if (persist === false && durability !== undefined) {
    throw optionInvalid(
      'publishMany',
      'durability',
      `an ephemeral event has none, not ${durability}`,
    );
  }
  if (persist === false && atomic === true) {
    throw optionInvalid('publishMany', 'atomic', EPHEMERAL_FAULT);
  }
  if (expect !== undefined && atomic !== true) {
    throw optionInvalid('publishMany', 'expect', 'goes with atomic: true');
  }
}

function checkDelay(call: string, options: PublishOptions | PublishManyOptions): void {
  const fault = delayFault(options);
  if (fault !== undefined) throw optionsInvalid(call, [fault]);
}

const EPHEMERAL_FAULT = 'goes with stored events, and persist is false';

function isWholeNumber(value: unknown, least: number, greatest: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= greatest;
}
