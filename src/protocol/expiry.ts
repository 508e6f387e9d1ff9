import type { Event, EventInput } from './event.js';
import { EVENT_TTL_MS_MAX } from './limits/events.js';
import { quote } from './quote.js';
import { timestampMs } from './timestamp.js';

/** When an event expires, as a bus, a client and the doors of a server understand it. Any thread, and browsers. */

/** What is wrong with the option `ttlMs`, or `undefined`. */
export function ttlMsFault(value: unknown): string | undefined {
  const isInRange = Number.isSafeInteger(value) && Number(value) >= 1;
  if (isInRange && Number(value) <= EVENT_TTL_MS_MAX) return undefined;
  return `has to be a whole number from 1 to ${EVENT_TTL_MS_MAX}, not ${quote(value)}`;
}

/**
 * The expiry of an event as its record has it: ms since 1970; negative: so many ms after it is recorded; 0: never. The
 * input and the option are checked.
 */
export function expiryOf(
  { expiresAt }: Pick<EventInput, 'expiresAt'>,
  ttlMs: number | undefined,
): number {
  // A record tells a time from a time to live by its sign.
  if (expiresAt !== undefined) return Math.max(1, timestampMs(expiresAt));
  return ttlMs === undefined ? 0 : -ttlMs;
}

/** Whether an event has expired at a time, ms since 1970. */
export function isExpired({ expiresAt }: Pick<Event, 'expiresAt'>, now: number): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= now;
}
