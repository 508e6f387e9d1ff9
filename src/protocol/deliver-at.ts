import { BusError } from './errors.js';
import { DELIVER_AHEAD_MS_MAX } from './limits/schedules.js';
import { quote } from './quote.js';
import { timestampFault, timestampMs } from './timestamp.js';

/** When a publish becomes an event, as a bus, a client and the doors of a server check it. */
export interface DeliveryTime {
  readonly deliverAt?: Date | string | undefined;
  readonly delayMs?: number | undefined;
}

export const DELIVERY_TIME_CHECKS: readonly [string, (value: unknown) => string | undefined][] = [
  ['deliverAt', timestampFault],
  ['delayMs', delayMsFault],
];

function delayMsFault(value: unknown): string | undefined {
  const isInRange = Number.isSafeInteger(value) && Number(value) >= 0;
  if (isInRange && Number(value) <= DELIVER_AHEAD_MS_MAX) return undefined;
  return `has to be a whole number from 0 to ${DELIVER_AHEAD_MS_MAX}, not ${quote(value)}`;
}

/** The option by which a publish asks to become an event later; `undefined`: it asks for nothing of the kind. */
export function delayOption({ deliverAt, delayMs }: DeliveryTime): keyof DeliveryTime | undefined {
  if (deliverAt !== undefined) return 'deliverAt';
  return delayMs === undefined ? undefined : 'delayMs';
}

interface BesideOptions extends DeliveryTime {
  readonly persist?: boolean | undefined;
  readonly expect?: unknown;
}

/** What is wrong with a delay beside other options, or `undefined`. The options were checked one by one. */
export function delayFault(
  options: BesideOptions,
): { readonly path: string; readonly message: string } | undefined {
  const option = delayOption(options);
  if (option === undefined) return undefined;
  if (options.deliverAt !== undefined && options.delayMs !== undefined) {
    return { path: 'delayMs', message: 'goes without deliverAt' };
  }
  if (options.persist === false) {
    return { path: option, message: 'goes with stored events, and persist is false' };
  }
  if (options.expect === undefined) return undefined;
  const message = `goes without ${option}: nobody knows what the last event will be by then`;
  return { path: 'expect', message };
}

/**
 * The time at which a publish becomes an event, ms since 1970; `undefined`: at once. The options are checked.
 * @throws BusError `OPTION_INVALID` for a time too far ahead
 */
export function deliveryTime(
  { deliverAt, delayMs }: DeliveryTime,
  now: () => number = Date.now,
): number | undefined {
  if (deliverAt === undefined && delayMs === undefined) return undefined;
  const from = now();
  const at = deliverAt === undefined ? from + delayMs! : timestampMs(deliverAt);
  if (at - from <= DELIVER_AHEAD_MS_MAX) return at;
  const path = delayOption({ deliverAt, delayMs })!;
  const text = new Date(at).toISOString();
  const message = `${text} is more than ${DELIVER_AHEAD_MS_MAX} ms (100 years) ahead, which is the limit`;
  throw new BusError('OPTION_INVALID', `publish: ${path}: ${message}`, {
    details: { faults: [{ path, message }] },
  });
}
